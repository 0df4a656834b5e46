"""Moments in conditions of a program's own, where a database has no durations.

SQLite computes with the year of a moment, which is text there, and MySQL with one as a number of 14
digits; to both a duration is the moment so long after 1970.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    Integer,
    String,
    Time,
    and_,
    cast,
    func,
    literal_column,
    not_,
    or_,
    tuple_,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnClause, TextClause, Tuple
from sqlalchemy.types import TupleType, TypeDecorator

from ormolu.backends._sides import (
    choices_of,
    name_of_function,
    stored_type,
    without_grouping,
    without_label,
)
from ormolu.errors import UsageError

__all__ = ["ExactMySQLMoments", "ExactSQLiteMoments", "may_be_moment"]

_log = logging.getLogger("ormolu")

_ARITHMETIC = frozenset(
    {
        operators.add, operators.floordiv, operators.mod, operators.mul, operators.sub,
        operators.truediv,
    }
)  # fmt: skip
_TOTALS = frozenset({"avg", "sum", "total"})
_NOW = frozenset({"current_timestamp", "localtimestamp", "now"})
_MIRRORED: dict[Any, Any] = {
    operators.eq: operators.eq, operators.ne: operators.ne,
    operators.lt: operators.gt, operators.gt: operators.lt,
    operators.le: operators.ge, operators.ge: operators.le,
}  # fmt: skip
_SAMPLE = datetime(2000, 1, 2, 3, 4, 5, 6)
_WRITTEN: dict[type[Any], str] = {Date: "2000-01-02", DateTime: "2000-01-02 03:04:05.000006"}
# What a day lacks, and how much of it is before that: a parameter each would be no constant.
_MIDNIGHT: Any = literal_column("' 00:00:00.000000'", String)
_ZEROS: Any = literal_column("'.000000'", String)
_NOTHING: Any = literal_column("''", String)
_BEFORE: Any = literal_column("9", Integer)
_EQUALITIES = frozenset({operators.eq, operators.ne})
_AFTER_ZEROS = frozenset({operators.le, operators.gt})
_BETWEEN: dict[Any, bool] = {operators.between_op: True, operators.not_between_op: False}
_MYSQL_TYPES = (
    (DateTime, mysql.DATETIME(fsp=6)), (Date, Date()), (Time, mysql.TIME(fsp=6)),
)  # fmt: skip
_LISTED = frozenset({operators.in_op, operators.not_in_op})
_ALIGNED = frozenset(
    {operators.is_distinct_from, operators.is_not_distinct_from, *_MIRRORED, *_BETWEEN}
)


def may_be_moment(part: Any) -> bool:
    """Tell whether a part of a condition is a moment or a duration on some backend."""
    return isinstance(getattr(part, "type", None), (Date, DateTime, Time, TypeDecorator))


class _ExactMoments(SQLCompiler):
    """Compiles no arithmetic of moments and durations: the database computes something else."""

    is_exact = False

    def visit_binary(self, binary: Any, **kw: Any) -> str:  # type: ignore[override]
        sides = binary.left, binary.right
        is_computed = self.is_exact and binary.operator in _ARITHMETIC
        if is_computed and any(map(self._is_moment, sides)) and not any(map(_is_written, sides)):
            self._refuse(binary)
        plain: Any = super().visit_binary
        text: str = plain(binary, **kw)
        return text

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        is_total = self.is_exact and name_of_function(func) in _TOTALS
        if is_total and any(map(self._is_moment, func.clauses)):
            self._refuse(func)
        plain: Any = super().visit_function
        text: str = plain(func, *args, **kw)
        return text

    def _is_moment(self, side: Any) -> bool:
        return isinstance(stored_type(side, self.dialect), (Date, DateTime, Time))

    def _refuse(self, part: Any) -> NoReturn:
        message = (
            f"A policy computes with moments or durations, which {self.dialect.name} cannot: "
            f"{part}. Compute it where the policy is made, as in "
            "Note.created_at > datetime.now(UTC) - timedelta(days=30)."
        )
        _log.error("%s", message)
        raise UsageError(message)


class ExactMySQLMoments(_ExactMoments):
    """Compiles moments for MySQL and MariaDB: the present one, too, has microseconds.

    What chooses from a column and a value is text there, with as many digits as the column has.
    """

    def visit_binary(self, binary: Any, **kw: Any) -> str:  # type: ignore[override]
        if self.is_exact and binary.operator in _ALIGNED | _LISTED:
            left, right = map(self._as_moment, (binary.left, binary.right))
            if left is not binary.left or right is not binary.right:
                binary = BinaryExpression(left, right, binary.operator, type_=binary.type,
                                          modifiers=binary.modifiers)  # fmt: skip
        return super().visit_binary(binary, **kw)

    def _as_moment(self, side: Any) -> Any:
        inner = without_label(side)
        if isinstance(inner, Tuple):
            parts = list(map(self._as_moment, inner.clauses))
            is_same = all(one is other for one, other in zip(parts, inner.clauses, strict=True))
            return side if is_same else tuple_(*parts)
        choices = choices_of(inner)
        if not choices:
            return side
        kinds = [stored_type(each, self.dialect) for each in (side, *choices)]
        made = [made for known, made in _MYSQL_TYPES
                if any(isinstance(kind, known) for kind in kinds)]  # fmt: skip
        return cast(side, made[0]) if made else side

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        if self.is_exact and name_of_function(func) in _NOW and not list(func.clauses):
            return "CURRENT_TIMESTAMP(6)"
        return super().visit_function(func, *args, **kw)


class ExactSQLiteMoments(_ExactMoments):
    """Compiles moments for SQLite, which compares them as text.

    A day is the moment at which it begins, and a moment that CURRENT_TIMESTAMP has written has no
    microseconds, where SQLAlchemy writes six zeros.
    """

    def visit_binary(self, binary: Any, **kw: Any) -> str:  # type: ignore[override]
        others = _others_of(binary) if self.is_exact else []
        if others and self._are_moments([binary.left, *others]):
            return f"({self.process(self._aligned(binary, others), **kw)})"
        is_listed = self.is_exact and binary.operator in _LISTED
        if is_listed and isinstance(binary.right, BindParameter):
            left = self._as_listed(binary.left, binary.right.type)
            binary = BinaryExpression(left, binary.right, binary.operator, type_=binary.type)
        return super().visit_binary(binary, **kw)

    def _as_listed(self, side: Any, type_: Any) -> Any:
        """Return a side that is looked for in a list of a type as the list has it."""
        inner = without_label(side)
        if isinstance(inner, Tuple) and isinstance(type_, TupleType):
            return tuple_(*map(self._as_listed, inner.clauses, type_.types))
        values = ColumnClause("listed", type_)
        if not self._are_moments([side, values]):
            return side
        longest = self._longest(side)
        # Of several a moment is a day only if it begins one.
        return func.replace(longest, _MIDNIGHT, _NOTHING) if self._is_day(values) else longest

    def visit_cast(self, cast: Any, **kw: Any) -> str:
        if self.is_exact and isinstance(stored_type(cast, self.dialect), Date):
            # CAST makes a number of it: the year.
            return f"date({self.process(cast.clause, **kw)})"
        if self.is_exact and self._is_moment(cast):
            self._refuse(cast)
        plain: Any = super().visit_cast
        text: str = plain(cast, **kw)
        return text

    def _are_moments(self, sides: list[Any]) -> bool:
        kinds = list(map(self._kinds, sides))
        return all(kinds) and DateTime in set().union(*kinds)

    def _kinds(self, side: Any) -> set[type[Any]]:
        """Return which kinds of moments an expression may be; none if it is no moment."""
        inner = without_label(side)
        choices = choices_of(inner)
        if choices:
            return set().union(*map(self._kinds, choices))
        if name_of_function(inner) == "date":
            return {Date}
        stored = stored_type(inner, self.dialect)
        return {kind for kind in _WRITTEN if isinstance(stored, kind) and self._is_usual(stored)}

    def _is_usual(self, stored: Any) -> bool:
        """Tell whether moments of a type are written as SQLAlchemy does where it is not told."""
        write = stored.bind_processor(self.dialect)
        text = None if write is None else write(_SAMPLE)
        return any(isinstance(stored, kind) and text == known for kind, known in _WRITTEN.items())

    def _aligned(self, binary: Any, others: list[Any]) -> Any:
        if binary.operator not in _BETWEEN:
            return self._compared(binary.left, others[0], binary.operator)
        bounds = zip((operators.ge, operators.le), others, strict=True)
        both = and_(*[self._compared(binary.left, other, each) for each, other in bounds])
        return both if _BETWEEN[binary.operator] else not_(both)

    def _compared(self, left: Any, right: Any, operator: Any) -> Any:
        """Return a comparison of moments, in whatever form each is written.

        A column that is compared with a value stays as it is, for its index.
        """
        if operator in _MIRRORED and not _has_column(left):
            left, right, operator = right, left, _MIRRORED[operator]
        if operator not in _MIRRORED or _has_column(right) or self._kinds(left) != {DateTime}:
            return _compare(self._longest(left), self._longest(right), operator)
        shortest, longest = self._shortest(right), self._longest(right)
        if operator in _EQUALITIES:
            parts = [_compare(left, each, operator) for each in (shortest, longest)]
            return or_(*parts) if operator is operators.eq else and_(*parts)
        return _compare(left, longest if operator in _AFTER_ZEROS else shortest, operator)

    def _is_day(self, side: Any) -> bool:
        return DateTime not in self._kinds(side)

    def _shortest(self, side: Any) -> Any:
        """Return the text of a moment without microseconds that are zeros."""
        return func.replace(self._longest(side), _ZEROS, _NOTHING, type_=String())

    def _longest(self, side: Any) -> Any:
        """Return the text of a day or moment with what it lacks at its end."""
        missing = func.substr(_MIDNIGHT, func.length(side) - _BEFORE, type_=String())
        return BinaryExpression(side, missing, operators.concat_op, type_=String())


def _others_of(binary: Any) -> list[Any]:
    """Return what the left side is compared with; nothing if it is not compared."""
    if binary.operator not in _BETWEEN:
        return [binary.right] if binary.operator in _ALIGNED else []
    return list(getattr(without_grouping(binary.right), "clauses", ()))


def _compare(left: Any, right: Any, operator: Any) -> Any:
    return BinaryExpression(left, right, operator, type_=Boolean())


def _has_column(side: Any) -> bool:
    return any(isinstance(each, (ColumnClause, TextClause)) for each in visitors.iterate(side))


def _is_written(side: Any) -> bool:
    """Tell whether it is SQL that is written as text: INTERVAL of MySQL's."""
    inner = without_grouping(side)
    return isinstance(inner, TextClause) or getattr(inner, "is_literal", False)
