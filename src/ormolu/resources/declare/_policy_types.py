"""Values of policies that are compared with columns: text with text, numbers with numbers.

MySQL compares text with a number as numbers, and what is no number is 0 there: a policy for the
owner 0 would show the rows of all whose name is a word. PostgreSQL refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import BinaryExpression, BindParameter
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import ExpressionClauseList, Grouping, Tuple
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.query import has_variants

__all__ = ["Comparison", "comparisons_in", "is_taken"]

_COMPARED = frozenset(
    {
        operators.between_op, operators.eq, operators.ge, operators.gt, operators.in_op,
        operators.is_distinct_from, operators.is_not_distinct_from, operators.le, operators.lt,
        operators.ne, operators.not_between_op, operators.not_in_op,
    }
)  # fmt: skip
_NUMBERS = (bool, int, float, Decimal)
# SQLAlchemy knows no type of these.
_OF_TEXT = frozenset(
    {"concat", "left", "lower", "ltrim", "replace", "right", "rtrim", "substr", "substring",
     "trim", "upper"}
)  # fmt: skip
_NUMERIC = (sa.Boolean, sa.Integer, sa.Numeric)


class Comparison(NamedTuple):
    """What a parameter of a policy is compared with.

    Attributes:
        wanted: The sort of the values, for tuples those of their parts.
        name: What the other side is called.
        type: The SQL type of the other side.
    """

    wanted: Any
    name: str
    type: TypeEngine[Any]


def comparisons_in(
    condition: sa.ClauseElement,
) -> Iterator[tuple[BindParameter[Any], Comparison]]:
    """Yield the parameters of a condition that must have values of a certain sort."""
    for part in visitors.iterate(condition):
        if isinstance(part, BinaryExpression) and part.operator in _COMPARED:
            sides = ((part.left, part.right), (part.right, part.left))
            for one, other in sides:
                plain: Any = _inner(other)
                wanted = _expected(plain)
                name = getattr(plain, "key", None) or "something"
                for each in () if wanted is None else _parts(one):
                    if isinstance(each, BindParameter):
                        yield each, Comparison(wanted, name, plain.type)


def is_taken(bind: BindParameter[Any], wanted: Any) -> bool:
    """Tell whether the values of a parameter are of the sort that it is compared with."""
    value: Any = bind.effective_value
    values = value if bind.expanding else [value]
    return all(_is_of(each, wanted) for each in values or ())


def _is_of(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        known = value if isinstance(value, (list, tuple)) else ()
        return all(map(_is_of, known, wanted))
    wrong: Any = {"text": _NUMBERS, "number": str}.get(wanted, ())
    return not isinstance(value, wrong)


def _expected(other: Any) -> Any:
    """Return the sort of an expression's values, for a tuple those of its parts, or None."""
    if isinstance(other, BindParameter):
        return None
    if isinstance(other, Tuple):
        return tuple(_sort_of(each.type) for each in other.clauses)
    if isinstance(other, FunctionElement) and getattr(other, "name", None) in _OF_TEXT:
        return "text"
    type_ = getattr(other, "type", None)
    return _sort_of(type_) if isinstance(type_, TypeEngine) else None


def _sort_of(type_: Any) -> str | None:
    # Code of the program's own converts the values of the first two.
    if isinstance(type_, (TypeDecorator, sa.Enum)) or has_variants(type_):
        return None
    if isinstance(type_, sa.String):
        return "text"
    return "number" if isinstance(type_, _NUMERIC) else None


def _inner(part: Any) -> Any:
    return part.element if isinstance(part, Grouping) else part


def _parts(side: Any) -> Sequence[Any]:
    """Return the parts of a side: two of BETWEEN."""
    inner = _inner(side)
    return list(inner.clauses) if isinstance(inner, ExpressionClauseList) else [inner]
