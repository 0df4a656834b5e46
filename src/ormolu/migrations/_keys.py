"""Foreign keys and the indexes that they need: MySQL drops no index that a key uses."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from ormolu.backends import backend_of

__all__ = ["let_keys_go_first"]


def let_keys_go_first(context: Any, up: ops.UpgradeOps, down: ops.DowngradeOps) -> None:
    """Drop foreign keys before indexes, and where a key stays, make it anew without the index."""
    if not backend_of(context.dialect).keys_need_indexes:
        return
    inspector = sa.inspect(context.connection)
    for table in _altered(up):
        backs = [each for each in _altered(down) if _place(each) == _place(table)]
        parts = [table, *backs]
        if not any(isinstance(each, ops.DropIndexOp) for part in parts for each in part.ops):
            continue
        if not inspector.has_table(table.table_name, schema=table.schema):
            continue
        dropped = {each.constraint_name for each in _key_drops(table)}
        found = inspector.get_foreign_keys(table.table_name, schema=table.schema)
        staying = [each for each in found if each["name"] not in dropped]
        for part in parts:
            _keep(part, staying)


def _altered(container: ops.OpContainer) -> list[ops.ModifyTableOps]:
    return [each for each in container.ops if isinstance(each, ops.ModifyTableOps)]


def _place(table: ops.ModifyTableOps) -> tuple[str | None, str]:
    return table.schema, table.table_name


def _key_drops(table: ops.ModifyTableOps) -> list[ops.DropConstraintOp]:
    drops = [each for each in table.ops if isinstance(each, ops.DropConstraintOp)]
    return [each for each in drops if each.constraint_type == "foreignkey"]


def _keep(table: ops.ModifyTableOps, staying: list[Any]) -> None:
    """Put drops of keys first, and keys that stay aside while their index is dropped."""
    indexes = [each for each in table.ops if isinstance(each, ops.DropIndexOp)]
    columns = {name for each in indexes for name in _columns(each)[:1]}
    aside = [each for each in staying if each["constrained_columns"][0] in columns]
    first = _key_drops(table)
    rest = [each for each in table.ops if each not in first]
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
    table.ops[:] = [*first, *gone, *rest, *again]


def _columns(operation: ops.DropIndexOp) -> list[str]:
    return [each.name for each in operation.to_index().columns]
