"""SQL that a program writes as text, around which SQLAlchemy puts no parentheses.

Beside another condition or an operator, an OR in it would apply to these, too.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, TextClause, type_coerce
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause, Grouping

__all__ = ["in_parentheses", "is_text_sql"]


def in_parentheses(expression: Any) -> Any:
    """Return an expression that means the same beside any others."""
    is_attribute = hasattr(expression, "__clause_element__")
    element = expression.__clause_element__() if is_attribute else expression
    if not any(map(is_text_sql, visitors.iterate(element))):
        return expression
    # type_coerce, since and_() would remove plain parentheses around an AND.
    return type_coerce(Grouping(element), getattr(element, "type", Boolean()))


def is_text_sql(part: Any) -> bool:
    """Tell whether a part of an expression is SQL text, other than a number."""
    if isinstance(part, TextClause):
        return True
    return isinstance(part, ColumnClause) and part.is_literal and not part.name.isdigit()
