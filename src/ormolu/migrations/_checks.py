"""CHECK constraints whose text has changed: Alembic compares their names alone.

A database writes the text in its own words. What those are for the model's text it says itself, of
a temporary table, which is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Column, Connection, Inspector, MetaData, Table, inspect

from ormolu.migrations._probes import probe

__all__ = ["changed_checks"]

_Pair = tuple[ops.ModifyTableOps, ops.ModifyTableOps]


def changed_checks(connection: Connection, metadata: MetaData) -> Iterator[_Pair]:
    """Yield what brings each changed constraint to the model, and what brings it back."""
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        mapped = {
            str(each.name): each
            for each in table.constraints
            if isinstance(each, CheckConstraint) and each.name
        }
        if not mapped or not inspector.has_table(table.name, schema=table.schema):
            continue
        there = _texts(inspector.get_check_constraints(table.name, schema=table.schema))
        common = {name: check for name, check in mapped.items() if name in there}
        wanted = _as_stored(connection, table, common)
        for name, text in wanted.items():
            if text != there[name]:
                yield _operations(table, common[name], there[name])


def _texts(found: Any) -> dict[str, str]:
    return {str(each["name"]): each["sqltext"] for each in found}


def _as_stored(
    connection: Connection, table: Table, checks: dict[str, CheckConstraint]
) -> dict[str, str]:
    """Return the constraints' texts as the database writes them; nothing if it cannot have them."""
    columns: list[Any] = [Column(each.name, each.type) for each in table.columns]
    conditions = [_copy(each, connection) for each in checks.values()]

    def look(inspector: Inspector, name: str) -> dict[str, str]:
        return _texts(inspector.get_check_constraints(name))

    return probe(connection, [*columns, *conditions], look) or {}


def _copy(check: CheckConstraint, connection: Connection) -> CheckConstraint:
    text = check.sqltext.compile(connection, compile_kwargs={"literal_binds": True})
    return CheckConstraint(str(text), name=check.name)


def _operations(table: Table, mapped: CheckConstraint, text: str) -> _Pair:
    def change(new: Any) -> ops.ModifyTableOps:
        drop = ops.DropConstraintOp(mapped.name, table.name, type_="check", schema=table.schema)
        create = ops.CreateCheckConstraintOp(mapped.name, table.name, new, schema=table.schema)
        return ops.ModifyTableOps(table.name, [drop, create], schema=table.schema)

    return change(mapped.sqltext), change(text)
