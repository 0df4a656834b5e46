"""The values of a column of PostgreSQL's that gets another type, as `USING` has them.

Where PostgreSQL has an assignment cast it needs no word: to text above all, as an explicit cast to
VARCHAR(n) cuts without a word what is too long.
"""

from __future__ import annotations

from ormolu.backends._conversions import Conversion

__all__ = ["cast"]

# {0} is the column, {1} its new type.
_CAST = "{0}::{1}"
_OWN: dict[tuple[str, str], str] = {
    ("text", "bytes"): "convert_to({0}, 'UTF8')",
    ("bytes", "text"): "convert_from({0}, 'UTF8')",
    ("integer", "boolean"): "{0} <> 0",
    ("number", "boolean"): "{0} <> 0",
    # Of BOOLEAN there is a cast to INTEGER alone.
    ("boolean", "integer"): "{0}::integer",
    ("boolean", "number"): "{0}::integer",
    # Else in the time zone of whoever migrates.
    ("moment", "instant"): "{0} AT TIME ZONE 'UTC'",
    ("instant", "moment"): "{0} AT TIME ZONE 'UTC'",
    ("date", "instant"): "{0}::timestamp AT TIME ZONE 'UTC'",
    ("instant", "date"): "({0} AT TIME ZONE 'UTC')::date",
    ("instant", "time"): "({0} AT TIME ZONE 'UTC')::time",
    ("enum", "enum"): "{0}::text::{1}",
    ("json", "json"): _CAST,
    ("array", "array"): _CAST,
}
_BY_ITSELF = frozenset(
    {
        ("integer", "number"),
        ("number", "integer"),
        ("date", "moment"),
        ("moment", "date"),
        ("moment", "time"),
        ("time", "interval"),
        ("interval", "time"),
    }
)


def cast(old: str, new: str, column: str, made: str) -> Conversion:
    """Return how values of a column get from a kind to another.

    Args:
        old: The kind.
        new: The other one.
        column: The column, in quotes.
        made: The new type, as DDL has it.
    """
    own = _OWN.get((old, new))
    if own is None:
        if old == new or new == "text" or (old, new) in _BY_ITSELF:
            return Conversion()
        own = _CAST
        if new == "json" and old != "text":
            own = "to_json({0})::{1}"
        elif old == "json":
            own = "({0} #>> '{{}}')::{1}"
    return Conversion(using=own.format(column, made))
