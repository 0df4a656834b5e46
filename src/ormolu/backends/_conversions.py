"""What becomes of the values of a column that gets another type, where no ALTER sees to it.

Most go by text: how a kind of values is written as text, and how text is read as a kind. SQLite and
MySQL have an UPDATE for it, before the column is altered or after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

__all__ = ["Conversion", "TextSteps", "has_meaning", "kind_of"]

_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (types.Boolean, "boolean"),
    (types.Integer, "integer"),
    (types.Numeric, "number"),
    (types.Float, "number"),
    (mysql.DOUBLE, "number"),
    (types.Uuid, "uuid"),
    (types.JSON, "json"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.Interval, "interval"),
    (types.LargeBinary, "bytes"),
    (types.String, "text"),
    (types.ARRAY, "array"),
)

_NUMBERS = frozenset({"integer", "number"})
_MOMENTS = frozenset({"date", "moment", "instant"})
_SCALARS = frozenset({"boolean", "uuid", "time", "interval", "enum", *_NUMBERS, *_MOMENTS})


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How values become those of another type; nothing where an ALTER is enough.

    Attributes:
        using: The new value as SQL, where ALTER takes one.
        before: The value that an UPDATE sets before the column is altered.
        after: The value that an UPDATE sets after that.
        passes_text: Whether the column is text while `before` is set.
    """

    using: str | None = None
    before: str | None = None
    after: str | None = None
    passes_text: bool = False


def kind_of(type_: TypeEngine[Any], dialect: Dialect, *, keeps_offsets: bool) -> str | None:
    """Return which kind of values a database has for a type, None if that is not known."""
    stored: TypeEngine[Any] = type_.dialect_impl(dialect)
    while isinstance(stored, types.TypeDecorator):
        stored = stored.load_dialect_impl(dialect).dialect_impl(dialect)
    if isinstance(stored, types.Enum):
        return "enum" if stored.native_enum else "text"
    if isinstance(stored, mysql.TINYINT) and stored.display_width == 1:
        return "boolean"
    if isinstance(stored, types.DateTime):
        return "instant" if stored.timezone and keeps_offsets else "moment"
    return next((name for known, name in _KINDS if isinstance(stored, known)), None)


def has_meaning(old: str, new: str) -> bool:
    """Tell whether values of a kind mean something as those of another."""
    kinds = {old, new}
    return (
        old == new
        or "text" in kinds
        or ("json" in kinds and kinds <= {"json", *_SCALARS})
        or kinds <= {"boolean", *_NUMBERS}
        or kinds <= _MOMENTS
        or (new == "time" and old in _MOMENTS - {"date"})
        or kinds == {"time", "interval"}
        or (old, new) == ("array", "json")
    )


@dataclass(frozen=True, kw_only=True)
class TextSteps:
    """The conversions of a database whose ALTER takes no expression; `{0}` is the value.

    Attributes:
        written: How a kind is written as text, where its text is another.
        read: How text is read as a kind.
        direct: From one kind to another, not by text.
        quoted: Text as a JSON string.
        unquoted: The text of a JSON scalar.
        keeps_types: Whether a column has values of its type alone.
    """

    written: Mapping[str, str]
    read: Mapping[str, str]
    direct: Mapping[tuple[str, str], str] = field(default_factory=dict)
    quoted: str
    unquoted: str
    keeps_types: bool

    def conversion(self, old: str, new: str, column: str) -> Conversion:
        """Return how values of a column get from a kind to another."""
        direct = self.direct.get((old, new))
        if direct is not None:
            return Conversion(before=direct.format(column))
        is_by_text = "text" in {old, new} or "json" in {old, new}
        value = self._by_text(old, new, column) if old != new and is_by_text else column
        if value == column:
            return Conversion()
        if new == "text":
            return Conversion(after=value)
        return Conversion(before=value, passes_text=self.keeps_types and old != "text")

    def _by_text(self, old: str, new: str, value: str) -> str:
        if {old, new} == {"text", "json"}:
            # Text is a document.
            return value
        if old == "json":
            value = self.unquoted.format(value)
        value = self.written.get(old, "{0}").format(value)
        if new == "json":
            return value if old in {"boolean", *_NUMBERS} else self.quoted.format(value)
        return self.read.get(new, "{0}").format(value)
