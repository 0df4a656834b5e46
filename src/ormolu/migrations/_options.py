"""What Alembic is told of a database, in our env and in one that was written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL, MetaData
from sqlalchemy.types import TypeEngine

from ormolu.backends import backend_of
from ormolu.migrations._changes import Changes, Wishes
from ormolu.migrations._checks import without_check
from ormolu.migrations._defaults import rendered_default
from ormolu.migrations._enumerations import rendered_enumeration
from ormolu.migrations._implementations import MariaDB, MySQL, PostgreSQL, SQLite
from ormolu.models import UTCDateTime

__all__ = [
    "WISHES", "Described", "MariaDB", "MySQL", "PostgreSQL", "SQLite", "check_asked", "options",
]  # fmt: skip

# Where a Config carries them.
WISHES = "ormolu.wishes"

# Where a Config notes that an env.py has asked for the options.
_ASKED = "ormolu.asked"

_UNASKED = (
    "The env.py of this project does not use ormolu.migrations.options: CHECK constraints, renames "
    "and what rows need are left to Alembic. Two lines: see the page on migrations."
)

# Tables that a resource keeps, be it imported or not.
_OURS = "ormolu_"


class Described(Protocol):
    """What has a URL and tables: a `Database`."""

    @property
    def url(self) -> URL:
        """Return the URL."""
        raise NotImplementedError
        ...

    @property
    def metadata(self) -> MetaData:
        """Return the mapped tables."""
        raise NotImplementedError
        ...


def options(database: Described) -> dict[str, Any]:
    """Return what `context.configure` in an env.py takes beside the connection or the URL.

    Types are written by their public names, with the import; a table that no model maps is left
    alone, as are those whose names begin with `ormolu_`; columns become NOT NULL in steps; on
    SQLite revisions are written for batch mode. The options of `ormolu db revision` hold too.

    Args:
        database: The `Database`. Import the application too, so that all its tables are mapped.
    """
    wishes = _wishes()
    is_sqlite = database.url.get_backend_name() == "sqlite"
    schemas = {table.schema for table in database.metadata.tables.values()}
    chosen: dict[str, Any] = {
        "target_metadata": database.metadata,
        "render_item": _render,
        "render_as_batch": is_sqlite,
        "compare_type": _compare_type,
        "compare_server_default": True,
        "include_object": _Included(wishes),
        "process_revision_directives": Changes(metadata=database.metadata, wishes=wishes),
    }
    if schemas - {None}:
        chosen["include_schemas"] = True
        chosen["include_name"] = _OfSchemas(schemas)
    if database.url.drivername == "sqlite+ormolu":
        # Alembic takes SQLite's DDL for not transactional, as pysqlite's is not.
        chosen.update(transactional_ddl=True, transaction_per_migration=True)
    return chosen


def check_asked(wishes: Wishes) -> Callable[[Any, Any, Any], None]:
    """Return a `process_revision_directives` that says so if an env.py has not asked for options.

    Args:
        wishes: What the revision was asked for. With renames, or tables to be dropped, it is not
            written then.
    """

    def check(context: Any, revision: Any, directives: Any) -> None:
        del revision, directives
        if _ASKED in context.config.attributes:
            return
        if wishes.renames or wishes.allow_drop:
            raise CommandError(_UNASKED)
        wishes.report(_UNASKED)

    return check


class _Included:
    """Which tables Alembic compares."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes

    def __call__(
        self, item: Any, name: str | None, kind: str, is_reflected: bool, mapped: Any
    ) -> bool:
        del item
        if kind != "table" or not is_reflected or mapped is not None:
            return True
        is_ours = str(name).startswith(_OURS)
        if not is_ours and not self._wishes.allow_drop:
            self._wishes.report(
                f'The table "{name}" is mapped by no model that was imported, and stays as it is. '
                "Import its module where the application is made, or drop it with --allow-drop."
            )
        return self._wishes.allow_drop and not is_ours


class _OfSchemas:
    """Which schemas Alembic looks into: those that the models name, and not the server's own."""

    def __init__(self, schemas: set[str | None]) -> None:
        self._schemas = schemas

    def __call__(self, name: str | None, kind: str, parents: Any) -> bool:
        del parents
        return kind != "schema" or name is None or name in self._schemas


def _render(kind: str, item: Any, autogenerate: Any) -> str | bool:
    """Return our types by their public names, and defaults; False leaves the rest to Alembic."""
    if kind == "server_default":
        return rendered_default(item, autogenerate) or False
    if kind != "type":
        return False
    enumeration = rendered_enumeration(item, autogenerate)
    if enumeration is not None:
        return enumeration
    bare = without_check(item)
    if bare is not item:
        return f"{autogenerate.opts['sqlalchemy_module_prefix']}{bare!r}"
    if type(item) is not UTCDateTime:
        return False
    autogenerate.imports.add("import ormolu")
    return "ormolu.UTCDateTime()"


def _compare_type(
    migration: Any, column: Any, mapped_column: Any, found: TypeEngine[Any], mapped: TypeEngine[Any]
) -> bool | None:
    """Return False where a type only has another name there; None leaves it to Alembic."""
    del column
    if backend_of(migration.dialect).is_made_of(found, mapped):
        return False
    # What numbers rows is INTEGER on SQLite, whatever its size in the models.
    compiler = migration.dialect.type_compiler_instance
    made = compiler.process(mapped, type_expression=mapped_column)
    is_numbered = mapped_column.table.autoincrement_column is mapped_column
    return False if is_numbered and made == compiler.process(found) else None


def _wishes() -> Wishes:
    """Return what `ormolu db revision` was told, if it is what runs the env.py."""
    try:
        attributes = context.config.attributes
    except NameError:
        # Alembic's proxy, outside of an env.py.
        return Wishes()
    attributes[_ASKED] = True
    wishes: Wishes | None = attributes.get(WISHES)
    return wishes or Wishes()
