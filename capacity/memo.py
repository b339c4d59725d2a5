"""Results of pure functions, kept by the content of their arguments: a changed plan recomputes only what it touches.

A result is found again only by arguments that are equal byte for byte, so a remembered plan is the plan that would be
computed afresh. A function that is given a whole launch plan would depend on all of it: `narrowed` hands it the parts
that it may read, and anything else is an AttributeError, not a stale result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)
MOST_BYTES = 500_000_000


class Calls(Protocol):
    """How the planner calls its stages. Keyword arguments say how (progress), not what: they enter no key."""

    def __call__(self, function: Callable[..., T], *args: Any, **how: Any) -> T:
        """`function(*args, **how)`, or an equal result of an earlier call."""


def direct(function: Callable[..., T], *args: Any, **how: Any) -> T:
    """Call, remember nothing."""
    return function(*args, **how)


class Memo:
    """Remembers results up to `most` bytes, the least recently used go first. Safe to use from several threads.

    Results are shared: nobody may change them. An argument that is itself a remembered result is known by its key, so
    that large arrays are hashed once.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._keys: dict[int, str] = {}
        self._lock = threading.Lock()
        self.computed: list[str] = []
        """Names of the functions that were really called, in order."""

    def __call__(self, function: Callable[..., T], *args: Any, **how: Any) -> T:
        """See `Calls`."""
        key = self._key(function, args)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: T = self._kept[key][0]
                return found
        value = function(*args, **how)
        with self._lock:
            self.computed.append(function.__name__)
            if key in self._kept:  # another thread was as fast
                kept: T = self._kept[key][0]
                return kept
            self._kept[key] = (value, _bytes(value))
            self._keys[id(value)] = key
            while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > self._most:
                _, (gone, _) = self._kept.popitem(last=False)
                self._keys.pop(id(gone), None)
        return value

    def _key(self, function: Callable[..., Any], args: tuple[Any, ...]) -> str:
        memory = io.BytesIO()
        _Keyed(memory, self._keys).dump((function.__module__, function.__qualname__, args))
        return hashlib.blake2b(memory.getbuffer(), digest_size=20).hexdigest()


class _Keyed(pickle.Pickler):
    """Writes documents as their JSON and remembered results as their keys; everything else by content."""

    def __init__(self, file: io.BytesIO, keys: Mapping[int, str]) -> None:
        super().__init__(file, protocol=5)
        self._keys = keys

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, BaseModel):
            return type(obj).__qualname__, obj.model_dump_json()
        if isinstance(obj, str):  # by content: whether equal words are one object must not matter
            return obj.encode()
        if isinstance(obj, frozenset):  # has no order of its own
            return sorted(map(repr, obj))
        if obj is None or isinstance(obj, int | float):  # shares its identity with others
            return None
        return self._keys.get(id(obj))


def narrowed(document: ModelT, *paths: str) -> ModelT:
    """The document with the named fields alone (`horizon`, `design.quantile`); reading another is an AttributeError."""
    parts: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        parts.setdefault(name, []).append(rest)
    fields = {}
    for name, rests in parts.items():
        value = getattr(document, name)
        fields[name] = value if "" in rests else narrowed(value, *rests)
    return type(document).model_construct(_fields_set=set(fields), **fields)


def _bytes(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, BaseModel | str):
        return 500
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return 500 + sum(_bytes(getattr(value, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, Mapping):
        return 500 + sum(_bytes(v) for v in value.values())
    if isinstance(value, tuple | list):
        return 500 + sum(_bytes(v) for v in value)
    return 100
