"""Reading and writing the project's YAML, JSON and CSV documents, strictly.

Reading collects every fault of a file before it raises (`BadInput`), each with the path inside the file.
Writing is beside-then-rename, so that a reader never sees half a file.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from capacity.faults import BadInput, Fault

REPOSITORY = Path(__file__).resolve().parent.parent

ModelT = TypeVar("ModelT", bound="Document")


class Document(BaseModel):
    """Base of everything that is read from a file: unknown keys are faults, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class _UniqueKeyLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that refuses a key given twice, which plain YAML would drop in silence."""


def _mapping(loader: Any, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=deep) for k, v in node.value}


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def shown(path: Path) -> str:
    """The path as a user would type it: relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)


def read_yaml(path: Path) -> Any:
    """The parsed YAML of `path`. Raises BadInput when it is missing, unreadable or not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(
            [Fault(shown(path), "", "", error.strerror or "cannot be read", "Check the file name.")]
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput([Fault(shown(path), "", "", f"not UTF-8 ({error.reason})", "Save the file as UTF-8.")]) from None
    return parse_yaml(text, shown(path))


def parse_yaml(text: str, source: str) -> Any:
    """The parsed YAML `text`; `source` names it in faults. Raises BadInput when it is not YAML."""
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        form = "JSON" if source.endswith(".json") else "YAML"  # every JSON document is a YAML one
        problem = f"not valid {form}: {getattr(error, 'problem', None) or error}"
        raise BadInput([Fault(source, where, "", problem, f"Mend the {form} at that place.")]) from None


def validate(model: type[ModelT], data: Any, source: str) -> ModelT:
    """`data` as a `model`, or BadInput with one fault for each thing wrong in it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise BadInput(_faults(error, model, source)) from None


def load(model: type[ModelT], path: Path) -> ModelT:
    """The document at `path` (YAML or JSON). Raises BadInput."""
    return validate(model, read_yaml(path), shown(path))


def _faults(error: ValidationError, model: type[BaseModel], source: str) -> list[Fault]:
    return [
        Fault(
            file=source,
            path=_dotted(detail["loc"]),
            value=_shortened(detail.get("input")) if detail["type"] != "missing" else "",
            problem=detail["msg"].removeprefix("Value error, "),
            remedy=_remedy(detail, model),
        )
        for detail in error.errors(include_url=False)
    ]


def _dotted(location: tuple[int | str, ...]) -> str:
    out = ""
    for part in location:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _remedy(detail: Any, model: type[BaseModel]) -> str:
    kind = detail["type"]
    context = detail.get("ctx") or {}
    if remedy := getattr(context.get("error"), "remedy", ""):
        return str(remedy)
    if kind == "extra_forbidden":
        unknown = str(detail["loc"][-1])
        near = difflib.get_close_matches(unknown, _field_names(model), n=1)
        return f"Did you mean {near[0]!r}?" if near else "Remove the key; it is not part of this document."
    if kind == "missing":
        return "Add the key."
    if "expected" in context:
        return f"Use {context['expected']}."
    return "Correct the value."


def _field_names(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> list[str]:
    seen = seen if seen is not None else set()
    if model in seen:
        return []
    seen.add(model)
    names = [field.alias or name for name, field in model.model_fields.items()]
    for field in model.model_fields.values():
        for nested in _models_in(field.annotation):
            names += _field_names(nested, seen)
    return names


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _models_in(arg)]


class RuleBroken(ValueError):
    """Raised inside a validator: a value breaks a rule, with the remedy that the user is shown."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def read_csv(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of `path` as dictionaries. Raises BadInput when a named column is missing or a row has a wrong width."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput([Fault(shown(path), "", "", f"cannot be read: {error}", "Check the file.")]) from None
    return parse_csv(text, columns, shown(path))


def parse_csv(text: str, columns: tuple[str, ...], source: str) -> list[dict[str, str]]:
    """As `read_csv`, of a text; `source` names it in faults."""
    rows = list(csv.reader(io.StringIO(text)))
    header = rows[0] if rows else []
    faults = [
        Fault(source, "header", "", f"column {c!r} is missing", "Add the column.") for c in columns if c not in header
    ]
    faults += [
        Fault(
            source,
            f"row {n}",
            _shortened(row),
            f"has {len(row)} cells, the header has {len(header)}",
            "Mend the row.",
        )
        for n, row in enumerate(rows[1:], start=2)
        if row and len(row) != len(header)
    ]
    if faults:
        raise BadInput(faults)
    return [dict(zip(header, row, strict=True)) for row in rows[1:] if row]


def sha256(path: Path) -> str:
    """The hash of a file's bytes, as `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write beside and rename, so that `path` is always whole: the old text or the new one."""
    write_bytes(path, text.encode("utf-8"), mode)


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """As `write_text`, for bytes. Secret files pass mode 0o600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, mode)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def to_yaml(document: BaseModel, header: str = "") -> str:
    """A document as YAML in field order; `header` becomes comment lines at the top."""
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    body = yaml.dump(
        document.model_dump(mode="json", exclude_none=True),
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )
    return comment + body


def to_json(document: BaseModel) -> str:
    """A document as indented JSON with a closing newline."""
    return json.dumps(document.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
