"""Enumerations that are types of the database: Alembic sees neither their values nor their ends.

Each is made and dropped by a statement of its own. Columns are written so that no table makes the
types of its columns: one that is there, or that two tables have, would be made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Column, MetaData, types
from sqlalchemy.types import TypeEngine

from ormolu.backends import backend_of

__all__ = ["follow_enumerations", "rendered_enumeration"]

# By its name as SQL has it, with the schema where that is needed.
_Types = Mapping[str, types.Enum]


def follow_enumerations(
    context: Any,
    metadata: MetaData,
    up: ops.UpgradeOps,
    down: ops.DowngradeOps,
    report: Callable[[str], None],
) -> None:
    """Add what makes the types of new columns, drops those of old ones, and adds values."""
    known = backend_of(context.dialect).enumerations(context.connection)
    if known is None:
        return
    inspector = sa.inspect(context.connection)
    names = _Names(context.dialect, inspector.default_schema_name)
    mapped = names.of(each.type for table in metadata.tables.values() for each in table.columns)
    new = {name: enum for name, enum in names.of(_new_types(up)).items() if name not in known}
    old = names.of(_old_types(up))
    if old:
        left = names.of(_types_of_others(inspector, metadata, up))
        old = {name: enum for name, enum in old.items() if name not in {**mapped, **left}}
    values = _new_values(mapped, known, report)
    up.ops[:] = [*values, *_made(new), *up.ops, *_dropped(old)]
    down.ops[:] = [*_made(old), *down.ops, *_dropped(new)]


def rendered_enumeration(item: Any, autogenerate: Any) -> str | None:
    """Return a type of the database as a revision has it; None if it is none.

    Args:
        item: The type of a column.
        autogenerate: Alembic's context.
    """
    is_named = isinstance(item, types.Enum) and item.native_enum and item.name is not None
    if not is_named or not backend_of(autogenerate.dialect).has_enumeration_types:
        return None
    autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
    words = [repr(each) for each in item.enums] + [f"name={str(item.name)!r}"]
    if item.schema is not None:
        words.append(f"schema={str(item.schema)!r}")
    return f"postgresql.ENUM({', '.join(words)}, create_type=False)"


class _Names:
    """How SQL names types; those of the default schema are named without it."""

    def __init__(self, dialect: Any, default: str | None) -> None:
        self._preparer = dialect.identifier_preparer
        self._default = default

    def of(self, found: Iterable[TypeEngine[Any]]) -> dict[str, types.Enum]:
        """Return the enumerations among types that are types of the database."""
        return {
            self._name(each): each
            for each in found
            if isinstance(each, types.Enum) and each.native_enum and each.name is not None
        }

    def _name(self, enum: types.Enum) -> str:
        name = str(self._preparer.quote(enum.name))
        if enum.schema is None or enum.schema == self._default:
            return name
        return f"{self._preparer.quote_schema(enum.schema)}.{name}"


def _made(found: _Types) -> list[ops.MigrateOperation]:
    return [
        ops.ExecuteSQLOp(f"CREATE TYPE {name} AS ENUM ({_listed(enum.enums)})")
        for name, enum in found.items()
    ]


def _dropped(found: _Types) -> list[ops.MigrateOperation]:
    return [ops.ExecuteSQLOp(f"DROP TYPE {name}") for name in found]


def _new_values(
    mapped: _Types, known: Mapping[str, Sequence[str]], report: Callable[[str], None]
) -> Iterator[ops.ExecuteSQLOp]:
    for name, enum in mapped.items():
        there = known.get(name, enum.enums)
        for value in [each for each in enum.enums if each not in there]:
            text = f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {_listed([value])}"
            yield ops.ExecuteSQLOp(text)
        if lost := [each for each in there if each not in enum.enums]:
            report(
                f"The type {name} keeps the values {', '.join(lost)}: PostgreSQL cannot take "
                "values from a type."
            )


def _new_types(up: ops.UpgradeOps) -> Iterator[TypeEngine[Any]]:
    for operation in _all(up):
        if isinstance(operation, ops.CreateTableOp):
            yield from (each.type for each in operation.columns if isinstance(each, Column))
        elif isinstance(operation, ops.AddColumnOp):
            yield operation.column.type
        elif isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            yield operation.modify_type


def _old_types(up: ops.UpgradeOps) -> Iterator[TypeEngine[Any]]:
    for operation in _all(up):
        if isinstance(operation, ops.DropTableOp):
            yield from (each.type for each in operation.to_table().columns)
        elif isinstance(operation, ops.DropColumnOp):
            yield operation.to_column().type
        elif isinstance(operation, ops.AlterColumnOp) and operation.existing_type is not None:
            yield operation.existing_type


def _all(up: ops.UpgradeOps) -> Iterator[ops.MigrateOperation]:
    for operation in up.ops:
        yield from operation.ops if isinstance(operation, ops.ModifyTableOps) else (operation,)


def _types_of_others(
    inspector: sa.Inspector, metadata: MetaData, up: ops.UpgradeOps
) -> Iterator[TypeEngine[Any]]:
    """Yield the types of tables that no model maps, and that stay."""
    schemas = {None, *(table.schema for table in metadata.tables.values())}
    dropped = {
        (each.schema, each.table_name) for each in up.ops if isinstance(each, ops.DropTableOp)
    }
    for schema in schemas:
        for name in inspector.get_table_names(schema=schema):
            place = name if schema is None else f"{schema}.{name}"
            if place not in metadata.tables and (schema, name) not in dropped:
                yield from (each["type"] for each in inspector.get_columns(name, schema=schema))


def _listed(values: Iterable[str]) -> str:
    return ", ".join("'" + each.replace("'", "''") + "'" for each in values)
