"""Foreign keys and the indexes that they need: MySQL drops no index that a key uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from ormolu.backends import backend_of

__all__ = ["let_keys_go_first"]


def let_keys_go_first(
    context: Any, metadata: sa.MetaData, up: ops.UpgradeOps, down: ops.DowngradeOps
) -> None:
    """Drop foreign keys before indexes, and where a key stays, make it anew without the index.

    An index that the database made for a key goes with it.
    """
    if not backend_of(context.dialect).keys_need_indexes:
        return
    inspector = sa.inspect(context.connection)
    for table in _altered(up):
        _drop_own_indexes(table, _indexes_there(inspector, table))
    for table in _altered(down):
        _drop_own_indexes(table, _indexes_to_come(metadata, table))
    # One table may have several parts, as one that gets a NOT NULL column has.
    for place in dict.fromkeys(map(_place, _altered(up))):
        parts = [each for each in (*_altered(up), *_altered(down)) if _place(each) == place]
        if not any(isinstance(each, ops.DropIndexOp) for part in parts for each in part.ops):
            continue
        schema, name = place
        ups = [each for each in parts if each in up.ops]
        dropped = {each.constraint_name for part in ups for each in _key_drops(part)}
        found = inspector.get_foreign_keys(name, schema=schema)
        staying = [each for each in found if each["name"] not in dropped]
        for part in parts:
            _keep(part, staying)


def _drop_own_indexes(table: ops.ModifyTableOps, own: Mapping[str, Sequence[str]]) -> None:
    """Drop the indexes of keys that are dropped, where they would stay with their columns."""
    made = {each.constraint_name for each in table.ops if isinstance(each, ops.CreateForeignKeyOp)}
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


def _place(table: ops.ModifyTableOps) -> tuple[str | None, str]:
    return table.schema, table.table_name


def _key_drops(table: ops.ModifyTableOps) -> list[ops.DropConstraintOp]:
    drops = [each for each in table.ops if isinstance(each, ops.DropConstraintOp)]
    return [each for each in drops if each.constraint_type == "foreignkey"]


def _keep(table: ops.ModifyTableOps, staying: list[Any]) -> None:
    """Put drops of keys first and new keys last, and keys that stay aside in between."""
    indexes = [each for each in table.ops if isinstance(each, ops.DropIndexOp)]
    columns = {name for each in indexes for name in _columns(each)[:1]}
    aside = [each for each in staying if each["constrained_columns"][0] in columns]
    first = _key_drops(table)
    last = [each for each in table.ops if isinstance(each, ops.CreateForeignKeyOp)]
    rest = [each for each in table.ops if each not in first and each not in last]
    gone = [
        ops.DropConstraintOp(
            each["name"], table.table_name, type_="foreignkey", schema=table.schema
        )
        for each in aside
    ]
    again = [
        ops.CreateForeignKeyOp(
            each["name"], table.table_name, each["referred_table"], each["constrained_columns"],
            each["referred_columns"], source_schema=table.schema,
            referent_schema=each["referred_schema"], **each["options"],
        )
        for each in aside
    ]  # fmt: skip
    table.ops[:] = [*first, *gone, *rest, *again, *last]


def _columns(operation: ops.DropIndexOp) -> list[str]:
    return [each.name for each in operation.to_index().columns]
