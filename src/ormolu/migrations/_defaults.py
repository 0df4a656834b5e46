"""Server defaults as a database writes them, and as a revision has to write them.

Alembic compares and copies their texts with regular expressions that lose quotes, colons and
backslashes, and on PostgreSQL puts them into a SELECT that then fails.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
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
    wanted = _stored(connection, mapped, found.type)
    if wanted is not None:
        wanted = without_parameters(wanted)
        return wanted != text and not _has_same_value(connection, found.type, wanted, text)
    # Not one of the type that is there: another type comes with this revision.
    wanted = _stored(connection, mapped, mapped.type)
    if wanted is not None:
        return without_parameters(wanted) != text
    # What it calls is not there; unless whoever asks may make no temporary table at all.
    return can_probe(connection)


def _has_same_value(connection: Connection, kind: TypeEngine[Any], *defaults: str) -> bool:
    if not all(map(backend_of(connection.dialect).rewrites_default, defaults)):
        return False
    values = (sa.type_coerce(sa.text(f"({each})"), kind) for each in defaults)
    one, other = (sa.cast(sa.cast(each, kind), sa.Text) for each in values)
    return bool(connection.scalar(sa.select(one.is_not_distinct_from(other))))


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
