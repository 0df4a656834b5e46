"""CHECK constraints: those whose text has changed, and those of columns that get another type.

Alembic compares their names alone. A database writes the text in its own words; what those are for
the model's text it says itself, of a temporary table, which is rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Column, Connection, Inspector, MetaData, Table, inspect

from ormolu.migrations._probes import probe

__all__ = ["let_checks_go_first"]

# The schema and the name of a table, and its columns that get another type.
_Retyped = dict[tuple[str | None, str], set[str]]
# What drops a constraint and makes the other one, there and back.
_Change = tuple[ops.ModifyTableOps, ops.ModifyTableOps, ops.ModifyTableOps, ops.ModifyTableOps]


def let_checks_go_first(
    context: Any, metadata: MetaData, up: ops.UpgradeOps, down: ops.DowngradeOps
) -> None:
    """Drop constraints before columns that they name get another type, and make them after that.

    Those that change, and those that stay: a server reads the text of one that stays once more,
    with a type that it may not be written for.

    Args:
        context: Alembic's.
        metadata: The tables of the models.
        up: The operations of the upgrade, which are changed in place.
        down: Those of the downgrade.
    """
    retyped = _retyped(up)
    for container in (up, down):
        _sort(container, retyped)
    for drop, create, drop_back, create_back in _changes(context.connection, metadata, retyped):
        up.ops[:] = [drop, *up.ops, create]
        down.ops[:] = [drop_back, *down.ops, create_back]


def _retyped(container: ops.OpContainer) -> _Retyped:
    found: _Retyped = {}
    tables = [each for each in container.ops if isinstance(each, ops.ModifyTableOps)]
    for table in tables:
        for each in table.ops:
            if isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
                place = table.schema, table.table_name
                found.setdefault(place, set()).add(each.column_name)
    return found


def _sort(container: ops.OpContainer, retyped: _Retyped) -> None:
    """Put drops of constraints first and new ones last, of tables with such columns."""
    first: list[ops.MigrateOperation] = []
    rest: list[ops.MigrateOperation] = []
    last: list[ops.MigrateOperation] = []
    for table in container.ops:
        if not isinstance(table, ops.ModifyTableOps):
            rest.append(table)
            continue
        is_sorted = (table.schema, table.table_name) in retyped
        drops = [each for each in table.ops if is_sorted and _is_drop(each)]
        makings = [
            each
            for each in table.ops
            if is_sorted and isinstance(each, ops.CreateCheckConstraintOp)
        ]
        others = [each for each in table.ops if each not in drops and each not in makings]
        for part, found in ((first, drops), (rest, others), (last, makings)):
            if found:
                part.append(ops.ModifyTableOps(table.table_name, found, schema=table.schema))
    container.ops[:] = [*first, *rest, *last]


def _is_drop(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "check"


def _changes(connection: Connection, metadata: MetaData, retyped: _Retyped) -> Iterator[_Change]:
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
        wanted = {name: _text(check, connection) for name, check in common.items()}
        known = {name: there[name] for name in common}
        changed = _changed(connection, table, wanted, known)
        columns = retyped.get((table.schema, table.name), set())
        for name, check in common.items():
            words = re.findall(r"\w+", wanted[name])
            if name in changed or not columns.isdisjoint(words):
                yield _operations(table, check, there[name])


def _changed(
    connection: Connection, table: Table, wanted: dict[str, str], known: dict[str, str]
) -> set[str]:
    """Return the names of constraints whose text is another one."""
    stored = _as_stored(connection, table, wanted)
    different = {name for name, text in stored.items() if text != known[name]}
    if not different:
        return different
    # PostgreSQL writes some in other words still when it is given its own.
    again = _as_stored(connection, table, {name: stored[name] for name in different})
    theirs = _as_stored(connection, table, {name: known[name] for name in different})
    return {name for name in different if again.get(name) != theirs.get(name)}


def _texts(found: Sequence[Any]) -> dict[str, str]:
    return {str(each["name"]): each["sqltext"] for each in found}


def _as_stored(connection: Connection, table: Table, texts: dict[str, str]) -> dict[str, str]:
    """Return the constraints' texts as the database writes them; nothing if it cannot have them."""
    columns: list[Any] = [Column(each.name, each.type) for each in table.columns]
    conditions = [CheckConstraint(text, name=name) for name, text in texts.items()]

    def look(inspector: Inspector, name: str) -> dict[str, str]:
        return _texts(inspector.get_check_constraints(name))

    return probe(connection, [*columns, *conditions], look) or {}


def _text(check: CheckConstraint, connection: Connection) -> str:
    return str(check.sqltext.compile(connection, compile_kwargs={"literal_binds": True}))


def _operations(table: Table, mapped: CheckConstraint, text: str) -> _Change:
    def part(operation: ops.MigrateOperation) -> ops.ModifyTableOps:
        return ops.ModifyTableOps(table.name, [operation], schema=table.schema)

    def create(new: Any) -> ops.CreateCheckConstraintOp:
        return ops.CreateCheckConstraintOp(mapped.name, table.name, new, schema=table.schema)

    def drop(old: Any) -> ops.DropConstraintOp:
        return ops.DropConstraintOp(
            mapped.name, table.name, type_="check", schema=table.schema, _reverse=create(old)
        )

    new = mapped.sqltext
    return part(drop(text)), part(create(new)), part(drop(new)), part(create(text))
