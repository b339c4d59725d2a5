"""Writing an assignment into a launch plan: only the lists of provinces change; comments and layout stay."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from capacity.documents import shown, validate, write_text
from capacity.faults import BadInput, Fault
from capacity.inputs import Inputs, cross_faults
from capacity.launch import Launch

WIDTH = 116


def apply_phases(inputs: Inputs, phase_of: Mapping[str, int]) -> None:
    """Write `phase_of` (province → phase) into the plan that `inputs` was read from, beside it and by renaming.

    The new text is checked as a whole plan first. Raises BadInput, with nothing changed, when it would not be sound.
    """
    text = inputs.path.read_text(encoding="utf-8")
    new = with_phases(text, phase_of, shown(inputs.path))
    launch = validate(Launch, yaml.safe_load(new), shown(inputs.path))
    if faults := list(cross_faults(replace(inputs, launch=launch))):
        raise BadInput(faults)
    placed = {code: phase.id for phase in launch.phases for code in phase.provinces}
    assert placed == dict(phase_of), "the edit says what was asked"
    write_text(inputs.path, new, mode=inputs.path.stat().st_mode & 0o777)


def with_phases(text: str, phase_of: Mapping[str, int], source: str = "plan") -> str:
    """`text` of a launch plan with the provinces of each phase replaced. Provinces that stay keep their place; those
    that join are added in the order of `phase_of`. Raises BadInput when the phases cannot be found in the text."""
    edits: list[tuple[int, int, str]] = []
    for number, node in _province_nodes(text, source):
        old = [item.value for item in node.value]
        stay = [code for code in old if phase_of.get(code) == number]
        join = [code for code, phase in phase_of.items() if phase == number and code not in stay]
        if stay + join != old:
            edits.append((*_span(text, node), _written(text, node, stay + join)))
    for begin, end, written in sorted(edits, reverse=True):
        text = text[:begin] + written + text[end:]
    return text


def _province_nodes(text: str, source: str) -> list[tuple[int, yaml.SequenceNode]]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    out: list[tuple[int, yaml.SequenceNode]] = []
    for phase in _items(_value(root, "phases")):
        number, provinces = _value(phase, "id"), _value(phase, "provinces")
        if isinstance(number, yaml.ScalarNode) and isinstance(provinces, yaml.SequenceNode):
            out.append((int(number.value), provinces))
    if sorted(number for number, _ in out) != [1, 2, 3]:
        raise BadInput([Fault(source, "phases", "", "three phases with lists of provinces were not found", "Mend it.")])
    return out


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _span(text: str, node: yaml.SequenceNode) -> tuple[int, int]:
    """Where the list stands in the text; a block list ends after its last item, not at the next key."""
    begin = int(node.start_mark.index)
    if node.flow_style or not node.value:
        return begin, int(node.end_mark.index)
    return begin, int(node.value[-1].end_mark.index)


def _written(text: str, node: yaml.SequenceNode, codes: Sequence[str]) -> str:
    column = int(node.start_mark.column)
    if not node.flow_style and codes:
        return ("\n" + " " * column).join(f"- {code}" for code in codes)
    lines = textwrap.wrap(f"[{', '.join(codes)}]", WIDTH - column, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * (column + 1)).join(lines)


def phasing_path(plan: Path) -> Path:
    """`national.yaml` → `national.phasing.yaml`."""
    return plan.with_name(plan.stem + ".phasing.yaml")
