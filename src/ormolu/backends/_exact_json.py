"""Members of JSON in a program's own conditions: NULL where they are missing or of another kind.

SQLite has 'null' for a member that is missing, MySQL takes one that is no truth value for false, to
both a word is the number 0, and PostgreSQL fails: for one row of a client's nobody would see any.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    Integer,
    Numeric,
    String,
    cast,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, TypeCoerce

__all__ = [
    "ExactMySQLMembers", "ExactPostgreSQLMembers", "ExactSQLiteMembers", "is_member",
    "step_by_step",
]  # fmt: skip

_MEMBERS = frozenset({operators.json_getitem_op, operators.json_path_getitem_op})
_EQUALITIES = frozenset({operators.eq, operators.is_distinct_from, operators.is_not_distinct_from,
                         operators.ne})  # fmt: skip
_LEAST, _GREATEST = -(2**63), 2**63 - 1
_ALL: Any = literal_column("'$'")


def is_member(part: Any) -> bool:
    """Tell whether a part of a condition is a member of JSON."""
    return isinstance(part, BinaryExpression) and part.operator in _MEMBERS


def step_by_step(condition: Any) -> Any:
    """Return a condition in which each step of a path with digits is a member of its own.

    To PostgreSQL a path's 0 is a name in an object and a position in a list, and a list is asked
    for in each step.
    """
    if not any(map(_may_be_position, visitors.iterate(condition))):
        return condition
    # In place, in a copy: what has() and any() make is not replaced.
    return visitors.cloned_traverse(condition, {}, {"binary": _take_steps})


def _take_steps(path: Any) -> None:
    if _may_be_position(path):
        last = path.left
        for key in path.right.effective_value:
            last = last[key]
        path.left, path.right, path.operator = last.left, last.right, last.operator


def _may_be_position(part: Any) -> bool:
    """Tell whether a part of a condition is a path with more than words in it."""
    is_path = isinstance(part, BinaryExpression) and part.operator is operators.json_path_getitem_op
    value: Any = part.right.effective_value if is_path else ()
    return any(not isinstance(each, str) or any(map(str.isdigit, each)) for each in value)


class _ExactMembers(SQLCompiler):
    """Compiles members of JSON so that each has a value of its type, or is NULL.

    Attributes:
        truths: What the database calls the kind of truth values, in SQL.
        integers: What it calls that of whole numbers.
        numbers: What it calls those of all numbers.
    """

    is_exact = False
    truths: ClassVar[str]
    integers: ClassVar[str]
    numbers: ClassVar[str]

    def visit_json_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        plain: Any = super().visit_json_getitem_op_binary  # type: ignore[misc]
        return self._guarded(plain, binary, operator, kw)

    def visit_json_path_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        plain: Any = super().visit_json_path_getitem_op_binary  # type: ignore[misc]
        return self._guarded(plain, binary, operator, kw)

    def _guarded(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        # SQLAlchemy comes here once more for what stands in its CAST.
        if not self.is_exact or "_cast_applied" in kw:
            text: str = plain(binary, operator, **kw)
            return text
        # In the order of the text, as parameters are.
        is_position = isinstance(binary.right.type, JSON.JSONIntIndexType)
        condition = self.is_list(binary.left, kw) if is_position else ""
        condition += self.has_kind(plain, binary, operator, kw)
        return f"CASE WHEN {condition} THEN {self.value_of(plain, binary, operator, kw)} END"

    def value_of(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        """Return the value of a member that has one, in SQL."""
        text: str = plain(binary, operator, **kw)
        return text

    def is_list(self, document: Any, kw: Any) -> str:
        """Return what goes before a condition on a member with a position, in SQL."""
        del document, kw
        return ""

    def has_kind(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        """Return whether a member has a value of its type, in SQL."""
        kind = self.kind_of(plain, binary, operator, kw)
        if isinstance(binary.type, Boolean):
            return f"{kind} IN ({self.truths})"
        if not isinstance(binary.type, (Float, Integer, Numeric)):
            return f"{kind} IS NOT NULL"
        is_whole = isinstance(binary.type, Integer)
        condition = f"{kind} IN ({self.integers if is_whole else self.numbers})"
        limit = _limit_of(binary.type)
        if not is_whole and limit is None:
            return condition
        # Of what is no number this is not computed.
        within = self.is_within(plain, binary, operator, kw, limit)
        return f"CASE WHEN {condition} THEN {within} END"

    def is_within(self, plain: Any, binary: Any, operator: Any, kw: Any, limit: str | None) -> str:
        """Return whether a number is one of its type, in SQL.

        Args:
            plain: Compiles a member as SQLAlchemy does.
            binary: The member.
            operator: Of it.
            kw: Options of the compiler.
            limit: What a decimal is below; None of a whole number, which has 64 bits.
        """
        raise NotImplementedError

    def kind_of(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        """Return the kind of a member's value, in SQL; NULL if it is missing."""
        raise NotImplementedError


class ExactSQLiteMembers(_ExactMembers):
    """Compiles members of JSON for SQLite, and comparisons of JSON, which is text there."""

    truths = "'true', 'false'"
    integers = "'integer'"
    numbers = "'integer', 'real'"

    def visit_binary(self, binary: Any, **kw: Any) -> str:  # type: ignore[override]
        sides = binary.left, binary.right
        if self.is_exact and binary.operator in _EQUALITIES and any(map(_is_document, sides)):
            left, right = map(_written_alike, sides)
            binary = BinaryExpression(left, right, binary.operator, type_=binary.type)
        plain: Any = super().visit_binary
        text: str = plain(binary, **kw)
        return text

    def value_of(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        text = super().value_of
        if not isinstance(binary.type, String):
            return text(plain, binary, operator, kw)
        # To SQLite true is 1, in text too.
        kind = self.kind_of(plain, binary, operator, kw)
        value = text(plain, binary, operator, kw)
        return f"CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE {value} END"

    def kind_of(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        del plain, operator
        return f"json_type({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"

    def is_within(self, plain: Any, binary: Any, operator: Any, kw: Any, limit: str | None) -> str:
        del plain, operator
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        value = f"json_extract({left}, {right})"
        # More than 64 bits are a float; and the least whole number has no abs().
        return f"typeof({value}) = 'integer'" if limit is None else f"abs({value} * 1.0) < {limit}"


class ExactPostgreSQLMembers(_ExactMembers):
    """Compiles members of JSON for PostgreSQL."""

    truths = "'boolean'"
    integers = numbers = "'number'"

    def is_list(self, document: Any, kw: Any) -> str:
        # What is no list has itself in the first place of its JSONB.
        return f"{self._kind_function(document)}({self.process(document, **kw)}) = 'array' AND "

    def value_of(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        if not isinstance(binary.type, Integer):
            return super().value_of(plain, binary, operator, kw)
        # The others have no numbers of 32 bits here, and here one that is longer is an error.
        text: str = self.process(cast(binary, BigInteger()), **kw, _cast_applied=True)
        return text

    def is_within(self, plain: Any, binary: Any, operator: Any, kw: Any, limit: str | None) -> str:
        def number() -> str:
            return f"CAST({self._member(plain, binary, operator, kw)} AS text)"

        if limit is not None:
            return f"abs(CAST({number()} AS numeric)) < {limit}"
        # It has one kind for all numbers.
        return (
            f"CASE WHEN {number()} ~ '^-?[0-9]+$' "
            f"THEN CAST({number()} AS numeric) BETWEEN {_LEAST} AND {_GREATEST} END"
        )

    def kind_of(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        member = self._member(plain, binary, operator, kw)
        return f"{self._kind_function(binary.left)}({member})"

    def _kind_function(self, document: Any) -> str:
        is_binary = isinstance(document.type.dialect_impl(self.dialect), JSONB)
        return "jsonb_typeof" if is_binary else "json_typeof"

    def _member(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        member: Any = BinaryExpression(binary.left, binary.right, operator, type_=binary.left.type)
        text: str = plain(member, operator, **kw)
        return text


class ExactMySQLMembers(_ExactMembers):
    """Compiles members of JSON for MySQL and MariaDB."""

    truths = "'BOOLEAN'"
    integers = "'INTEGER', 'UNSIGNED INTEGER'"
    numbers = "'INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL'"

    def is_list(self, document: Any, kw: Any) -> str:
        # What is no list is to MySQL one of itself.
        return f"JSON_TYPE({self.process(document, **kw)}) = 'ARRAY' AND "

    def kind_of(self, plain: Any, binary: Any, operator: Any, kw: Any) -> str:
        del plain, operator
        return f"JSON_TYPE({self._member(binary, kw)})"

    def is_within(self, plain: Any, binary: Any, operator: Any, kw: Any, limit: str | None) -> str:
        del plain, operator
        if limit is not None:
            return f"ABS(CAST({self._member(binary, kw)} AS DOUBLE)) < {limit}"
        # To MariaDB 1e16 is an INTEGER, and 1 where it is cast to one.
        return (
            f"CAST({self._member(binary, kw)} AS CHAR) REGEXP '^-?[0-9]{{1,19}}$' "
            f"AND CAST({self._member(binary, kw)} AS DECIMAL(20, 0)) "
            f"BETWEEN {_LEAST} AND {_GREATEST}"
        )

    def _member(self, binary: Any, kw: Any) -> str:
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        return f"JSON_EXTRACT({left}, {right})"


def _limit_of(type_: Any) -> str | None:
    """Return what decimals of a type are below once they are rounded; None for any."""
    if not isinstance(type_, Numeric) or isinstance(type_, Float) or type_.precision is None:
        return None
    scale = type_.scale or 0
    return format(Decimal(10) ** (type_.precision - scale) - Decimal(5).scaleb(-scale - 1), "f")


def _is_document(side: Any) -> bool:
    return is_member(side) and isinstance(side.type, JSON)


def _written_alike(side: Any) -> Any:
    """Return a value without blanks between its parts, as a member comes."""
    is_value = isinstance(side, (BindParameter, TypeCoerce))
    return func.json_quote(func.json_extract(side, _ALL)) if is_value else side
