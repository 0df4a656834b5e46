"""JSON values whose changes in place are stored, at any depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, SupportsIndex

from sqlalchemy import event
from sqlalchemy.ext.mutable import Mutable, MutableDict, MutableList

from ormolu.seams import note_owner

__all__ = ["track_json"]


class _Nested(Mutable):
    """A container that also reports its changes to the container that holds it."""

    holder: _Nested | None = None

    def changed(self) -> None:
        if self.holder is not None:
            self.holder.changed()
        super().changed()

    def _adopt(self, value: Any) -> Any:
        tracked = _track(value)
        if isinstance(tracked, _Nested):
            tracked.holder = self
        return tracked


class _Object(_Nested, MutableDict[str, Any]):
    """A JSON object."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        for key, value in values.items():
            dict.__setitem__(self, key, self._adopt(value))

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, self._adopt(value))

    def setdefault(self, key: str, value: Any = None) -> Any:
        if key not in self:
            self[key] = value
        return self[key]

    def update(self, *others: Any, **values: Any) -> None:
        super().update({key: self._adopt(value) for key, value in dict(*others, **values).items()})

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (dict(self),))


class _Array(_Nested, MutableList[Any]):
    """A JSON array."""

    def __init__(self, values: Iterable[Any]) -> None:
        super().__init__(self._adopt(value) for value in values)

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        is_many = isinstance(index, slice)
        super().__setitem__(index, list(map(self._adopt, value)) if is_many else self._adopt(value))

    def append(self, x: Any) -> None:
        super().append(self._adopt(x))

    def insert(self, i: SupportsIndex, x: Any) -> None:
        super().insert(i, self._adopt(x))

    def extend(self, x: Iterable[Any]) -> None:
        super().extend(map(self._adopt, x))

    def __iadd__(self, values: Iterable[Any]) -> Any:  # type: ignore[misc]
        self.extend(values)
        return self

    def __reduce_ex__(self, _protocol: SupportsIndex) -> tuple[Any, ...]:
        return (list, (list(self),))


def track_json(model: type[Any], key: str) -> None:
    """Store what is changed in place in a JSON attribute; scalars need no tracking.

    SQLAlchemy's own `Mutable` takes objects only, or arrays only, and only their first level.
    """

    def load(target: Any, _context: object, names: Iterable[str] | None = None) -> None:
        value = target.__dict__.get(key)
        if (names is None or key in names) and isinstance(value, (dict, list)):
            target.__dict__[key] = _own(value, target, key)

    def assign(target: Any, value: Any, _old: object, _initiator: object) -> Any:
        return _own(value, target, key)

    event.listen(model, "load", load, propagate=True)
    event.listen(model, "refresh", load, propagate=True)
    event.listen(model, "refresh_flush", load, propagate=True)
    event.listen(getattr(model, key), "set", assign, retval=True, propagate=True)


def _own(value: Any, target: object, key: str) -> Any:
    tracked = _track(value)
    if isinstance(tracked, _Nested):
        note_owner(tracked, target, key)
    return tracked


def _track(value: Any) -> Any:
    """Return containers as new tracked ones: one that has an owner already keeps it."""
    if isinstance(value, dict):
        return _Object(value)
    return _Array(value) if isinstance(value, list) else value
