"""Members of enumerations in a program's own conditions: in the order of their definition, or none.

Only a type of PostgreSQL's own has that order. To others members are text, and those of a state
come as the alphabet has them.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Enum
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import SQLCompiler

from ormolu.backends._sides import stored_type
from ormolu.errors import UsageError

__all__ = ["ExactEnumerations", "may_be_member"]

_log = logging.getLogger("ormolu")

_ORDERED = frozenset(
    {
        operators.between_op, operators.ge, operators.gt, operators.le, operators.lt,
        operators.not_between_op,
    }
)  # fmt: skip


def may_be_member(part: Any) -> bool:
    """Tell whether a part of a condition is a member of an enumeration."""
    return isinstance(getattr(part, "type", None), Enum)


class ExactEnumerations(SQLCompiler):
    """Compiles no comparison of what comes first where the database has another order."""

    is_exact = False

    def visit_binary(self, binary: Any, *args: Any, **kw: Any) -> str:
        is_ordered = self.is_exact and binary.operator in _ORDERED
        if is_ordered and any(map(self._is_in_another_order, (binary.left, binary.right))):
            message = (
                f"A policy asks which member of an enumeration comes first: {binary}. "
                f"{self.dialect.name} has them as text. Write in_() with the members."
            )
            _log.error("%s", message)
            raise UsageError(message)
        plain: Any = super().visit_binary
        text: str = plain(binary, *args, **kw)
        return text

    def _is_in_another_order(self, side: Any) -> bool:
        type_ = stored_type(side, self.dialect)
        if not isinstance(type_, Enum):
            return False
        has_order = isinstance(type_, postgresql.ENUM) and type_.native_enum
        return not has_order and list(type_.enums) != sorted(type_.enums)
