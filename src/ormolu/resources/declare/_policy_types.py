"""What policies compare: text with text, numbers with numbers, whether columns or values.

MySQL compares text with a number as numbers, and what is no number is 0 there: a policy for the
owner 0 would show the rows of all whose name is a word, and so would one that compares a column of
names with one of numbers. Each word is before or after all moments, to SQLite, too. PostgreSQL
refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from enum import Enum
from numbers import Number
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import BinaryExpression, BindParameter, BooleanClauseList, UnaryExpression
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import Case, ExpressionClauseList, Tuple
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.backends import TEXT_FUNCTIONS, is_member, without_grouping, without_quantifier
from ormolu.query import is_converted, variant_types

__all__ = ["Comparison", "comparisons_in", "is_taken", "mismatches_in", "remedy_for"]

_BETWEEN = frozenset({operators.between_op, operators.not_between_op})
_COMPARED = frozenset(
    {
        operators.eq, operators.ge, operators.gt, operators.in_op, operators.is_distinct_from,
        operators.is_not_distinct_from, operators.le, operators.lt, operators.ne,
        operators.not_in_op, *_BETWEEN,
    }
)  # fmt: skip
_TRUTHS = (sa.True_, sa.False_)
_CHOICE = "choice"
_JSON = "JSON"
_MEMBER = "member"
_MAX_POSITION = 2**31 - 1  # PostgreSQL's
_SORTED = (
    "Compare text with text, as in cast(number, String) and document[name].as_string(): to some "
    "databases a word is the number 0."
)
_NAMED = "Give it as a value."
_SORTS: tuple[tuple[str, tuple[type[TypeEngine[Any]], ...]], ...] = (
    ("text", (sa.String,)),
    ("number", (sa.Boolean, sa.Integer, sa.Numeric)),
    ("moment", (sa.Date, sa.DateTime)),
    ("time", (sa.Time,)),
    ("duration", (sa.Interval, postgresql.INTERVAL)),
    ("bytes", (sa.LargeBinary, sa.BINARY, sa.VARBINARY)),
    (_JSON, (sa.JSON,)),
)


# The values of a sort; and what is never one, where a driver may make any object one.
_VALUES: dict[Any, type[Any] | tuple[type[Any], ...]] = {
    "number": Number, "moment": date, "time": (time, timedelta),
    "duration": timedelta, "bytes": (bytes, bytearray, memoryview),
}  # fmt: skip
_OTHERS: dict[Any, tuple[type[Any], ...]] = {
    "text": (Number, date, time, timedelta), _CHOICE: (Number, date, time, timedelta),
}  # fmt: skip


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

    @property
    def words(self) -> str:
        """Return what a policy does whose value is of another sort."""
        if self.wanted == _MEMBER:
            return f"asks for a member of {self.name} by a name that not each database reads"
        return f"compares {self.name} with a value that {self.type!r} does not take"


def comparisons_in(
    condition: sa.ClauseElement,
) -> Iterator[tuple[BindParameter[Any], Comparison]]:
    """Yield the parameters of a condition that must have values of a certain sort."""
    for left, right in _compared_in(condition):
        for one, other in (left, right), (right, left):
            for each, plain in _pairs(one, other):
                wanted = _expected(plain) if _has_values(each) else None
                if wanted is not None:
                    yield each, Comparison(wanted, _name_of(plain), plain.type)
    for part in _json_members(condition):
        if isinstance(part.right, BindParameter):
            yield part.right, Comparison(_MEMBER, _name_of(part.left), part.left.type)


def mismatches_in(condition: sa.ClauseElement) -> Iterator[str]:
    """Yield what is wrong with a condition whatever its values are, with what to do about it."""
    for left, right in _compared_in(condition):
        for one, other in _pairs(left, right):
            sorts = _stored_sort(one), _stored_sort(other)
            if None not in sorts and sorts[0] != sorts[1]:
                told = f"{_name_of(one)} ({sorts[0]}) with {_name_of(other)} ({sorts[1]})"
                yield f"compares {told}. {_SORTED}"
    for each in _truths_in(condition):
        if _stored_sort(each) == "text":
            yield f"compares {_name_of(each)} (text) with a truth value. {_SORTED}"
    for member in _json_members(condition):
        if not isinstance(member.right, BindParameter):
            # To SQLite and MySQL it would be a path, which leads where a row says.
            name = _name_of(member.left)
            yield f"asks for a member of {name} whose name the database computes. {_NAMED}"


def _json_members(condition: sa.ClauseElement) -> Iterator[BinaryExpression[Any]]:
    parts: Iterator[Any] = visitors.iterate(condition)
    return filter(is_member, parts)


def _truths_in(condition: sa.ClauseElement) -> Iterator[Any]:
    """Yield what is taken for true or false."""
    yield condition
    for part in visitors.iterate(condition):
        if isinstance(part, BooleanClauseList):
            yield from map(without_grouping, part.clauses)
        elif isinstance(part, UnaryExpression) and part.operator is operators.inv:
            yield without_grouping(part.element)
        elif isinstance(part, BinaryExpression) and isinstance(part.right, _TRUTHS):
            yield without_grouping(part.left)
        elif isinstance(part, Case) and part.value is None:
            yield from (without_grouping(when) for when, _ in part.whens)


def _compared_in(condition: sa.ClauseElement) -> Iterator[tuple[Any, Any]]:
    for part in visitors.iterate(condition):
        if isinstance(part, BinaryExpression) and part.operator in _COMPARED:
            inner: Any = without_grouping(part.right)
            has_two = part.operator in _BETWEEN and isinstance(inner, ExpressionClauseList)
            yield from ((part.left, each) for each in (inner.clauses if has_two else [part.right]))
        elif isinstance(part, Case) and part.value is not None:
            yield from ((part.value, when) for when, _ in part.whens)


def is_taken(bind: BindParameter[Any], wanted: Any) -> bool:
    """Tell whether the values of a parameter are of the sort that it is compared with."""
    if wanted == _JSON:
        # SQLAlchemy sends "a" as it is, and JSON has it in quotes: they would never be equal.
        return _plain_sort(bind.type) == _JSON
    value: Any = bind.effective_value
    if wanted == _MEMBER:
        return all(map(_is_step, value if isinstance(value, (list, tuple)) else [value]))
    values = value if bind.expanding else [value]
    return all(_is_of(each, wanted) for each in values or ())


def remedy_for(comparison: Comparison) -> str:
    """Return what to do about a value that is of another sort."""
    if comparison.wanted == _MEMBER:
        return (
            "In a path a quote ends the name. Have none in it, nor a backslash or a control "
            "character, no minus in front, and no position below 0."
        )
    if comparison.wanted == _JSON:
        return "A word in JSON has quotes around it. Write document[name].as_string()."
    return "Check it where the policy is made: to some databases a word is the number 0."


def _is_step(key: Any) -> bool:
    """Tell whether it is the name or the position of one member to each database."""
    if isinstance(key, str):
        return not (key.startswith("-") or any(each < " " or each in '"\\' for each in key))
    return isinstance(key, int) and 0 <= key <= _MAX_POSITION


def _is_of(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        known = value if isinstance(value, (list, tuple)) else ()
        return all(map(_is_of, known, wanted))
    if value is None or (wanted == _CHOICE and isinstance(value, Enum)):
        return True
    if wanted in _VALUES:
        return isinstance(value, _VALUES[wanted])
    return not isinstance(value, _OTHERS.get(wanted, ()))


def _has_values(side: Any) -> bool:
    """Tell whether a side is values of the program's, and no list of PostgreSQL's within `any_`."""
    return isinstance(side, BindParameter) and not isinstance(side.type, sa.ARRAY)


def _makes_text(side: Any) -> bool:
    """Tell whether a side is a function that returns text: `lower` of a range is its end."""
    is_named = isinstance(side, FunctionElement) and getattr(side, "name", None) in TEXT_FUNCTIONS
    return is_named and not any(isinstance(each.type, AbstractRange) for each in side.clauses)


def _expected(other: Any) -> Any:
    """Return the sort of an expression's values, for a tuple those of its parts, or None."""
    if isinstance(other, BindParameter):
        return None
    if isinstance(other, Tuple):
        return tuple(_sort_of(each.type) for each in other.clauses)
    if _makes_text(other):
        return "text"
    type_ = getattr(other, "type", None)
    return _sort_of(type_) if isinstance(type_, TypeEngine) else None


def _sort_of(type_: TypeEngine[Any]) -> str | None:
    if is_converted(type_):
        # Code of the program's own makes other values of these.
        return None
    if isinstance(type_, sa.Enum):
        return _CHOICE
    sorts = {_plain_sort(each) for each in (type_, *variant_types(type_))}
    return sorts.pop() if len(sorts) == 1 else None


def _stored_sort(side: Any) -> str | None:
    """Return the sort of what the database has for an expression; None for a value's."""
    if _makes_text(side):
        return "text"
    type_ = getattr(side, "type", None)
    is_open = isinstance(side, BindParameter) or not isinstance(type_, TypeEngine)
    return None if is_open else _plain_sort(type_)


def _plain_sort(type_: Any) -> str | None:
    plain = type_
    # To SQLAlchemy an interval is a decorated moment, which some backends have instead.
    while isinstance(plain, TypeDecorator) and not isinstance(plain, sa.Interval):
        plain = plain.impl_instance
    return next((sort for sort, kinds in _SORTS if isinstance(plain, kinds)), None)


def _name_of(side: Any) -> str:
    return getattr(side, "key", None) or getattr(side, "name", None) or "something"


def _pairs(left: Any, right: Any) -> list[tuple[Any, Any]]:
    """Return what is compared one with the other, of two tuples their parts.

    A list of tuples is one parameter, whose values are compared with the whole of the other side.
    """
    sides = without_quantifier(left), without_quantifier(right)
    if any(isinstance(each, BindParameter) for each in sides):
        return [sides]
    return list(zip(*map(_members, sides), strict=False))


def _members(side: Any) -> Sequence[Any]:
    """Return what is compared one by one: of a tuple and of a subquery several."""
    if isinstance(side, SelectBase):
        return list(map(without_grouping, side.selected_columns))
    if isinstance(side, sa.ScalarSelect):
        return list(map(without_grouping, side.element.selected_columns))
    return list(map(without_grouping, side.clauses)) if isinstance(side, Tuple) else [side]
