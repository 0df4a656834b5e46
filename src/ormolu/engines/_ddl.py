"""What our engines write in DDL where a model says less, or other, than its backend needs."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.mysql.base import MySQLDialect, MySQLTypeCompiler
from sqlalchemy.engine.interfaces import Dialect

__all__ = ["complete_ddl"]

# Of four bytes at most, so many characters fit into an index of InnoDB.
_CHARACTERS = 255


def complete_ddl(dialect: Dialect) -> None:
    """Give a dialect of MySQL the types that it lacks; an engine has a dialect of its own."""
    if isinstance(dialect, MySQLDialect):
        compiler = _MySQLTypes(dialect)
        dialect.type_compiler_instance = dialect.type_compiler = compiler


class _MySQLTypes(MySQLTypeCompiler):
    """MySQL's types; text without a length gets one, as MySQL asks for it."""

    def visit_VARCHAR(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- SQLAlchemy's form
        return super().visit_VARCHAR(_with_length(type_), **options)

    def visit_NVARCHAR(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_NVARCHAR(_with_length(type_), **options)

    def visit_VARBINARY(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_VARBINARY(_with_length(type_), **options)

    def visit_UUID(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        # MySQL has no such type; MariaDB has one.
        has_one = self.dialect.supports_native_uuid
        return super().visit_UUID(type_, **options) if has_one else "CHAR(32)"


def _with_length(type_: Any) -> Any:
    if type_.length is not None:
        return type_
    sized = type_.copy()
    sized.length = _CHARACTERS
    return sized
