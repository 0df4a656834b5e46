"""Server defaults as a database writes them, and as a revision has to write them.

Alembic compares and copies their texts with regular expressions that lose quotes, colons and
backslashes, and on PostgreSQL puts them into a SELECT that then fails.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Column, Connection, Inspector, text
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.schema import DefaultClause
from sqlalchemy.types import NullType, TypeEngine

from ormolu.migrations._probes import probe
from ormolu.migrations._texts import blanked, compiled_text

__all__ = ["as_sqlite_expression", "default_of_mysql", "rendered_default", "stored_default"]

_NUMBER = re.compile(r"[-+]?[\d.]+")

# Of a column's line, without what stands in quotes and parentheses.
_DEFAULT_OF_LINE = re.compile(r" DEFAULT (\S+(?: ON UPDATE \S+)?)")
_NAME_OF_LINE = re.compile(r"  `((?:[^`]|``)+)` ")


def stored_default(
    connection: Connection, column: Column[Any], kind: TypeEngine[Any]
) -> str | None:
    """Return the default of a mapped column as the database writes it for a column of a type.

    Returns:
        Its text; None if a column of that type cannot have it, or there are none.
    """
    if isinstance(kind, NullType):
        return None

    def look(inspector: Inspector, table: str) -> str | None:
        (found,) = inspector.get_columns(table)
        default = found["default"]
        if connection.dialect.name in {"mysql", "mariadb"}:
            default = default_of_mysql(inspector, table, None, column.name, default)
        return default

    same: Column[Any] = Column(
        column.name, kind, server_default=column.server_default, nullable=column.nullable
    )
    return probe(connection, [same], look)


def default_of_mysql(
    inspector: Inspector, table: str, schema: str | None, column: str, known: str | None
) -> str | None:
    """Return the text of a default, of which SQLAlchemy reads no call with a text in it.

    Args:
        inspector: Keeps what was read of a table.
        table: The table's name.
        schema: Its schema.
        column: The column's name.
        known: What SQLAlchemy has read.
    """
    cache: dict[Any, Any] = inspector.info_cache
    key = ("ormolu.defaults", schema, table)
    if key not in cache:
        cache[key] = _defaults_of_mysql(inspector, table, schema)
    default: str | None = cache[key].get(column, known)
    return default


def _defaults_of_mysql(
    inspector: Inspector, table: str, schema: str | None
) -> dict[str, str | None]:
    preparer = inspector.dialect.identifier_preparer
    name = ".".join(preparer.quote_identifier(each) for each in (schema, table) if each)
    bind: Any = inspector.bind
    statement = bind.execute(text(f"SHOW CREATE TABLE {name}")).one()[1]
    found: dict[str, str | None] = {}
    for line in statement.split("\n"):
        column = _NAME_OF_LINE.match(line)
        if column is not None:
            place = _DEFAULT_OF_LINE.search(blanked(line.rstrip(","), has_escapes=True))
            default = None if place is None else line[slice(*place.span(1))]
            found[column[1].replace("``", "`")] = None if default == "NULL" else default
    return found


def as_sqlite_expression(default: str) -> str:
    """Return a default with the parentheses that SQLite needs, and does not tell."""
    is_literal = set(blanked(default, has_escapes=False)) == {"q"} or _NUMBER.fullmatch(default)
    return default if is_literal else f"({default})"


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
    sql = compiled_text(compiled)
    if dialect.name == "sqlite" and set(blanked(sql, has_escapes=False)) != {"p"}:
        sql = as_sqlite_expression(sql)
    return f"{autogenerate.opts['sqlalchemy_module_prefix']}text({sql!r})"
