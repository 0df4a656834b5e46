"""Foreign keys and the indexes that they need, at both ends: no server drops one in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from ormolu.backends import backend_of

__all__ = ["let_keys_go_first"]

# The schema and the name of a table.
_Place = tuple[str | None, str]


def let_keys_go_first(
    context: Any, metadata: sa.MetaData, up: ops.UpgradeOps, down: ops.DowngradeOps
) -> None:
    """Drop foreign keys before all else, and make them after all else.

    A key that stays, while an index that it needs goes, is put aside in between. An index that the
    database made for a key goes with it.
    """
    if context.opts.get("render_as_batch"):
        # A batch copies its table, whose keys are looked at when all is done.
        return
    inspector = sa.inspect(context.connection)
    needs_own = backend_of(context.dialect).keys_need_indexes
    if needs_own:
        for table in _altered(up):
            _drop_own_indexes(table, _indexes_there(inspector, table))
        for table in _altered(down):
            _drop_own_indexes(table, _indexes_to_come(metadata, table))
    staying = list(_staying(inspector, metadata, up))
    for container in (up, down):
        aside = [each for each in staying if _is_in_the_way(each, container, needs_own)]
        _sort(container, aside)


@dataclass(frozen=True, kw_only=True)
class _End:
    """The columns of one end of a key, or of an index."""

    place: _Place
    columns: Sequence[str]


@dataclass(frozen=True)
class _Key:
    """A foreign key that a revision does not mention."""

    place: _Place
    found: Any

    def own(self) -> _End:
        return _End(place=self.place, columns=self.found["constrained_columns"])

    def referred(self) -> _End:
        place = (self.found["referred_schema"], self.found["referred_table"])
        return _End(place=place, columns=self.found["referred_columns"])

    def drop(self) -> ops.ModifyTableOps:
        schema, table = self.place
        drop = ops.DropConstraintOp(self.found["name"], table, type_="foreignkey", schema=schema)
        return ops.ModifyTableOps(table, [drop], schema=schema)

    def create(self) -> ops.ModifyTableOps:
        schema, table = self.place
        own, referred = self.own(), self.referred()
        create = ops.CreateForeignKeyOp(
            self.found["name"], table, referred.place[1], list(own.columns),
            list(referred.columns), source_schema=schema, referent_schema=referred.place[0],
            **self.found["options"],
        )  # fmt: skip
        return ops.ModifyTableOps(table, [create], schema=schema)


def _staying(inspector: sa.Inspector, metadata: sa.MetaData, up: ops.UpgradeOps) -> Iterator[_Key]:
    """Yield the keys that are there, and that a revision neither drops nor loses."""
    lost = {(each.schema, each.table_name) for each in up.ops if isinstance(each, ops.DropTableOp)}
    dropped = {
        (_place(part), each.constraint_name) for part in _altered(up) for each in _key_drops(part)
    }
    for schema in {None, *(table.schema for table in metadata.tables.values())}:
        for place, keys in inspector.get_multi_foreign_keys(schema=schema).items():
            if place not in lost:
                yield from (_Key(place, key) for key in keys if (place, key["name"]) not in dropped)


def _is_in_the_way(key: _Key, container: ops.OpContainer, needs_own: bool) -> bool:
    """Tell whether a column or an index that a key needs is altered, or goes."""
    own, referred = key.own(), key.referred()
    for table in _altered(container):
        for each in table.ops:
            if (column := _changed_column(each)) is not None:
                ends = (end for end in (own, referred) if end.place == _place(table))
                if any(column in end.columns for end in ends):
                    return True
            elif (index := _gone_index(table, each)) is None:
                continue
            elif needs_own:
                if any(_begin_alike(index, end) for end in (own, referred)):
                    return True
            elif index.place == referred.place and set(index.columns) == set(referred.columns):
                return True
    return False


def _changed_column(operation: ops.MigrateOperation) -> str | None:
    """Return the column that gets another type, or that is made anew: its keys stay."""
    if isinstance(operation, ops.DropColumnOp):
        return operation.column_name
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
        return operation.column_name
    return None


def _begin_alike(index: _End, end: _End) -> bool:
    return index.place == end.place and index.columns[:1] == end.columns[:1]


def _gone_index(table: ops.ModifyTableOps, operation: ops.MigrateOperation) -> _End | None:
    """Return the columns of an index or a unique constraint that a table loses."""
    if isinstance(operation, ops.DropIndexOp):
        columns: Any = operation.to_index().columns
    elif isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "unique":
        unique: Any = operation.to_constraint()
        columns = unique.columns
    else:
        return None
    return _End(place=_place(table), columns=[each.name for each in columns])


def _sort(container: ops.OpContainer, aside: Sequence[_Key]) -> None:
    """Put drops of keys first and new keys last, new tables after what their keys may need."""
    new = {
        (each.schema, each.table_name)
        for each in container.ops
        if isinstance(each, ops.CreateTableOp)
    }
    drops: list[ops.MigrateOperation] = [each.drop() for each in aside]
    keys: list[ops.MigrateOperation] = [each.create() for each in aside]
    losses: list[ops.MigrateOperation] = []
    changes: list[ops.MigrateOperation] = []
    makings: list[ops.MigrateOperation] = []
    for found in container.ops:
        if isinstance(found, ops.DropTableOp):
            losses.append(found)
        elif isinstance(found, ops.CreateTableOp):
            makings.append(found)
        elif isinstance(found, ops.ModifyTableOps):
            first, last = _key_drops(found), _new_keys(found)
            rest = [each for each in found.ops if each not in first and each not in last]
            drops += _part(found, first)
            (makings if _place(found) in new else changes).extend(_part(found, rest))
            keys += _part(found, last)
        else:
            changes.append(found)
    container.ops[:] = [*drops, *losses, *changes, *makings, *keys]


def _part(
    table: ops.ModifyTableOps, found: Sequence[ops.MigrateOperation]
) -> list[ops.MigrateOperation]:
    return [ops.ModifyTableOps(table.table_name, found, schema=table.schema)] if found else []


def _drop_own_indexes(table: ops.ModifyTableOps, own: Mapping[str, Sequence[str]]) -> None:
    """Drop the indexes of keys that are dropped, where they would stay with their columns."""
    made = {each.constraint_name for each in _new_keys(table)}
    gone = {each.column_name for each in table.ops if isinstance(each, ops.DropColumnOp)}
    names = [str(each.constraint_name) for each in _key_drops(table)]
    table.ops[:0] = [
        ops.DropIndexOp(
            name, table.table_name, schema=table.schema,
            _reverse=ops.CreateIndexOp(name, table.table_name, own[name], schema=table.schema),
        )
        for name in names
        if name in own and name not in made and not gone & set(own[name])
    ]  # fmt: skip


def _indexes_there(
    inspector: sa.Inspector, table: ops.ModifyTableOps
) -> Mapping[str, Sequence[str]]:
    """Return the columns of the indexes of a table by their names."""
    if not inspector.has_table(table.table_name, schema=table.schema):
        return {}
    found = inspector.get_indexes(table.table_name, schema=table.schema)
    return {str(each["name"]): [str(name) for name in each["column_names"]] for each in found}


def _indexes_to_come(
    metadata: sa.MetaData, table: ops.ModifyTableOps
) -> Mapping[str, Sequence[str]]:
    """Return those that the database will make for the keys of the models: no other begins so."""
    full = table.table_name if table.schema is None else f"{table.schema}.{table.table_name}"
    mapped = metadata.tables.get(full)
    if mapped is None:
        return {}
    uniques = [each for each in mapped.constraints if isinstance(each, sa.UniqueConstraint)]
    keys: list[Any] = [mapped.primary_key, *uniques, *mapped.indexes]
    first = [list(each.columns)[:1] for each in keys]
    return {
        str(key.name): key.column_keys
        for key in mapped.foreign_key_constraints
        if list(key.columns)[:1] not in first
    }


def _altered(container: ops.OpContainer) -> list[ops.ModifyTableOps]:
    return [each for each in container.ops if isinstance(each, ops.ModifyTableOps)]


def _place(table: ops.ModifyTableOps) -> _Place:
    return table.schema, table.table_name


def _key_drops(table: ops.ModifyTableOps) -> list[ops.DropConstraintOp]:
    drops = [each for each in table.ops if isinstance(each, ops.DropConstraintOp)]
    return [each for each in drops if each.constraint_type == "foreignkey"]


def _new_keys(table: ops.ModifyTableOps) -> list[ops.CreateForeignKeyOp]:
    return [each for each in table.ops if isinstance(each, ops.CreateForeignKeyOp)]
