"""Columns that get another type: what becomes of their values is written into the revision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import ops
from sqlalchemy import Column
from sqlalchemy.sql.schema import DefaultClause
from sqlalchemy.types import TypeEngine

from ormolu.backends import Conversion, backend_of, has_meaning
from ormolu.migrations._texts import without_parameters

__all__ = ["follow_types"]

_Find = Callable[[ops.ModifyTableOps, str], Column[Any] | None]

# What a column is on its way, where no index needs a length of it; what an index takes.
_LONG, _SHORT = sa.Text(), sa.String(255)


def follow_types(
    context: Any,
    container: ops.OpContainer,
    find: _Find,
    report: Callable[[str], None] | None = None,
) -> None:
    """Write what values become, where a database does not see to it by itself.

    Args:
        context: Alembic's.
        container: The operations, which are changed in place.
        find: Returns a column as it will be, None if that is not known.
        report: Told of columns whose values mean nothing in their new type.
    """
    container.ops[:] = [
        each
        for found in container.ops
        for each in (
            _Followed(context, found, find, report).operations()
            if isinstance(found, ops.ModifyTableOps)
            else (found,)
        )
    ]


class _CastColumnOp(ops.AlterColumnOp):
    """A change of a type with its expression, which Alembic's does not render."""


class _UndecidedOp(ops.MigrateOperation):
    """A sentence, in place of values that nobody can make up."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what `check` shows."""
        return ("undecided", self.sentence)


@dataclass(frozen=True)
class _Followed:
    """The operations on one table."""

    context: Any
    table: ops.ModifyTableOps
    find: _Find
    report: Callable[[str], None] | None

    def operations(self) -> Iterator[ops.MigrateOperation]:
        """Yield what comes first, the altered table, and what comes after that."""
        before: list[ops.MigrateOperation] = []
        kept: list[ops.MigrateOperation] = []
        after: list[ops.MigrateOperation] = []
        for each in self.table.ops:
            if not isinstance(each, ops.AlterColumnOp) or each.modify_type is None:
                kept.append(each)
                continue
            if not backend_of(self.context.dialect).numbers_anew:
                # Alembic says it of all, and warns of it when the revision runs.
                each.kw.pop("autoincrement", None)
            alters = list(_in_two(each))
            conversion = self._conversion(each)
            if conversion is None:
                before.append(self._undecided(each))
            elif conversion.using is not None:
                alters[:1] = self._using(alters[0], conversion.using)
            elif conversion.before is not None:
                if conversion.passes_text:
                    before.append(self._to_text(alters[0]))
                before.append(self._update(each, conversion.before))
            elif conversion.after is not None:
                after.append(self._update(each, conversion.after))
            kept += alters
        yield from before
        if kept:
            yield ops.ModifyTableOps(self.table.table_name, kept, schema=self.table.schema)
        yield from after

    def _conversion(self, operation: ops.AlterColumnOp) -> Conversion | None:
        """Return how values get there, None if they mean nothing there."""
        dialect = self.context.dialect
        backend = backend_of(dialect)
        types: Any = (operation.existing_type, operation.modify_type)
        old, new = (backend.kind_of(each, dialect) for each in types)
        if old is None or new is None:
            # A type that is not known here: the database says whether it has a cast.
            return Conversion()
        if not has_meaning(old, new):
            return None
        column = dialect.identifier_preparer.quote(operation.column_name)
        return backend.conversion(
            old, new, column, dialect.type_compiler_instance.process(types[1])
        )

    def _using(self, operation: ops.AlterColumnOp, using: str) -> Iterator[ops.AlterColumnOp]:
        """Yield the change, without its default: that has no cast of its own."""
        cast = _CastColumnOp(
            operation.table_name, operation.column_name, schema=operation.schema,
            existing_type=operation.existing_type, modify_type=operation.modify_type,
            existing_nullable=operation.existing_nullable,
            modify_nullable=operation.modify_nullable, postgresql_using=without_parameters(using),
        )  # fmt: skip
        cast.modify_comment = operation.modify_comment
        if not isinstance(operation.existing_server_default, DefaultClause):
            cast.modify_server_default = operation.modify_server_default
            yield cast
            return
        yield self._default(operation, operation.existing_type, None)
        yield cast
        default = operation.modify_server_default
        if default is False:
            column = self.find(self.table, operation.column_name)
            default = operation.existing_server_default if column is None else column.server_default
        if default is not None:
            yield self._default(operation, operation.modify_type, default)

    def _default(
        self, operation: ops.AlterColumnOp, kind: TypeEngine[Any] | None, default: Any
    ) -> ops.AlterColumnOp:
        return ops.AlterColumnOp(
            operation.table_name, operation.column_name, schema=operation.schema,
            existing_type=kind, modify_server_default=default,
        )  # fmt: skip

    def _to_text(self, operation: ops.AlterColumnOp) -> ops.ModifyTableOps:
        """Return what makes the column text on its way, and let the change begin there."""
        is_long = isinstance(operation.modify_type, sa.JSON) or isinstance(
            operation.existing_type, sa.JSON
        )
        text = _LONG if is_long else _SHORT
        alter = ops.AlterColumnOp(
            operation.table_name, operation.column_name, schema=operation.schema,
            existing_type=operation.existing_type, modify_type=text,
            existing_nullable=operation.existing_nullable,
        )  # fmt: skip
        operation.existing_type = text
        return ops.ModifyTableOps(self.table.table_name, [alter], schema=self.table.schema)

    def _update(self, operation: ops.AlterColumnOp, value: str) -> ops.ExecuteSQLOp:
        preparer = self.context.dialect.identifier_preparer
        table = preparer.format_table(sa.table(self.table.table_name, schema=self.table.schema))
        column = preparer.quote(operation.column_name)
        return ops.ExecuteSQLOp(without_parameters(f"UPDATE {table} SET {column} = {value}"))

    def _undecided(self, operation: ops.AlterColumnOp) -> _UndecidedOp:
        dialect = self.context.dialect
        compiler = dialect.type_compiler_instance
        old, new = map(compiler.process, (operation.existing_type, operation.modify_type))
        how = backend_of(dialect).how_to_convert
        sentence = (
            f"{self.table.table_name}.{operation.column_name} is {old} and becomes {new}: what its "
            f"values mean there, nobody has said. {how} Then take this line out."
        )
        if self.report is not None:
            self.report(sentence)
        return _UndecidedOp(sentence)


def _in_two(operation: ops.AlterColumnOp) -> Iterator[ops.AlterColumnOp]:
    """Yield the new type, and NOT NULL apart: what fills the column has that type."""
    yield operation
    if operation.modify_nullable is False:
        operation.modify_nullable = None
        yield ops.AlterColumnOp(
            operation.table_name, operation.column_name, schema=operation.schema,
            existing_type=operation.modify_type, existing_nullable=True, modify_nullable=False,
            existing_server_default=_default_after(operation),
        )  # fmt: skip


def _default_after(operation: ops.AlterColumnOp) -> Any:
    default = operation.modify_server_default
    return operation.existing_server_default if default is False else default


@renderers.dispatch_for(_CastColumnOp)
def _render_cast(autogenerate: Any, operation: _CastColumnOp) -> str:
    plain = ops.AlterColumnOp(operation.table_name, operation.column_name)
    rendered: Any = renderers.dispatch(plain)(autogenerate, operation)
    using = operation.kw["postgresql_using"]
    return f"{rendered[:-1]},\n           postgresql_using={using!r})"


@renderers.dispatch_for(_UndecidedOp)
def _render_undecided(autogenerate: Any, operation: _UndecidedOp) -> str:
    del autogenerate
    return f"raise NotImplementedError(\n    {operation.sentence!r}\n)"
