"""Casts of text to numbers in a program's own conditions: NULL of what is none.

SQLite and MySQL make 0 of a word and 5 of "5 apples", and PostgreSQL fails: for one row of a
client's nobody would see any.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, Integer, Numeric, SmallInteger
from sqlalchemy.sql.compiler import SQLCompiler

from ormolu.backends._sides import is_text, stored_type

__all__ = ["ExactMySQLCasts", "ExactPostgreSQLCasts", "ExactSQLiteCasts"]

_BITS = ((SmallInteger, 15), (BigInteger, 63), (Integer, 31))
_WHOLE = "^[[:space:]]*[-+]?[0-9]+[[:space:]]*$"
_DECIMAL = "^[[:space:]]*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,2})?[[:space:]]*$"


class _ExactCasts(SQLCompiler):
    """Compiles casts of text to numbers so that what is no number is NULL.

    Attributes:
        from_documents: Whether documents are text there.
    """

    is_exact = False
    from_documents = True

    def visit_cast(self, cast: Any, **kw: Any) -> str:
        plain: Any = super().visit_cast
        if not self.is_exact or "_cast_applied" in kw or not self._makes_number(cast):
            text: str = plain(cast, **kw)
            return text
        is_whole = isinstance(stored_type(cast, self.dialect), Integer)
        condition = self.is_number(cast, is_whole=is_whole, kw=kw)
        return f"CASE WHEN {condition} THEN {plain(cast, **kw)} END"

    def is_number(self, cast: Any, *, is_whole: bool, kw: Any) -> str:
        """Return whether a text is a number that the cast takes, in SQL."""
        raise NotImplementedError

    def _makes_number(self, cast: Any) -> bool:
        if not isinstance(stored_type(cast, self.dialect), (Float, Integer, Numeric)):
            return False
        is_document = isinstance(stored_type(cast.clause, self.dialect), JSON)
        return is_text(cast.clause, self.dialect) or (is_document and self.from_documents)


class ExactSQLiteCasts(_ExactCasts):
    """Compiles casts of text for SQLite, which compares what is a number with one as such."""

    def is_number(self, cast: Any, *, is_whole: bool, kw: Any) -> str:
        def text() -> str:
            value: str = self.process(cast.clause, **kw)
            return value

        condition = f"CAST({text()} AS NUMERIC) = {text()}"
        return f"{condition} AND {text()} NOT GLOB '*[^0-9+ -]*'" if is_whole else condition


class ExactMySQLCasts(_ExactCasts):
    """Compiles casts of text for MySQL and MariaDB."""

    def is_number(self, cast: Any, *, is_whole: bool, kw: Any) -> str:
        pattern = _WHOLE if is_whole else _DECIMAL
        return f"{self.process(cast.clause, **kw)} REGEXP '{pattern}'"


class ExactPostgreSQLCasts(_ExactCasts):
    """Compiles casts of text for PostgreSQL."""

    # It casts no text of theirs, and refuses what else is no number when it is asked.
    from_documents = False

    def is_number(self, cast: Any, *, is_whole: bool, kw: Any) -> str:
        pattern = _WHOLE if is_whole else _DECIMAL
        condition = f"{self.process(cast.clause, **kw)} ~ '{pattern}'"
        if not is_whole:
            return condition
        bits = next(
            bits for kind, bits in _BITS if isinstance(stored_type(cast, self.dialect), kind)
        )
        number = f"CAST({self.process(cast.clause, **kw)} AS NUMERIC)"
        within = f"{number} BETWEEN {-(2**bits)} AND {2**bits - 1}"
        # Of what is no number this is not computed.
        return f"CASE WHEN {condition} THEN {within} END"
