"""What Alembic's implementations of dialects do not do: keep server defaults as they are.

Alembic registers one when its class is made, so that ours are then those of their dialects.
"""

from __future__ import annotations

from typing import Any

from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import Column, Inspector, Table

from ormolu.migrations._defaults import as_sqlite_expression, default_of_mysql, stored_default
from ormolu.migrations._probes import can_probe
from ormolu.migrations._texts import without_parameters

__all__ = ["MariaDB", "MySQL", "PostgreSQL", "SQLite"]


class _Defaults:
    """Reads defaults whole, and compares them as the database writes them."""

    connection: Any

    def autogen_column_reflect(
        self, inspector: Inspector, table: Table, column_info: dict[str, Any]
    ) -> None:
        """Take the default of a column as it is there."""
        next_one: Any = super()
        next_one.autogen_column_reflect(inspector, table, column_info)
        default = self._read(inspector, table, column_info)
        if isinstance(default, str):
            column_info["default"] = without_parameters(default)

    def _read(self, inspector: Inspector, table: Table, column_info: dict[str, Any]) -> Any:
        del inspector, table
        return column_info.get("default")

    def compare_server_default(
        self, found: Column[Any], mapped: Column[Any], wanted_text: Any, found_text: Any
    ) -> bool:
        """Tell whether a default has changed."""
        is_numbered = mapped.table.autoincrement_column is mapped
        if found_text is None or wanted_text is None or is_numbered or self.connection is None:
            next_one: Any = super()
            is_other: bool = next_one.compare_server_default(found, mapped, wanted_text, found_text)
            return is_other
        # Of the type that is there, as the one that is mapped may come with this revision.
        for kind in (found.type, mapped.type):
            wanted = stored_default(self.connection, mapped, kind)
            if wanted is not None:
                return without_parameters(self._written(wanted)) != found_text
        # What it calls is not there; unless whoever asks may make no temporary table at all.
        return can_probe(self.connection)

    def _written(self, default: str) -> str:
        return default


class SQLite(_Defaults, SQLiteImpl):
    """SQLite, with computed columns in batches, too."""

    __dialect__ = "sqlite"

    def prep_table_for_batch(self, batch_impl: Any, table: Any) -> None:
        """Leave out of the copied values what the new table computes."""
        super().prep_table_for_batch(batch_impl, table)
        for column in table.columns:
            if column.computed is not None:
                batch_impl.column_transfers.get(column.name, {}).pop("expr", None)

    def _guess_if_default_is_unparenthesized_sql_expr(self, expr: str | None) -> bool:
        """Leave the parentheses to us."""
        del expr
        return False

    def _read(self, inspector: Inspector, table: Table, column_info: dict[str, Any]) -> Any:
        default = super()._read(inspector, table, column_info)
        return self._written(default) if isinstance(default, str) else default

    def _written(self, default: str) -> str:
        return as_sqlite_expression(default)


class PostgreSQL(_Defaults, PostgresqlImpl):
    """PostgreSQL."""

    __dialect__ = "postgresql"


class _OfMySQL(_Defaults):
    def _read(self, inspector: Inspector, table: Table, column_info: dict[str, Any]) -> Any:
        known = column_info.get("default")
        if isinstance(known, (str, type(None))):
            known = default_of_mysql(
                inspector, table.name, table.schema, column_info["name"], known
            )
        return known


class MySQL(_OfMySQL, MySQLImpl):
    """MySQL."""

    __dialect__ = "mysql"


class MariaDB(_OfMySQL, MariaDBImpl):
    """MariaDB."""

    __dialect__ = "mariadb"
