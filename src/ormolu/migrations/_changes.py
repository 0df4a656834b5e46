"""What becomes of the operations that Alembic has found, before they are written into a revision.

Alembic takes a renamed column for a drop and an add, adds NOT NULL columns to tables with rows, and
does not compare the values of PostgreSQL's enumerations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import Column, Identity, MetaData

from ormolu.migrations._checks import follow_checks
from ormolu.migrations._computed import follow_computed
from ormolu.migrations._enumerations import follow_enumerations
from ormolu.migrations._keys import let_keys_go_first
from ormolu.migrations._numbers import follow_numbers
from ormolu.migrations._required import plan_required
from ormolu.migrations._types import follow_types

__all__ = ["Changes", "Wishes"]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What whoever asks for a revision has said.

    Attributes:
        allow_drop: Whether tables may be dropped that no model maps, and columns beside new ones.
        renames: The new name of a column, by the table and the old name: `users.name`.
        report: Told what is left alone, or has to be looked at.
    """

    allow_drop: bool = False
    renames: Mapping[str, str] = field(default_factory=dict)
    report: Callable[[str], None] = lambda _sentence: None


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Alembic's `process_revision_directives`."""

    metadata: MetaData
    wishes: Wishes

    def __call__(self, context: Any, revision: Any, directives: Sequence[Any]) -> None:
        """Change the operations in place.

        Raises:
            CommandError: A column may have been renamed, or was not, against what was said.
        """
        del revision
        for script in directives:
            for up, down in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
                _tidy(up)
                _tidy(down)
                self._rename(context, up, down)
                if not context.dialect.supports_identity_columns:
                    _ignore_identities(up)
                    _ignore_identities(down)
                follow_computed(context, self.metadata, up, down)
                follow_numbers(context, self.metadata, up, down)
                follow_types(context, up, self._column, self.wishes.report)
                follow_types(context, down, _lost_column)
                plan_required(context, up, self._column, self.wishes.report)
                plan_required(context, down, _lost_column)
                let_keys_go_first(context, self.metadata, up, down)
                follow_enumerations(context, self.metadata, up, down, self.wishes.report)
                follow_checks(context, self.metadata, up, down, self.wishes.report)
                _put_renames_first(up)
                _put_renames_first(down)

    def _rename(self, context: Any, up: ops.UpgradeOps, down: ops.DowngradeOps) -> None:
        wanted = dict(self.wishes.renames)
        for table in _tables_of(up):
            for old, drop in _dropped(table).items():
                new = wanted.get(f"{table.table_name}.{old}")
                if new is not None and new in _added(table):
                    del wanted[f"{table.table_name}.{old}"]
                    _replace(up, table, new, drop)
                    back = _rename_back(down, table, new, old)
                    change = self._change(context, table, new, drop)
                    if change.has_changes():
                        table.ops.insert(0, change)
                        back.ops.insert(0, _of_column(change.reverse(), old))
            gone, added = list(_dropped(table)), list(_added(table))
            if gone and added and not self.wishes.allow_drop:
                raise CommandError(_uncertain(table.table_name, gone, added))
        for old, new in wanted.items():
            message = f"--rename {old}:{new}: the models do not lack {old}, or have no new {new}."
            raise CommandError(message)

    def _change(
        self, context: Any, table: ops.ModifyTableOps, name: str, drop: ops.DropColumnOp
    ) -> ops.AlterColumnOp:
        """Return what a renamed column becomes besides, as Alembic finds it of others."""
        autogenerate = AutogenContext(context, self.metadata)
        change = ops.AlterColumnOp(table.table_name, name, schema=table.schema)
        compare = autogenerate.comparators.dispatch("column", qualifier=context.dialect.name)
        columns = drop.to_column(), self._column(table, name)
        compare(autogenerate, change, table.schema, table.table_name, name, *columns)
        return change

    def _column(self, table: ops.ModifyTableOps, name: str) -> Column[Any] | None:
        """Return the column of the models that an operation is about."""
        return self.metadata.tables[_full_name(table)].columns[name]


def _lost_column(table: ops.ModifyTableOps, name: str) -> Column[Any] | None:
    """Return a column that a downgrade brings back: its values are gone, and its default."""
    added = _added(table).get(name)
    return None if added is None else added.column


def _dropped(table: ops.ModifyTableOps) -> dict[str, ops.DropColumnOp]:
    return {each.column_name: each for each in table.ops if isinstance(each, ops.DropColumnOp)}


def _added(table: ops.ModifyTableOps) -> dict[str, ops.AddColumnOp]:
    return {each.column.name: each for each in table.ops if isinstance(each, ops.AddColumnOp)}


def _tables_of(container: ops.OpContainer) -> list[ops.ModifyTableOps]:
    return [each for each in container.ops if isinstance(each, ops.ModifyTableOps)]


def _full_name(table: ops.ModifyTableOps) -> str:
    return table.table_name if table.schema is None else f"{table.schema}.{table.table_name}"


def _replace(
    container: ops.OpContainer, table: ops.ModifyTableOps, new: str, drop: ops.DropColumnOp
) -> None:
    """Put a rename where a drop and an add are, before all else: indexes have the new name."""
    column = drop.to_column()
    rename = ops.AlterColumnOp(
        table.table_name,
        column.name,
        schema=table.schema,
        existing_type=column.type,
        existing_nullable=column.nullable,
        existing_server_default=column.server_default or False,
        existing_comment=column.comment,
        modify_name=new,
    )
    replaced = (drop, _added(table)[new])
    table.ops[:] = [each for each in table.ops if each not in replaced]
    # In a batch of its own: within one, SQLite's indexes would still know the old name alone.
    alone = ops.ModifyTableOps(table.table_name, [rename], schema=table.schema)
    container.ops.insert(container.ops.index(table), alone)


def _rename_back(
    down: ops.DowngradeOps, renamed: ops.ModifyTableOps, name: str, old: str
) -> ops.ModifyTableOps:
    place = (renamed.schema, renamed.table_name)
    # A rename before this one has a batch of its own there.
    table = next(
        each
        for each in _tables_of(down)
        if (each.schema, each.table_name) == place and name in _dropped(each)
    )
    _replace(down, table, old, _dropped(table)[name])
    return table


def _of_column(change: ops.AlterColumnOp, name: str) -> ops.AlterColumnOp:
    change.column_name = name
    return change


def _put_renames_first(container: ops.OpContainer) -> None:
    """Let constraints find new names, those of other tables too."""
    renames = [each for each in _tables_of(container) if any(map(_is_rename, each.ops))]
    container.ops[:] = [*renames, *(each for each in container.ops if each not in renames)]


def _is_rename(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.AlterColumnOp) and operation.modify_name is not None


def _uncertain(table: str, gone: list[str], new: list[str]) -> str:
    return (
        f"The table {table} loses {', '.join(gone)} and gets {', '.join(new)}. If that is a "
        f"rename, its values are kept by: ormolu db revision --rename {table}.{gone[0]}:{new[0]}. "
        "If not, add --allow-drop."
    )


def _tidy(container: ops.OpContainer) -> None:
    """Leave out what a revision must not have, or cannot run."""
    for operation in container.ops:
        _clear_info(operation)
    container.ops[:] = _without_lost_indexes(container.ops)


def _ignore_identities(container: ops.OpContainer) -> None:
    """Leave out what a database numbers in its own way, and has no word for."""
    for table in _tables_of(container):
        alters = [each for each in table.ops if isinstance(each, ops.AlterColumnOp)]
        for each in alters:
            defaults = each.modify_server_default, each.existing_server_default
            if any(isinstance(default, Identity) for default in defaults):
                each.modify_server_default = each.existing_server_default = False
                if not each.has_changes():
                    table.ops.remove(each)
        if alters and not table.ops:
            container.ops.remove(table)


def _clear_info(operation: Any) -> None:
    """Leave out what the models note at their tables, which is no part of the schema."""
    if isinstance(operation, (ops.CreateTableOp, ops.DropTableOp)):
        info = getattr(operation, "info", None) or {}
        for key in [each for each in info if str(each).startswith("ormolu.")]:
            del info[key]


def _without_lost_indexes(found: list[ops.MigrateOperation]) -> list[ops.MigrateOperation]:
    """Leave indexes to the DROP TABLE that follows: MySQL's foreign keys need theirs until then."""
    dropped = {
        (each.schema, each.table_name) for each in found if isinstance(each, ops.DropTableOp)
    }
    return [
        each
        for each in found
        if not isinstance(each, ops.ModifyTableOps) or (each.schema, each.table_name) not in dropped
    ]
