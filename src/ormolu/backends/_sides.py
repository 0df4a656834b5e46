"""Sides of comparisons: what stands in them, and what the database has for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Enum, String
from sqlalchemy.sql.elements import Case, CollectionAggregate, Grouping, Label
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator

__all__ = [
    "NUMBER_FUNCTIONS", "TEXT_FUNCTIONS", "choices_of", "is_text", "name_of_function",
    "stored_type", "without_grouping", "without_label", "without_quantifier",
]  # fmt: skip


# SQLAlchemy knows no type of these.
TEXT_FUNCTIONS = frozenset(
    {"btrim", "concat", "concat_ws", "date_format", "format", "group_concat", "hex", "initcap",
     "json_type", "json_unquote", "json_value", "lcase", "left", "lower", "lpad", "ltrim", "md5",
     "mid", "printf", "quote", "regexp_replace", "regexp_substr", "repeat", "replace", "reverse",
     "right", "rpad", "rtrim", "sha1", "sha2", "split_part", "strftime", "string_agg", "substr",
     "substring", "substring_index", "to_char", "translate", "trim", "typeof", "ucase", "upper"}
)  # fmt: skip


NUMBER_FUNCTIONS = frozenset(
    {"abs", "array_length", "cardinality", "ceil", "ceiling", "char_length", "character_length",
     "datediff", "floor", "instr", "json_array_length", "julianday", "length", "mod",
     "octet_length", "position", "power", "round", "sign", "sqrt", "timestampdiff", "unixepoch"}
)  # fmt: skip

# Functions that return one of their arguments, from the place on that is given.
_CHOOSING = {
    "coalesce": 0, "greatest": 0, "ifnull": 0, "least": 0, "max": 0, "min": 0, "nullif": 0,
    "nvl": 0, "if": 1, "iif": 1,
}  # fmt: skip


def without_grouping(part: Any) -> Any:
    """Return an expression without the parentheses around it."""
    return part.element if isinstance(part, Grouping) else part


def without_quantifier(side: Any) -> Any:
    """Return a side of a comparison without `any_` and `all_`, whose own type is a truth value."""
    inner = without_grouping(side)
    return without_grouping(inner.element) if isinstance(inner, CollectionAggregate) else inner


def name_of_function(side: Any) -> str:
    """Return the name of a function in small letters; nothing for what is none."""
    name = getattr(side, "name", "") if isinstance(side, FunctionElement) else ""
    return str(name).lower()


def choices_of(side: Any) -> list[Any]:
    """Return what an expression returns one of: the results of a CASE, arguments of coalesce()."""
    if isinstance(side, Case):
        results = [result for _, result in side.whens]
        return results if side.else_ is None else [*results, side.else_]
    first = _CHOOSING.get(name_of_function(side))
    return [] if first is None else list(side.clauses)[first:]


def stored_type(side: Any, dialect: Dialect) -> Any:
    """Return the type that the database has for a side of a comparison."""
    type_ = getattr(without_quantifier(side), "type", None) or NullType()
    stored = type_.dialect_impl(dialect)
    while isinstance(stored, TypeDecorator):
        stored = stored.impl_instance.dialect_impl(dialect)
    return stored


def is_text(side: Any, dialect: Dialect) -> bool:
    """Tell whether the database has text for a side, and not a member of an enumeration."""
    stored = stored_type(side, dialect)
    if isinstance(stored, NullType):
        return getattr(without_label(side), "name", None) in TEXT_FUNCTIONS
    # An enumeration of the database's own has no two members that it calls equal.
    is_native = isinstance(stored, Enum) and stored.native_enum
    return isinstance(stored, String) and not is_native


def without_label(side: Any) -> Any:
    """Return an expression without parentheses and names around it."""
    inner = without_grouping(side)
    return without_label(inner.element) if isinstance(inner, Label) else inner
