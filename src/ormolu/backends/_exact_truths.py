"""Truth values in a program's own conditions: NOT of one is in parentheses beside an operator.

SQLAlchemy writes `NOT flag IS true`, which is NOT (flag IS true) to PostgreSQL, and holds of NULL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import AsBoolean, BinaryExpression

__all__ = ["ExactTruths", "has_bare_truth"]


def has_bare_truth(part: Any) -> bool:
    """Tell whether a part of a condition is an operator with a truth value beside it."""
    sides = (part.left, part.right) if isinstance(part, BinaryExpression) else ()
    return any(isinstance(each, AsBoolean) for each in sides)


class ExactTruths(SQLCompiler):
    """Compiles NOT of a truth value so that it means the same beside any operator."""

    is_exact = False

    def visit_unary(self, unary: Any, *args: Any, **kw: Any) -> str:
        plain: Any = super().visit_unary
        text: str = plain(unary, *args, **kw)
        return f"({text})" if self.is_exact and isinstance(unary, AsBoolean) else text
