"""What policies compare: text with text, numbers with numbers, whether columns or values.

MySQL compares text with a number as numbers, and what is no number is 0 there: a policy for the
owner 0 would show the rows of all whose name is a word, and so would one that compares a column of
names with one of numbers. Each word is before or after all moments, to SQLite, too. PostgreSQL
refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import BinaryExpression, BindParameter, BooleanClauseList, UnaryExpression
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import Case, ExpressionClauseList
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TupleType, TypeEngine

from ormolu.backends import choices_of, is_member, without_grouping, without_quantifier
from ormolu.resources.declare._policy_sorts import (
    JSON,
    NUMBER,
    has_documents,
    is_of,
    parts_of,
    sorts_of,
    wanted_by,
)

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
_MEMBER = "member"
_MAX_POSITION = 2**31 - 1  # PostgreSQL's
_SORTED = (
    "Compare text with text, as in cast(number, String) and document[name].as_string(): to some "
    "databases a word is the number 0."
)
_TRUE = (
    f"{_SORTED} True is a comparison: text != '', moment.is_not(None), document[name].as_boolean()."
)
_NAMED = "Give it as a value."


class Comparison(NamedTuple):
    """What a parameter of a policy is compared with.

    Attributes:
        wanted: The sort of the values, for tuples those of their parts; None for any.
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
    for left, right in _side_by_side_in(condition):
        for one, other in (left, right), (right, left):
            for each, plain in _pairs(one, other):
                wanted = wanted_by(plain) if _has_values(each) else None
                if wanted is not None:
                    yield each, Comparison(wanted, _name_of(plain), _type_of(plain))
                elif _has_values(each) and isinstance(each.type, (sa.Date, sa.Integer, TupleType)):
                    yield each, Comparison(None, _name_of(plain), each.type)
    for part in _json_members(condition):
        if isinstance(part.right, BindParameter):
            yield part.right, Comparison(_MEMBER, _name_of(part.left), part.left.type)


def mismatches_in(condition: sa.ClauseElement) -> Iterator[str]:
    """Yield what is wrong with a condition whatever its values are, with what to do about it."""
    for left, right in _side_by_side_in(condition):
        for one, other in _pairs(left, right):
            sorts = sorts_of(one), sorts_of(other)
            if all(sorts) and not sorts[0] & sorts[1]:
                named = [f"{_name_of(each)} ({_one_of(sorts_of(each))})" for each in (one, other)]
                yield f"compares {named[0]} with {named[1]}. {_SORTED}"
    for each in _truths_in(condition):
        sorts_of_truth = sorts_of(each)
        if sorts_of_truth and NUMBER not in sorts_of_truth:
            told = f"compares {_name_of(each)} ({_one_of(sorts_of_truth)})"
            yield f"{told} with a truth value. {_TRUE}"
    for member in _json_members(condition):
        if not isinstance(member.right, BindParameter):
            # To SQLite and MySQL it would be a path, which leads where a row says.
            name = _name_of(member.left)
            yield f"asks for a member of {name} whose name the database computes. {_NAMED}"


def _one_of(sorts: frozenset[str]) -> str:
    return " or ".join(sorted(sorts))


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
        elif isinstance(part, sa.Select) and part.whereclause is not None:
            # It joins its criteria by AND when it is asked for them.
            yield from map(without_grouping, getattr(part.whereclause, "clauses", ()))
            yield part.whereclause


def _side_by_side_in(condition: sa.ClauseElement) -> Iterator[tuple[Any, Any]]:
    """Yield what is compared, and what is chosen from: that is compared as one, too."""
    for part in visitors.iterate(condition):
        if isinstance(part, BinaryExpression) and part.operator in _COMPARED:
            inner: Any = without_grouping(part.right)
            has_two = part.operator in _BETWEEN and isinstance(inner, ExpressionClauseList)
            yield from ((part.left, each) for each in (inner.clauses if has_two else [part.right]))
        if isinstance(part, Case) and part.value is not None:
            yield from ((part.value, when) for when, _ in part.whens)
        if isinstance(part, (Case, FunctionElement)):
            yield from _chosen_side_by_side(part)


def _chosen_side_by_side(part: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what an expression chooses from, each beside one whose sort is known."""
    chosen = [each for each in choices_of(part) if JSON not in sorts_of(each)]
    known = next((each for each in chosen if wanted_by(each) or sorts_of(each)), None)
    yield from ((known, each) for each in chosen if known is not None and each is not known)


def is_taken(bind: BindParameter[Any], comparison: Comparison) -> bool:
    """Tell whether the values of a parameter are of the sort that it is compared with."""
    wanted, types = comparison.wanted, [bind.type]
    if wanted == JSON:
        # SQLAlchemy sends "a" as it is, and JSON has it in quotes: they would never be equal.
        return has_documents(bind.type)
    value: Any = bind.effective_value
    if wanted == _MEMBER:
        return all(map(_is_step, value if isinstance(value, (list, tuple)) else [value]))
    if isinstance(comparison.type, TupleType):
        types.append(comparison.type)
    values = (value or ()) if bind.expanding else [value]
    return all(is_of(each, wanted) and all(_is_kept(each, type_) for type_ in types)
               for each in values)  # fmt: skip


def remedy_for(comparison: Comparison) -> str:
    """Return what to do about a value that is of another sort."""
    if comparison.wanted == _MEMBER:
        return (
            "In a path a quote ends the name. Have none in it, nor a backslash or a control "
            "character, no minus in front, and no position below 0."
        )
    if comparison.wanted == JSON:
        return (
            "A word in JSON has quotes around it. Write document[name].as_string(), as_integer() "
            "or as_boolean()."
        )
    return (
        "Check it where the policy is made: to some databases a word is the number 0, or 1.5 is 1."
    )


def _is_kept(value: Any, type_: TypeEngine[Any]) -> bool:
    """Tell whether a type has place for a value: a list has the type of its first one.

    PostgreSQL's is that of the column in a tuple.
    """
    if isinstance(type_, TupleType) and isinstance(value, (list, tuple)):
        return all(map(_is_kept, value, type_.types))
    if isinstance(type_, sa.Integer) and isinstance(value, (float, Decimal)):
        return bool(value % 1 == 0)
    return not (isinstance(type_, sa.Date) and isinstance(value, datetime))


def _is_step(key: Any) -> bool:
    """Tell whether it is the name or the position of one member to each database."""
    if isinstance(key, str):
        return not (key.startswith("-") or any(each < " " or each in '"\\' for each in key))
    return isinstance(key, int) and 0 <= key <= _MAX_POSITION


def _has_values(side: Any) -> bool:
    """Tell whether a side is values of the program's, and no list of PostgreSQL's within `any_`."""
    return isinstance(side, BindParameter) and not isinstance(side.type, sa.ARRAY)


def _type_of(side: Any) -> TypeEngine[Any]:
    found: TypeEngine[Any] = getattr(side, "type", NullType())
    return found


def _name_of(side: Any) -> str:
    return getattr(side, "key", None) or getattr(side, "name", None) or "something"


def _pairs(left: Any, right: Any) -> list[tuple[Any, Any]]:
    """Return what is compared one with the other, of two tuples their parts.

    A list of tuples is one parameter, whose values are compared with the whole of the other side.
    """
    sides = without_quantifier(left), without_quantifier(right)
    if any(isinstance(each, BindParameter) for each in sides):
        return [sides]
    return list(zip(*map(parts_of, sides), strict=False))
