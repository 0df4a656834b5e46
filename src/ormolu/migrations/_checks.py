"""CHECK constraints: those that came, went or changed, and those of columns that get another type.

Alembic leaves those of a column out of a new table, takes one without a name for gone, and makes
once more what a type makes. Here all are found and compared by their text. A database writes it in
its own words; what those are for the model's text it says itself, of a temporary table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Dialect,
    Inspector,
    MetaData,
    Table,
    inspect,
)
from sqlalchemy.schema import CreateTable, conv
from sqlalchemy.types import TypeEngine

from ormolu.migrations._probes import probe
from ormolu.migrations._texts import are_alike, compiled_text, names_in, without_parameters
from ormolu.seams import variants_of

__all__ = ["follow_checks", "without_check"]

# The schema and the name of a table.
_Place = tuple[str | None, str]

# The name of one in a temporary table, beside what types make there.
_PROBED = "probed"

_NAMELESS = (
    "{0} has a CHECK that the models lack, and that has no name to drop it by: ({1}). It stays."
)


def follow_checks(
    context: Any,
    metadata: MetaData,
    up: ops.UpgradeOps,
    down: ops.DowngradeOps,
    report: Callable[[str], None],
) -> None:
    """Add what makes and drops constraints, there and back.

    One that stays is dropped before a column that it names gets another type, and made after that:
    a server reads its text once more, with a type that it may not be written for.

    Args:
        context: Alembic's.
        metadata: The tables of the models.
        up: The operations of the upgrade, which are changed in place.
        down: Those of the downgrade.
        report: Told of a constraint that cannot be dropped.
    """
    for created in [each for each in up.ops if isinstance(each, ops.CreateTableOp)]:
        _complete(created, metadata, context.dialect)
    filters = AutogenContext(context, metadata)
    there = _there(context.connection, metadata)
    retyped = _retyped(up)
    for table in metadata.sorted_tables:
        place = (table.schema, table.name)
        if place not in there:
            continue
        columns = retyped.get(place, set())
        compared = _Compared(connection=context.connection, table=table, found=there[place])
        changes = list(compared.changes(columns, filters, report))
        if changes:
            _put(up, place, [each.up() for each in changes], are_retyped=bool(columns))
            _put(down, place, [each.down() for each in changes], are_retyped=bool(columns))


def without_check(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return a type that makes no CHECK for its column: a revision has that as a constraint.

    A program's own type is named by its class, and makes what it makes.
    """
    if not (getattr(kind, "create_constraint", False) and _is_plain(kind)):
        return kind
    bare: Any = kind.copy()
    bare.create_constraint = False
    return bare  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class _Check:
    """A constraint.

    Attributes:
        name: Its name; for one of the models that has none, the one that a revision gives it. None
            for one in a database that has none, as SQLite stores it.
        text: Its condition, without parameters.
        is_named: Whether the models or the database name it.
        options: Those of a dialect.
    """

    name: str | None
    text: str
    is_named: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What becomes of one constraint: it comes, goes, or is another one."""

    place: _Place
    old: _Check | None
    new: _Check | None

    def up(self) -> tuple[ops.MigrateOperation | None, ops.MigrateOperation | None]:
        """Return what drops the old one, and what makes the new one."""
        return self._drop(self.old), self._create(self.new)

    def down(self) -> tuple[ops.MigrateOperation | None, ops.MigrateOperation | None]:
        """Return what drops the new one, and what makes the old one."""
        return self._drop(self.new), self._create(self.old)

    def _create(self, check: _Check | None) -> ops.CreateCheckConstraintOp | None:
        if check is None:
            return None
        schema, table = self.place
        return ops.CreateCheckConstraintOp(
            conv(str(check.name)), table, check.text, schema=schema, **check.options
        )

    def _drop(self, check: _Check | None) -> ops.DropConstraintOp | None:
        create = self._create(check)
        if create is None:
            return None
        schema, table = self.place
        return ops.DropConstraintOp(
            create.constraint_name, table, type_="check", schema=schema, _reverse=create
        )


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """The constraints of a table in the models beside those in the database."""

    connection: Connection
    table: Table
    found: Sequence[_Check]
    _written: dict[str, str | None] = field(default_factory=dict)

    def changes(
        self, retyped: set[str], filters: AutogenContext, report: Callable[[str], None]
    ) -> Iterator[_Change]:
        """Yield what is different, and what is in the way of columns that get another type."""
        left, of_types = list(self.found), _of_types(self.table, self.connection.dialect)
        for check in _mapped(self.table, self.connection.dialect):
            old = self._counterpart(check, left)
            if old is not None:
                # Alembic's batches make that of a type twice.
                left = [each for each in left if each != old]
            elif check.text not in of_types and self._is_included(filters, check):
                yield self._change(None, check)
            if old is None or old.name is None:
                continue
            is_changed = check.is_named and self._is_same(check, old) is False
            if is_changed or not retyped.isdisjoint(names_in(check.text)):
                yield self._change(old, check if check.is_named else replace(check, name=old.name))
        for old in left:
            if old.name is None:
                report(_NAMELESS.format(self.table.fullname, old.text))
            elif self._is_included(filters, old, is_reflected=True):
                yield self._change(old, None)

    def _change(self, old: _Check | None, new: _Check | None) -> _Change:
        return _Change(place=(self.table.schema, self.table.name), old=old, new=new)

    def _counterpart(self, check: _Check, left: Sequence[_Check]) -> _Check | None:
        """Return the one in the database: by its name, or by its text if the models name none."""
        for each in left:
            if each.name is not None and self._key(each) == self._key(check):
                return each
        if check.is_named:
            return None
        same = [(each, self._is_same(check, each)) for each in left]
        # One that the database cannot tell yet is compared by the next revision.
        return next(
            (each for answer in (True, None) for each, is_same in same if is_same is answer), None
        )

    def _key(self, check: _Check) -> str | None:
        """Return a name as SQL has it, cut to its length."""
        named = CheckConstraint("", name=conv(str(check.name)))
        return self.connection.dialect.identifier_preparer.format_constraint(named)

    def _is_same(self, mapped: _Check, found: _Check) -> bool | None:
        """Tell whether two are written alike; None if the database cannot have the model's."""
        stored = self._stored(mapped.text)
        if stored is None:
            return None
        if are_alike(stored, found.text):
            return True
        # PostgreSQL writes some in other words still when it is given its own.
        return self._stored(stored) == self._stored(found.text)

    def _stored(self, text: str) -> str | None:
        """Return a text as the database writes it; None if it cannot have it."""
        if text not in self._written:
            columns = [Column(each.name, without_check(each.type)) for each in self.table.columns]
            probed = probe(
                self.connection, [*columns, CheckConstraint(text, name=_PROBED)], _only_text
            )
            self._written[text] = probed
        return self._written[text]

    def _is_included(
        self, filters: AutogenContext, check: _Check, *, is_reflected: bool = False
    ) -> bool:
        """Ask an `include_object` of the project's own."""
        constraint = CheckConstraint(check.text, name=check.name)
        return filters.run_object_filters(
            constraint, check.name, "check_constraint", is_reflected, None
        )


def _only_text(inspector: Inspector, table: str) -> str:
    found = inspector.get_check_constraints(table)
    (text,) = (each["sqltext"] for each in found if each["name"] == _PROBED)
    return without_parameters(text)


def _there(connection: Connection, metadata: MetaData) -> dict[_Place, list[_Check]]:
    """Return the constraints of all tables that are there."""
    inspector = inspect(connection)
    return {
        place: [
            _Check(name=each["name"], text=without_parameters(each["sqltext"])) for each in found
        ]
        for schema in {table.schema for table in metadata.tables.values()}
        for place, found in inspector.get_multi_check_constraints(schema=schema).items()
    }


def _mapped(table: Table, dialect: Dialect) -> Iterator[_Check]:
    """Yield the constraints of the models that a database of this kind has, each once."""
    nameless: set[str] = set()
    for check in _created(table, dialect):
        compiled = check.sqltext.compile(
            dialect=dialect, compile_kwargs={"literal_binds": True, "include_table": False}
        )
        text, options = compiled_text(compiled), dict(check.dialect_kwargs)
        if isinstance(check.name, str):
            yield _Check(name=check.name, text=text, options=options)
        elif text not in nameless:
            nameless.add(text)
            name = f"ck_{table.name[:45]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
            yield _Check(name=name, text=text, is_named=False, options=options)


def _of_types(table: Table, dialect: Dialect) -> set[str]:
    """Return the texts of those that types of a program's own make, in a revision too."""
    columns = [Column(each.name, each.type) for each in table.columns if not _is_plain(each.type)]
    return {each.text for each in _mapped(Table(table.name, MetaData(), *columns), dialect)}


def _is_plain(kind: TypeEngine[Any]) -> bool:
    return type(kind).__module__.startswith("sqlalchemy.") and not variants_of(kind)


def _created(table: Table, dialect: Dialect) -> Sequence[CheckConstraint]:
    """Return the constraints that a CREATE TABLE has, of columns and types, too.

    What the compiler of a dialect is asked to write: some constraints are of other dialects.
    """
    found: list[CheckConstraint] = []

    class Listed(dialect.ddl_compiler):  # type: ignore[name-defined,misc]
        def visit_check_constraint(self, constraint: CheckConstraint, **_options: Any) -> str:
            found.append(constraint)
            return ""

        visit_column_check_constraint = visit_check_constraint

        def get_column_specification(self, column: Column[Any], **_options: Any) -> str:
            """Leave out types, which a table that is there need not be able to have."""
            return str(self.preparer.format_column(column))

    Listed(dialect, CreateTable(table))
    return found


def _complete(created: ops.CreateTableOp, metadata: MetaData, dialect: Dialect) -> None:
    """Let a new table have its constraints as its own, and under names to drop them by."""
    full = ".".join(each for each in (created.schema, created.table_name) if each)
    table = metadata.tables[full]
    of_types = _of_types(table, dialect)
    checks = [
        CheckConstraint(each.text, name=conv(str(each.name)), **each.options)
        for each in _mapped(table, dialect)
        if each.text not in of_types
    ]
    others = [each for each in created.columns if not isinstance(each, CheckConstraint)]
    created.columns = [*others, *checks]


def _retyped(container: ops.OpContainer) -> dict[_Place, set[str]]:
    """Return the columns that get another type, or are made anew."""
    found: dict[_Place, set[str]] = {}
    dropped: set[tuple[_Place, str]] = set()
    for table in _parts(container):
        place = table.schema, table.table_name
        for each in table.ops:
            if isinstance(each, ops.DropColumnOp):
                dropped.add((place, each.column_name))
            elif isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
                found.setdefault(place, set()).add(each.column_name)
            elif isinstance(each, ops.AddColumnOp) and (place, each.column.name) in dropped:
                found.setdefault(place, set()).add(each.column.name)
    return found


def _put(
    container: ops.OpContainer,
    place: _Place,
    changes: Sequence[tuple[ops.MigrateOperation | None, ops.MigrateOperation | None]],
    *,
    are_retyped: bool,
) -> None:
    """Put drops before all else of a table, and what is made after all else.

    In the batches that are there: SQLite copies its table for each.
    """
    drops = [drop for drop, _ in changes if drop is not None]
    makings = [create for _, create in changes if create is not None]
    parts = [
        each
        for each in _parts(container)
        if (each.schema, each.table_name) == place and not any(map(_is_rename, each.ops))
    ]
    schema, table = place
    if are_retyped or not parts:
        # What gets another type may have an UPDATE before that.
        parts = [ops.ModifyTableOps(table, [], schema=schema) for _ in range(2)]
        container.ops[:] = [parts[0], *container.ops, parts[1]]
    parts[0].ops[:0] = drops
    parts[-1].ops += makings
    empty = [each for each in parts if not each.ops]
    container.ops[:] = [each for each in container.ops if each not in empty]


def _parts(container: ops.OpContainer) -> list[ops.ModifyTableOps]:
    return [each for each in container.ops if isinstance(each, ops.ModifyTableOps)]


def _is_rename(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.AlterColumnOp) and operation.modify_name is not None
