"""What Alembic is told of a database, in our env and in one that was written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import URL, MetaData
from sqlalchemy.types import TypeEngine

from ormolu.backends import backend_of
from ormolu.models import UTCDateTime

__all__ = ["Described", "options"]

# Tables that a resource keeps, be it imported or not.
_OURS = "ormolu_"


class Described(Protocol):
    """What has a URL and tables: a `Database`."""

    @property
    def url(self) -> URL:
        """Return the URL."""

    @property
    def metadata(self) -> MetaData:
        """Return the mapped tables."""


def options(
    database: Described,
    *,
    allow_drop: bool = False,
    report: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return what `context.configure` in an env.py takes beside the connection or the URL.

    Types are written by their public names, with the import; a table that no model maps is left
    alone, as are those whose names begin with `ormolu_`; on SQLite revisions are written for
    batch mode.

    Args:
        database: The `Database`. Import the application too, so that all its tables are mapped.
        allow_drop: Whether a revision may drop tables that no model maps.
        report: Called with a sentence for each table that is left alone.
    """
    is_sqlite = database.url.get_backend_name() == "sqlite"
    schemas = {table.schema for table in database.metadata.tables.values()}
    chosen: dict[str, Any] = {
        "target_metadata": database.metadata,
        "render_item": _render,
        "render_as_batch": is_sqlite,
        "compare_type": _compare_type,
        "compare_server_default": True,
        "include_object": _Included(allow_drop=allow_drop, report=report),
        "process_revision_directives": _tidy,
    }
    if schemas - {None}:
        chosen["include_schemas"] = True
        chosen["include_name"] = _OfSchemas(schemas)
    if database.url.drivername == "sqlite+ormolu":
        # Alembic takes SQLite's DDL for not transactional, as pysqlite's is not.
        chosen.update(transactional_ddl=True, transaction_per_migration=True)
    return chosen


class _Included:
    """Which tables Alembic compares."""

    def __init__(self, *, allow_drop: bool, report: Callable[[str], None] | None) -> None:
        self._allow_drop = allow_drop
        self._report = report

    def __call__(
        self, item: Any, name: str | None, kind: str, is_reflected: bool, mapped: Any
    ) -> bool:
        del item
        if kind != "table" or not is_reflected or mapped is not None:
            return True
        is_ours = str(name).startswith(_OURS)
        if not is_ours and not self._allow_drop and self._report is not None:
            self._report(
                f'The table "{name}" is mapped by no model that was imported, and stays as it is. '
                "Import its module where the application is made, or drop it with --allow-drop."
            )
        return self._allow_drop and not is_ours


class _OfSchemas:
    """Which schemas Alembic looks into: those that the models name, and not the server's own."""

    def __init__(self, schemas: set[str | None]) -> None:
        self._schemas = schemas

    def __call__(self, name: str | None, kind: str, parents: Any) -> bool:
        del parents
        return kind != "schema" or name is None or name in self._schemas


def _render(kind: str, item: Any, context: Any) -> str | bool:
    """Return our types by their public names; False leaves the rest to Alembic."""
    if kind != "type" or type(item) is not UTCDateTime:
        return False
    context.imports.add("import ormolu")
    return "ormolu.UTCDateTime()"


def _compare_type(
    context: Any, column: Any, mapped_column: Any, found: TypeEngine[Any], mapped: TypeEngine[Any]
) -> bool | None:
    """Return False where a type only has another name there; None leaves it to Alembic."""
    del column, mapped_column
    return False if backend_of(context.dialect).is_made_of(found, mapped) else None


def _tidy(context: Any, revision: Any, directives: Any) -> None:
    """Leave out what a revision must not have, or cannot run."""
    del context, revision
    for script in directives:
        for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            for operation in operations.ops:
                _clear_info(operation)
            _leave_lost_indexes_out(operations)


def _leave_lost_indexes_out(operations: Any) -> None:
    """Leave indexes to the DROP TABLE that follows: MySQL's foreign keys need theirs until then."""
    dropped = {
        (each.schema, each.table_name) for each in operations.ops if _is(each, "DropTableOp")
    }
    operations.ops[:] = [
        each
        for each in operations.ops
        if not _is(each, "ModifyTableOps") or (each.schema, each.table_name) not in dropped
    ]


def _clear_info(operation: Any) -> None:
    if getattr(operation, "info", None) and hasattr(operation, "table_name"):
        kept = {key: value for key, value in operation.info.items() if not _is_ours(key)}
        operation.info.clear()
        operation.info.update(kept)


def _is_ours(key: object) -> bool:
    return isinstance(key, str) and key.startswith("ormolu.")


def _is(operation: object, name: str) -> bool:
    """Tell an operation's class by its name: this file is imported without Alembic, too."""
    return type(operation).__name__ == name
