"""What becomes of the operations that Alembic has found, before they are written into a revision.

Alembic takes a renamed column for a drop and an add, adds NOT NULL columns to tables with rows, and
does not compare the values of PostgreSQL's enumerations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from ormolu.migrations._checks import changed_checks
from ormolu.migrations._enumerations import follow_enumerations

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
                self._rename(up, down)
                up.ops[:] = [each for found in up.ops for each in self._planned(context, found)]
                follow_enumerations(context, self.metadata, up, down, self.wishes.report)
                for forth, back in changed_checks(context.connection, self.metadata):
                    up.ops.append(forth)
                    down.ops.insert(0, back)

    def _rename(self, up: ops.UpgradeOps, down: ops.DowngradeOps) -> None:
        wanted = dict(self.wishes.renames)
        for table in _tables_of(up):
            for old, drop in _dropped(table).items():
                new = wanted.get(f"{table.table_name}.{old}")
                if new is not None and new in _added(table):
                    del wanted[f"{table.table_name}.{old}"]
                    _replace(up, table, new, drop)
                    _rename_back(down, table, new, old)
            gone, added = list(_dropped(table)), list(_added(table))
            if gone and added and not self.wishes.allow_drop:
                raise CommandError(_uncertain(table.table_name, gone, added))
        for old, new in wanted.items():
            message = f"--rename {old}:{new}: the models do not lack {old}, or have no new {new}."
            raise CommandError(message)

    def _planned(self, context: Any, found: ops.MigrateOperation) -> Iterator[ops.MigrateOperation]:
        """Yield what changes a table, in three steps where a column becomes NOT NULL."""
        if not isinstance(found, ops.ModifyTableOps):
            yield found
            return
        table = self.metadata.tables[_full_name(found)]
        first, last = list(found.ops), list[Any]()
        fills: list[ops.MigrateOperation] = []
        for operation in found.ops:
            column = _newly_required(operation, table)
            if column is None:
                continue
            fill = _fill(context, column)
            if fill is None:
                self.wishes.report(
                    f"{column.table.fullname}.{column.name} is NOT NULL and has no default: fill "
                    "it in the revision before that, if the table has rows."
                )
            fills += [ops.ExecuteSQLOp(fill)] if fill is not None else []
            if isinstance(operation, ops.AddColumnOp):
                first[first.index(operation)] = _nullable(operation, found)
                last.append(_required(column, found))
            elif fill is not None:
                first.remove(operation)
                last.append(operation)
        if first:
            yield ops.ModifyTableOps(found.table_name, first, schema=found.schema)
        yield from fills
        if last:
            yield ops.ModifyTableOps(found.table_name, last, schema=found.schema)


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
        modify_name=new,
    )
    replaced = (drop, _added(table)[new])
    table.ops[:] = [each for each in table.ops if each not in replaced]
    # In a batch of its own: within one, SQLite's indexes would still know the old name alone.
    alone = ops.ModifyTableOps(table.table_name, [rename], schema=table.schema)
    container.ops.insert(container.ops.index(table), alone)


def _rename_back(down: ops.DowngradeOps, renamed: ops.ModifyTableOps, name: str, old: str) -> None:
    place = (renamed.schema, renamed.table_name)
    (table,) = (each for each in _tables_of(down) if (each.schema, each.table_name) == place)
    _replace(down, table, old, _dropped(table)[name])


def _uncertain(table: str, gone: list[str], new: list[str]) -> str:
    return (
        f"The table {table} loses {', '.join(gone)} and gets {', '.join(new)}. If that is a "
        f"rename, its values are kept by: ormolu db revision --rename {table}.{gone[0]}:{new[0]}. "
        "If not, add --allow-drop."
    )


def _newly_required(operation: Any, table: Table) -> Column[Any] | None:
    """Return the column that becomes NOT NULL, where rows that are there have no value for it."""
    if isinstance(operation, ops.AddColumnOp):
        name = operation.column.name
    elif isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
        name = operation.column_name
    else:
        return None
    column: Column[Any] = table.columns[name]
    if column.nullable or column.server_default is not None:
        return None
    return None if column.computed is not None or column.identity is not None else column


def _fill(context: Any, column: Column[Any]) -> str | None:
    """Return the UPDATE that gives rows the default of the model, None if it has no plain one."""
    default = column.default
    if not isinstance(default, ScalarElementColumnDefault):
        return None
    update = column.table.update().where(column.is_(None))
    statement = update.values({column: default.arg})
    compiled = statement.compile(dialect=context.dialect, compile_kwargs={"literal_binds": True})
    return str(compiled)


def _nullable(operation: ops.AddColumnOp, table: ops.ModifyTableOps) -> ops.AddColumnOp:
    column = operation.column
    same: Column[Any] = Column(column.name, column.type, comment=column.comment)
    return ops.AddColumnOp(table.table_name, same, schema=table.schema)


def _required(column: Column[Any], table: ops.ModifyTableOps) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        table.table_name,
        column.name,
        schema=table.schema,
        existing_type=column.type,
        existing_nullable=True,
        modify_nullable=False,
    )


def _tidy(container: ops.OpContainer) -> None:
    """Leave out what a revision must not have, or cannot run."""
    for operation in container.ops:
        _clear_info(operation)
    container.ops[:] = _without_lost_indexes(container.ops)


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
