"""Columns whose numbers the database gives, and that get another type: what gives them follows.

A sequence of PostgreSQL's stays as it is when its column is altered, as its default does. An
identity follows to another integer, and is in the way of all else. MySQL has to be told again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Column
from sqlalchemy.schema import DefaultClause
from sqlalchemy.types import TypeEngine

from ormolu.backends import backend_of
from ormolu.migrations._texts import without_parameters

__all__ = ["follow_numbers"]

_NEXT = re.compile(r"nextval\('(.+)'::regclass\)")


def follow_numbers(
    context: Any, metadata: sa.MetaData, up: ops.UpgradeOps, down: ops.DowngradeOps
) -> None:
    """Let sequences, identities and AUTO_INCREMENT go with the type, there and back.

    Args:
        context: Alembic's.
        metadata: The tables of the models.
        up: The operations of the upgrade, which are changed in place.
        down: Those of the downgrade.
    """
    backend = backend_of(context.dialect)
    if not (backend.numbers_anew or backend.numbers_by_sequences):
        return
    inspector = sa.inspect(context.connection)
    for table, forth, old in list(_retyped(up)):
        back = next(
            each
            for other, each, _ in _retyped(down)
            if other.table_name == table.table_name
            and other.schema == table.schema
            and each.column_name == old
        )
        full = ".".join(each for each in (table.schema, table.table_name) if each)
        mapped = metadata.tables[full].columns[forth.column_name]
        columns = inspector.get_columns(table.table_name, schema=table.schema)
        found = next(each for each in columns if each["name"] == old)
        if backend.numbers_anew:
            _say(forth, is_numbered=mapped.table.autoincrement_column is mapped)
            _say(back, is_numbered=found.get("autoincrement") is True)
            continue
        types: Any = back.modify_type, forth.modify_type
        old_kind, new_kind = (backend.kind_of(each, context.dialect) for each in types)
        was = _there(found, types[0])
        becomes = None
        if new_kind == "integer" and was is not None:
            becomes = replace(was, kind=mapped.type)
        elif new_kind == "integer" != old_kind:
            becomes = _mapped(mapped, context.dialect.identifier_preparer.quote)
        if isinstance(mapped.server_default, DefaultClause):
            # The models have a default of their own, which goes its own way.
            continue
        for container, alter, way in ((up, forth, (was, becomes)), (down, back, (becomes, was))):
            changed = _Altered(context=context, container=container, table=table, alter=alter)
            changed.follow(*way)


def _retyped(
    container: ops.OpContainer,
) -> Iterator[tuple[ops.ModifyTableOps, ops.AlterColumnOp, str]]:
    """Yield what alters types, with the names that the columns have in the other schema."""
    tables = [each for each in container.ops if isinstance(each, ops.ModifyTableOps)]
    alters = [
        (table, each)
        for table in tables
        for each in table.ops
        if isinstance(each, ops.AlterColumnOp)
    ]
    renamed = {
        (table.schema, table.table_name, each.modify_name): each.column_name
        for table, each in alters
        if each.modify_name is not None
    }
    for table, each in alters:
        if each.modify_type is not None:
            name = each.column_name
            yield table, each, renamed.get((table.schema, table.table_name, name), name)


def _say(operation: ops.AlterColumnOp, *, is_numbered: bool) -> None:
    """Say of a column that MySQL alters whether it numbers the rows."""
    operation.kw.pop("autoincrement", None)
    if is_numbered:
        operation.kw["autoincrement"] = True


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    """What gives a column its numbers on PostgreSQL.

    Attributes:
        kind: The integer that they are.
        sequence: The name of its sequence, as SQL; None of an identity, whose sequence is its own.
    """

    kind: TypeEngine[Any]
    sequence: str | None


def _there(found: Any, kind: TypeEngine[Any]) -> _Numbers | None:
    """Return what a column has that is there."""
    if found.get("identity"):
        return _Numbers(kind=kind, sequence=None)
    default = _NEXT.fullmatch(found["default"] or "")
    return default and _Numbers(kind=kind, sequence=default[1].replace("''", "'"))


def _mapped(column: Column[Any], quote: Callable[[str], str]) -> _Numbers | None:
    """Return what a column of the models has, if the database is to give it numbers."""
    if column.table.autoincrement_column is not column or column.default is not None:
        return None
    name = f"{column.table.name[:28]}_{column.name[:28]}_seq"
    sequence = quote(name) if column.identity is None else None
    return _Numbers(kind=column.type, sequence=sequence)


@dataclass(frozen=True, kw_only=True)
class _Altered:
    """A column of PostgreSQL's that is altered one way."""

    context: Any
    container: ops.OpContainer
    table: ops.ModifyTableOps
    alter: ops.AlterColumnOp

    def follow(self, was: _Numbers | None, becomes: _Numbers | None) -> None:
        """Take the numbers off before that, and put them on after that."""
        if was is None and becomes is not None:
            self._put_on(becomes)
        elif was is not None and becomes is None:
            self._take_off(was)
        elif becomes is not None and becomes.sequence is not None:
            self._last(f"ALTER SEQUENCE {becomes.sequence} AS {self._type(becomes.kind)}")

    def _take_off(self, was: _Numbers) -> None:
        """Leave a sequence where it is: the way back has it again."""
        what = "IDENTITY" if was.sequence is None else "DEFAULT"
        if was.sequence is None:
            self.alter.modify_server_default, self.alter.existing_server_default = False, None
        self.container.ops.insert(0, _sql(f"{self._of_column} DROP {what}"))

    def _put_on(self, becomes: _Numbers) -> None:
        """Count on from the last row; Alembic's own operation makes an identity."""
        if becomes.sequence is not None:
            kind = self._type(becomes.kind)
            self._last(f"CREATE SEQUENCE IF NOT EXISTS {becomes.sequence} AS {kind}")
            place = f"{self._table}.{self._column}"
            self._last(f"ALTER SEQUENCE {becomes.sequence} AS {kind} OWNED BY {place}")
            name = becomes.sequence.replace("'", "''")
            self._last(f"{self._of_column} SET DEFAULT nextval('{name}')")
        column = self._column
        owner = self._table.replace("'", "''"), self.alter.column_name.replace("'", "''")
        sequence = f"pg_get_serial_sequence('{owner[0]}', '{owner[1]}')"
        self._last(
            f"SELECT setval({sequence}, coalesce(max({column}), 1), max({column}) IS NOT NULL) "
            f"FROM {self._table}"
        )

    @property
    def _of_column(self) -> str:
        return f"ALTER TABLE {self._table} ALTER COLUMN {self._column}"

    @property
    def _table(self) -> str:
        table = sa.table(self.table.table_name, schema=self.table.schema)
        return str(self.context.dialect.identifier_preparer.format_table(table))

    @property
    def _column(self) -> str:
        return str(self.context.dialect.identifier_preparer.quote(self.alter.column_name))

    def _type(self, kind: TypeEngine[Any]) -> str:
        return str(self.context.dialect.type_compiler_instance.process(kind))

    def _last(self, sql: str) -> None:
        self.container.ops.append(_sql(sql))


def _sql(text: str) -> ops.ExecuteSQLOp:
    return ops.ExecuteSQLOp(without_parameters(text))
