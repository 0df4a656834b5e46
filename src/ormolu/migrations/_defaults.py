"""Server defaults as a database writes them, and as a revision has to write them.

Alembic compares and copies their texts with regular expressions that lose quotes, colons and
backslashes, and on PostgreSQL puts them into a SELECT that then fails.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Inspector
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.schema import DefaultClause
from sqlalchemy.types import NullType, TypeEngine

from ormolu.backends import backend_of
from ormolu.migrations._probes import can_probe, probe
from ormolu.migrations._texts import compiled_text, without_parameters

__all__ = ["has_changed", "rendered_default"]


def has_changed(connection: Connection, mapped: Column[Any], found: Column[Any], text: str) -> bool:
    """Tell whether the default of a column is another than that of the model.

    Args:
        connection: The database, which is asked how it writes the model's.
        mapped: The column of the model, with a default.
        found: The column that is there.
        text: The default that it has.
    """
    # Of the type that is there, as the one that is mapped may come with this revision.
    for kind in (found.type, mapped.type):
        wanted = _stored(connection, mapped, kind)
        if wanted is not None:
            return without_parameters(wanted) != text
    # What it calls is not there; unless whoever asks may make no temporary table at all.
    return can_probe(connection)


def _stored(connection: Connection, column: Column[Any], kind: TypeEngine[Any]) -> str | None:
    """Return the default as the database writes it for a column of a type, None if it cannot."""
    if isinstance(kind, NullType):
        return None

    def look(inspector: Inspector, table: str) -> str | None:
        (known,) = inspector.get_columns(table)
        backend = backend_of(connection.dialect)
        return backend.written_default(inspector, (None, table), known)

    same: Column[Any] = Column(
        column.name, kind, server_default=column.server_default, nullable=column.nullable
    )
    return probe(connection, [same], look)


def rendered_default(default: Any, autogenerate: Any) -> str | None:
    """Return a default as source of a revision; None leaves it to Alembic."""
    if isinstance(default, DefaultClause):
        default = default.arg
    if isinstance(default, str):
        return repr(default)
    if not isinstance(default, ClauseElement):
        return None
    dialect = autogenerate.migration_context.dialect
    compiled = default.compile(
        dialect=dialect, compile_kwargs={"literal_binds": True, "include_table": False}
    )
    sql = backend_of(dialect).default_in_ddl(compiled_text(compiled))
    return f"{autogenerate.opts['sqlalchemy_module_prefix']}text({sql!r})"
