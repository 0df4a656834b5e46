"""What Alembic's implementations of dialects do not do: keep what is there, and note steps.

Alembic registers one when its class is made, so that ours are then those of their dialects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl
from alembic.util import CommandError
from sqlalchemy import CheckConstraint, ClauseElement, Column, Dialect, Inspector, Table

from ormolu.backends import backend_of
from ormolu.migrations._defaults import has_changed
from ormolu.migrations._steps import Steps
from ormolu.migrations._texts import as_source, names_in, replaced, without_parameters

__all__ = ["MariaDB", "MySQL", "PostgreSQL", "SQLite"]

# Alembic's own name for its table.
_VERSIONS = "alembic_version"

_MISFIT = (
    "{0} is {1} and becomes {2}, and has a value that is none. Change such values before that, by "
    "op.execute in this revision."
)


class _Whole:
    """Reads and writes SQL whole, and compares defaults as the database writes them."""

    connection: Any
    dialect: Dialect

    def render_ddl_sql_expr(
        self,
        expr: ClauseElement,
        is_server_default: bool = False,
        is_index: bool = False,
        **options: Any,
    ) -> str:
        """Return a condition, or what is computed, as a revision has it."""
        theirs: Any = super()
        sql = theirs.render_ddl_sql_expr(
            expr, is_server_default=is_server_default, is_index=is_index, **options
        )
        return as_source(sql, self.dialect)

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        """Take the default of a column as it is there."""
        next_one: Any = super()
        next_one.autogen_column_reflect(inspector, table, column_info)
        backend = backend_of(inspector.dialect)
        place = (table.schema, table.name)
        default: Any = backend.written_default(inspector, place, column_info)
        if isinstance(default, str):
            column_info["default"] = without_parameters(default)

    def _normalize_computed_default(self, sqltext: str) -> str:
        """Leave it to us to compare what columns are computed of, which Alembic warns of."""
        del sqltext
        return ""

    def compare_server_default(
        self,
        inspector_column: Column[Any],
        metadata_column: Column[Any],
        rendered_metadata_default: Any,
        rendered_inspector_default: Any,
    ) -> bool:
        """Tell whether a default has changed."""
        mapped, known = metadata_column, rendered_inspector_default
        wanted, connection = rendered_metadata_default, self.connection
        is_numbered = mapped.table.autoincrement_column is mapped
        if known is None or wanted is None or connection is None or is_numbered:
            theirs: Any = super()
            return bool(theirs.compare_server_default(inspector_column, mapped, wanted, known))
        return has_changed(connection, mapped, inspector_column, known)


class SQLite(_Whole, SQLiteImpl):
    """SQLite, with computed columns in batches, too."""

    __dialect__ = "sqlite"

    def prep_table_for_batch(self, batch_impl: Any, table: Any) -> None:
        """Leave out of the copied values what the new table computes."""
        super().prep_table_for_batch(batch_impl, table)
        for column in table.columns:
            if column.computed is not None:
                batch_impl.column_transfers.get(column.name, {}).pop("expr", None)

    def requires_recreate_in_batch(self, batch_op: Any) -> bool:
        """Rename columns in place: a copy's CHECKs would know the old names.

        A copy has those CHECKs, too, that have no name, as Alembic wants to be told.
        """
        is_rename = all(map(_is_rename, batch_op.batch))
        is_copied = not is_rename and super().requires_recreate_in_batch(batch_op)
        is_told = any(isinstance(each, CheckConstraint) for each in batch_op.table_args)
        if is_copied and not is_told and batch_op.copy_from is None and self.connection is not None:
            found = sa.inspect(self.connection).get_check_constraints(batch_op.table_name)
            nameless = (each["sqltext"] for each in found if each["name"] is None)
            batch_op.table_args += tuple(_kept_checks(batch_op.batch, nameless))
        return is_copied

    def cast_for_batch_migrate(
        self, existing: Any, existing_transfer: dict[str, Any], new_type: Any
    ) -> None:
        """Copy values as they are: SQLite makes numbers of text that is one, and keeps others.

        Raises:
            CommandError: A value is none of the new type; a CAST would make 0 of it.
        """
        backend = backend_of(self.dialect)
        old, new = (backend.kind_of(each, self.dialect) for each in (existing.type, new_type))
        if old is None or new is None or self.connection is None:
            return
        column = existing_transfer["expr"]
        name = self.dialect.identifier_preparer.quote(column.name)
        misfit = backend.misfit(old, new, name)
        if misfit is not None:
            found = sa.select(sa.literal(1)).select_from(column.table).where(sa.text(misfit))
            if self.connection.scalar(found.limit(1)) is not None:
                raise CommandError(_MISFIT.format(column, existing.type, new_type))
        if (old, new) == ("number", "integer"):
            existing_transfer["expr"] = sa.func.round(column)

    def _guess_if_default_is_unparenthesized_sql_expr(self, expr: str | None) -> bool:
        """Leave the parentheses to us."""
        del expr
        return False


def _kept_checks(
    batch: Iterable[tuple[str, Any, Any]], texts: Iterable[str]
) -> Iterator[CheckConstraint]:
    """Yield constraints as a copy of their table has them: without what goes, with new names."""
    gone: set[str] = set()
    names: dict[str, str] = {}
    for verb, arguments, changes in batch:
        if verb == "drop_column":
            gone.add(arguments[1].name)
        elif verb == "alter_column":
            if getattr(changes.get("existing_type"), "create_constraint", False):
                # Alembic lets the new type make its own.
                gone.add(arguments[1])
            names[arguments[1]] = changes.get("name") or arguments[1]
    for text in texts:
        if gone.isdisjoint(names_in(text)):
            yield CheckConstraint(without_parameters(replaced(text, names)))


def _is_rename(step: tuple[str, Any, Mapping[str, Any]]) -> bool:
    """Tell whether a step of a batch gives a column a name, and does nothing else to it."""
    verb, _, changes = step
    return verb == "alter_column" and _has_name_alone(changes)


def _has_name_alone(changes: Mapping[str, Any]) -> bool:
    others = {"nullable": None, "type_": None, "server_default": False, "comment": False}
    is_plain = all(changes.get(name, value) is value for name, value in others.items())
    return is_plain and changes.get("autoincrement") is None and changes.get("name") is not None


class PostgreSQL(_Whole, PostgresqlImpl):
    """PostgreSQL."""

    __dialect__ = "postgresql"


class _Noted(_Whole):
    """Notes the steps of a revision, each of which is stored at once."""

    as_sql: bool
    context_opts: Any

    def start_migrations(self) -> None:
        """Begin to note."""
        theirs: Any = super()
        theirs.start_migrations()
        if self.connection is not None and not self.as_sql:
            Steps(self.connection, self.context_opts.get("version_table", _VERSIONS)).listen()

    def alter_column(self, table_name: str, column_name: str, **changes: Any) -> None:
        """Alter a column; a new name alone leaves all else of it as it is."""
        theirs: Any = super()
        new = changes.get("name")
        if not _has_name_alone(changes):
            theirs.alter_column(table_name, column_name, **changes)
            return
        # Alembic's CHANGE writes the column anew: without AUTO_INCREMENT, or what computes it.
        quote = self.dialect.identifier_preparer.quote
        parts = [each for each in (changes.get("schema"), table_name) if each]
        place = ".".join(map(quote, parts))
        sql = f"ALTER TABLE {place} RENAME COLUMN {quote(column_name)} TO {quote(str(new))}"
        theirs.execute(without_parameters(sql))


class MySQL(_Noted, MySQLImpl):
    """MySQL."""

    __dialect__ = "mysql"


class MariaDB(_Noted, MariaDBImpl):
    """MariaDB."""

    __dialect__ = "mariadb"
