"""Computed columns that change: dropped and made anew, as their values are computed anyway.

No database alters what computes one in a way that all have; PostgreSQL gives no column another type
that one is computed of, and MySQL's MODIFY makes a plain column of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import (
    Column,
    Computed,
    Connection,
    Index,
    Inspector,
    MetaData,
    Table,
    UniqueConstraint,
)

from ormolu.backends import Backend, backend_of
from ormolu.migrations._checks import without_check
from ormolu.migrations._probes import probe
from ormolu.migrations._texts import (
    are_alike,
    compiled_text,
    names_in,
    replaced,
    without_parameters,
)

__all__ = ["follow_computed"]


def follow_computed(
    context: Any, metadata: MetaData, up: ops.UpgradeOps, down: ops.DowngradeOps
) -> None:
    """Drop columns before what is in their way, and make them after it, there and back.

    Args:
        context: Alembic's.
        metadata: The tables of the models.
        up: The operations of the upgrade, which are changed in place.
        down: Those of the downgrade.
    """
    connection = context.connection
    inspector = sa.inspect(connection)
    for table in metadata.sorted_tables:
        if not any(each.computed is not None for each in table.columns):
            continue
        if not inspector.has_table(table.name, schema=table.schema):
            continue
        there = Table(
            table.name, MetaData(), schema=table.schema, autoload_with=connection,
            resolve_fks=False,
        )  # fmt: skip
        found = _Found(connection=connection, table=table, there=there, alters=_alters(up, table))
        remade = dict(found.remade())
        if remade:
            either = frozenset([*remade, *remade.values()])
            _Remade(table=table, names=list(remade.values()), either=either).put(up)
            _Remade(table=there, names=list(remade), either=either).put(down)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A table of the models, and as it is there."""

    connection: Connection
    table: Table
    there: Table
    alters: Sequence[ops.AlterColumnOp]

    def remade(self) -> Iterator[tuple[str, str]]:
        """Yield the old and the new name of each column that has to be made anew."""
        olds = {str(each.modify_name): each.column_name for each in self.alters if _is_rename(each)}
        for column in self.table.columns:
            old = self.there.columns.get(olds.get(column.name, column.name))
            if column.computed is None or old is None or old.computed is None:
                continue
            if self._is_in_the_way(column) or self._has_changed(column, old, olds):
                yield old.name, column.name

    def _is_in_the_way(self, column: Column[Any]) -> bool:
        """Tell whether a column is altered, or what it is computed of."""
        backend: Backend = backend_of(self.connection.dialect)
        retyped = {each.column_name for each in self.alters if each.modify_type is not None}
        altered = {each.column_name for each in self.alters if not _is_rename(each)}
        if backend.computed_columns_hold_types:
            return not retyped.isdisjoint({*names_in(self._text(column.computed)), column.name})
        return backend.numbers_anew and column.name in altered

    def _has_changed(self, column: Column[Any], old: Column[Any], olds: Mapping[str, str]) -> bool:
        """Tell whether it is computed of something else, or stored where it was not."""
        there = old.computed
        assert there is not None
        known = replaced(str(there.sqltext), {old: new for new, old in olds.items()})
        wanted = self._stored(column, self._text(column.computed))
        if wanted is None:
            return False
        text, is_persisted = wanted
        if is_persisted != there.persisted:
            return True
        # PostgreSQL writes some in other words still when it is given its own.
        return not are_alike(text, known) and (
            self._stored(column, without_parameters(text))
            != self._stored(column, without_parameters(known))
        )

    def _stored(self, column: Column[Any], text: str) -> tuple[str, bool | None] | None:
        """Return how the database writes a column that is computed of a text."""
        assert column.computed is not None
        columns: list[Column[Any]] = []
        for each in self.table.columns:
            computed = [Computed(text, column.computed.persisted)] if each is column else []
            columns.append(Column(each.name, without_check(each.type), *computed))

        def look(inspector: Inspector, name: str) -> tuple[str, bool | None]:
            found = {each["name"]: each.get("computed") for each in inspector.get_columns(name)}
            computed = found[column.name]
            assert computed is not None
            return computed["sqltext"], computed.get("persisted")

        return probe(self.connection, columns, look)

    def _text(self, computed: Computed | None) -> str:
        assert computed is not None
        compiled = computed.sqltext.compile(
            dialect=self.connection.dialect,
            compile_kwargs={"literal_binds": True, "include_table": False},
        )
        return compiled_text(compiled)


@dataclass(frozen=True, kw_only=True)
class _Remade:
    """Columns of a table that are made anew, one way.

    Attributes:
        table: The table as it is after that.
        names: Their names there.
        either: Their names before and after that.
    """

    table: Table
    names: Sequence[str]
    either: frozenset[str]

    def put(self, container: ops.OpContainer) -> None:
        """Drop the columns first and make them last, with the indexes that they are in."""
        own = [each for part in self._parts(container) for each in self._take(part)]
        before: list[ops.MigrateOperation] = [each for each in own if _is_drop(each)]
        after: list[ops.MigrateOperation] = [each for each in own if each not in before]
        made = {str(_name(each)) for each in after}
        columns = [self.table.columns[each] for each in self.names]
        schema, name = self.table.schema, self.table.name
        for kept in self._indexes():
            if str(kept.name) not in made:
                after.append(_creation(kept))
                # One without a name goes with its column.
                before += [] if kept.name is None else [_creation(kept).reverse()]
        makings = [
            ops.AddColumnOp.from_column_and_tablename(schema, name, each) for each in columns
        ]
        first = ops.ModifyTableOps(
            name, [*before, *(each.reverse() for each in makings)], schema=schema
        )
        last = ops.ModifyTableOps(name, [*makings, *after], schema=schema)
        container.ops[:] = [first, *container.ops, last]

    def _parts(self, container: ops.OpContainer) -> list[ops.ModifyTableOps]:
        return [
            each
            for each in container.ops
            if isinstance(each, ops.ModifyTableOps)
            and (each.schema, each.table_name) == (self.table.schema, self.table.name)
        ]

    def _take(self, part: ops.ModifyTableOps) -> Iterator[ops.MigrateOperation]:
        """Take the operations on the columns out, and yield those on their indexes."""
        for each in list(part.ops):
            if isinstance(each, ops.AlterColumnOp):
                if each.column_name in self.either and not _is_rename(each):
                    part.ops.remove(each)
            elif not self.either.isdisjoint(_indexed(each)):
                part.ops.remove(each)
                yield each

    def _indexes(self) -> Sequence[Index | UniqueConstraint]:
        uniques = [each for each in self.table.constraints if isinstance(each, UniqueConstraint)]
        keys: list[Index | UniqueConstraint] = [*uniques, *self.table.indexes]
        return [
            key for key in keys if not set(self.names).isdisjoint(each.name for each in key.columns)
        ]


def _creation(found: Index | UniqueConstraint) -> ops.CreateIndexOp | ops.AddConstraintOp:
    if isinstance(found, Index):
        return ops.CreateIndexOp.from_index(found)
    return ops.AddConstraintOp.from_constraint(found)


def _indexed(operation: ops.MigrateOperation) -> set[str]:
    """Return the columns of an index or a unique constraint that comes or goes."""
    found: Any = None
    if isinstance(operation, ops.CreateIndexOp | ops.DropIndexOp):
        found = operation.to_index()
    elif isinstance(operation, ops.CreateUniqueConstraintOp) or _is_of_unique(operation):
        found = operation.to_constraint()
    return set() if found is None else {each.name for each in found.columns}


def _is_of_unique(operation: Any) -> TypeGuard[ops.DropConstraintOp]:
    return isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "unique"


def _is_drop(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.DropIndexOp | ops.DropConstraintOp)


def _name(operation: Any) -> str | None:
    is_index = isinstance(operation, ops.CreateIndexOp)
    name: str | None = operation.index_name if is_index else operation.constraint_name
    return name


def _alters(container: ops.OpContainer, table: Table) -> list[ops.AlterColumnOp]:
    return [
        each
        for part in container.ops
        if isinstance(part, ops.ModifyTableOps)
        and (part.schema, part.table_name) == (table.schema, table.name)
        for each in part.ops
        if isinstance(each, ops.AlterColumnOp)
    ]


def _is_rename(operation: ops.AlterColumnOp) -> bool:
    return operation.modify_name is not None
