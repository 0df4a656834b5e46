"""SQL that a program writes as text: SQLAlchemy leaves it as it is, without parentheses around it.

Beside another condition, or before an operator, an OR in it would reach as far as the statement
does. Knows no model, no HTTP.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, TextClause, type_coerce
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause, Grouping

__all__ = ["in_parentheses", "is_written"]


def in_parentheses(expression: Any) -> Any:
    """Return an expression so that it stands beside any others, and means the same there."""
    is_attribute = hasattr(expression, "__clause_element__")
    element = expression.__clause_element__() if is_attribute else expression
    if not any(map(is_written, visitors.iterate(element))):
        return expression
    # Within a type: and_() takes an AND apart that has parentheses alone around it.
    return type_coerce(Grouping(element), getattr(element, "type", Boolean()))


def is_written(part: Any) -> bool:
    """Tell whether a part of an expression is SQL as text, other than a number."""
    if isinstance(part, TextClause):
        return True
    return isinstance(part, ColumnClause) and part.is_literal and not part.name.isdigit()
