"""Writes of single rows: by one statement where that is enough, else by the ORM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.backends import backend_of
from ormolu.errors import RefusedError
from ormolu.faults import Fault
from ormolu.query import SIGNIFICANT_DIGITS, Field, Row, Selection, View, plain_type, size_of
from ormolu.resources.declare import Declaration, Policy, has_model_listeners
from ormolu.resources.work._instances import Instances, RejectedError
from ormolu.resources.work._returning import has_lists
from ormolu.resources.work._statements import ANY_VERSION, Key, Statements, Versions
from ormolu.sessions import has_flush_listeners

__all__ = ["Writer", "Written", "not_found", "out_of_reach", "stale"]

# Size of a row: SQLAlchemy may cache some hundred statements, each with a row's values.
_CACHEABLE = 8000


@dataclass(frozen=True)
class Written:
    """A row after a write.

    Attributes:
        key: Its primary key.
        row: What the request may see of it, by the clients' names.
        hook_row: What hooks see of it, by attribute; empty where there is no hook.
        version: Its version, None without one.
    """

    key: Key
    row: Row
    hook_row: Row
    version: Any = None


def stale(versions: Versions) -> RefusedError:
    """Return the error for a row that exists, but is not as a write expects it."""
    detail = "The row was changed meanwhile. Read it again."
    if versions.is_absent or (versions.besides and versions.among is None):
        detail = "The row is there already: If-None-Match does not hold."
    return RefusedError("precondition_failed", detail)


def not_found(declaration: Declaration) -> RefusedError:
    """Return the error for a row that does not exist for the caller."""
    return RefusedError("not_found", f"{declaration.name} not found")


def out_of_reach(declaration: Declaration) -> RefusedError:
    """Return the error for a row that the policy does not allow to be written."""
    return RefusedError("forbidden", f"This {declaration.name} would be out of your reach.")


class Writer:
    """Writes rows of one model in one session, within one policy."""

    def __init__(
        self,
        session: AsyncSession,
        dialect: sa.Dialect,
        declaration: Declaration,
        view: View,
        policy: Policy,
    ) -> None:
        self._session = session
        self._dialect, self._backend = dialect, backend_of(dialect)
        self._declaration = declaration
        self._model = declaration.model
        self._view = view
        has_hooks = bool(declaration.hooks)
        self._statements = Statements(dialect, declaration, view, policy, has_hooks=has_hooks)
        self._shown = len(Selection(view, view.members).fields)
        self._traits = declaration.traits
        self._instances = Instances(session, declaration, self._statements)
        is_silent, mapper = not has_flush_listeners(session), declaration.mapper
        self._is_plain = self._traits.is_plain and is_silent and not has_model_listeners(mapper)
        is_silent = is_silent and not has_model_listeners(mapper, is_delete=True)
        self._is_one_row = self._traits.is_one_row and is_silent

    def check(self, values: Mapping[str, Any], index: int = 0) -> None:
        """Check that the backend keeps all values as they are.

        Raises:
            RejectedError: It would store another number.
        """
        checks = {} if self._backend.keeps_decimals else self._declaration.digit_checks
        for name in checks.keys() & values.keys():
            if not checks[name](values[name]):
                limit = f"SQLite keeps {SIGNIFICANT_DIGITS} significant digits"
                message = f"{limit}: it would be another number"
                error = RejectedError([name], "decimal_digits", message)
                error.index = index
                raise error

    async def insert(self, rows: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Insert rows in as few statements as the backend allows.

        Raises:
            RefusedError: A row would be outside the policy.
            RejectedError: The model refused a value, or the backend would store another.
        """
        for index, row in enumerate(rows):
            self.check(row, index)
        if not self._is_plain or self._traits.constructor.is_own:
            keys = await self._instances.insert(rows)
            return [await self._reread(key) for key in keys]
        if len(rows) == 1:
            return [await self._insert_one(rows[0])]
        return await self._insert_many(rows)

    async def construct(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the program's own constructor makes of the values of a new row.

        Raises:
            RejectedError: The model refused a value, or the backend would store another.
        """
        self.check(values)
        return await self._instances.construct(values)

    async def _insert_one(self, values: Mapping[str, Any]) -> Written:
        statement = self._statements.insert(values)
        execute = partial(self._session.execute, execution_options=_options_of(values))
        if not self._dialect.insert_returning:
            # MySQL has no RETURNING; MariaDB has it.
            result: Any = await execute(statement)
            return await self._reread(tuple(result.inserted_primary_key))
        if not self._statements.can_return(is_insert=True):
            keys = self._statements.returning(self._statements.keys())
            row = (await execute(statement.returning(*keys))).one()
            return await self._reread(tuple(row))
        returned = self._statements.returning(self._statements.returned())
        return self._checked((await execute(statement.returning(*returned))).one())

    async def _insert_many(self, rows: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Insert rows with the same columns together, and return them in their order."""
        groups: dict[tuple[str, ...], list[int]] = {}
        found: dict[int, Written] = {}
        stored = [self._statements.stored(row, is_new=True) for row in rows]
        # To insert many rows SQLAlchemy reads each attribute from the class.
        is_many = self._dialect.insert_returning and self._traits.has_class_attributes
        is_many = is_many and all(map(self._is_returned_as_sent, self._view.keys))
        for index, values in enumerate(stored):
            is_single = any(isinstance(value, sa.ClauseElement) for value in values.values())
            if is_single or not is_many:
                found[index] = await self._insert_one(rows[index])
            else:
                groups.setdefault(tuple(sorted(values)), []).append(index)
        for indexes in groups.values():
            written = await self._insert_group([stored[index] for index in indexes])
            found.update(zip(indexes, written, strict=True))
        return [found[index] for index in range(len(rows))]

    async def _insert_group(self, rows: list[dict[str, Any]]) -> list[Written]:
        columns = self._statements.returned()
        is_whole = self._statements.can_return(is_insert=True) and not has_lists(columns)
        columns = columns if is_whole else self._statements.keys()
        returned = self._statements.returning(columns)
        is_counted = self._backend.numbers_rows_in_order and self._has_counted_key(rows[0])
        statement = sa.insert(self._model).returning(
            *returned, sort_by_parameter_order=not is_counted
        )
        # Else None would be replaced by a column's default.
        statement = statement.execution_options(render_nulls=True)
        raw = (await self._session.execute(statement, rows)).all()
        if is_whole:
            written = [self._checked(row) for row in raw]
        else:
            written = await self._reread_all([tuple(row) for row in raw])
        # SQLite numbers the rows in their order, but may return them in another.
        return sorted(written, key=lambda each: each.key) if is_counted else written

    def _is_returned_as_sent(self, key: Field) -> bool:
        """Tell whether a key is read as it was written: SQLAlchemy matches the rows by it."""
        type_ = plain_type(key.type, self._dialect)
        if isinstance(type_, sa.Uuid):
            return type_.as_uuid
        # CHAR may be padded with blanks, and an Enum has other names.
        return isinstance(type_, (sa.Integer, sa.String)) and not isinstance(
            type_, (sa.CHAR, sa.NCHAR, sa.Enum)
        )

    def _has_counted_key(self, values: Mapping[str, Any]) -> bool:
        table = self._declaration.mapper.local_table
        is_given = any(key.attribute in values for key in self._view.keys)
        return (
            isinstance(table, sa.Table) and table.autoincrement_column is not None and not is_given
        )

    async def update(self, key: Key, values: Mapping[str, Any], versions: Versions) -> Written:
        """Change one row.

        Raises:
            RefusedError: It is not there, not writable, of another version, or would leave the
                policy.
            RejectedError: The model refused a value, or the backend would store another.
        """
        self.check(values)
        if not self._is_plain:
            return await self._update_instance(key, values, versions)
        stored = self._statements.stored(values, is_new=False)
        if not stored:
            return await self._unchanged(key, versions)
        statement = self._statements.update(key, stored, versions)
        execute = partial(self._session.execute, execution_options=_options_of(values))
        if self._statements.can_return(is_insert=False):
            returned = self._statements.returning(self._statements.returned())
            result = await execute(statement.returning(*returned))
            row = result.one_or_none()
            if row is None:
                raise await self._why_not(key, versions)
            return self._checked(row)
        if not await self._finds_row(execute, statement):
            raise await self._why_not(key, versions)
        return await self._reread(key)

    async def delete(self, key: Key, versions: Versions) -> None:
        """Delete one row.

        Raises:
            RefusedError: It is not there, not writable, or of another version.
        """
        if not self._is_one_row or self._traits.has_cascades:
            await self._instances.delete(await self._instance(key, versions))
            return
        statement = self._statements.delete(key, versions)
        if not await self._finds_row(self._session.execute, statement):
            raise await self._why_not(key, versions)

    async def _finds_row(self, execute: Callable[[Any], Any], statement: Any) -> bool:
        """Send a write, and tell whether it found its row."""
        if self._backend.counts_all_rows or not self._dialect.update_returning:
            return bool((await execute(statement)).rowcount)
        # sqlite3 counts no rows of a statement that begins with WITH, as a policy with a CTE does.
        keys = self._statements.returning(self._statements.keys())
        return (await execute(statement.returning(*keys))).first() is not None

    async def read(self, key: Key, *, is_latest: bool = False) -> Written:
        """Read one row; with `is_latest` even if the transaction has an older snapshot.

        Raises:
            RefusedError: It does not exist for the caller.
        """
        statement = self._seen(self._statements.row(), is_latest, self._statements.is_key(key))
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise not_found(self._declaration)
        return self._written(row)

    async def find(self, values: Mapping[str, Any], *, is_latest: bool = False) -> Key | None:
        """Return the key of the visible row with these values of a unique key."""
        statement = sa.select(*self._statements.keys()).select_from(self._model)
        same = [getattr(self._model, name) == value for name, value in values.items()]
        statement = self._seen(statement, is_latest, *same)
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else tuple(row)

    async def is_passing(self, key: Key, fault: Fault) -> bool:
        """Tell whether a new row clashed with one that was not there a moment ago.

        A clash with a row that this caller cannot see stays, and so does one of other columns, and
        one with a key that only the database takes for this one: in other letters, say.
        """
        known = [self._declaration.attributes[each.attribute] for each in self._view.keys]
        columns = {each.column.name for each in known if each.column is not None}
        if {*fault.columns} == columns or fault.constraint == "PRIMARY":
            return not await self._stays(key)
        named = {each.name: part for each, part in zip(known, key, strict=True)}
        return await self.find(named, is_latest=True) is not None

    async def _stays(self, key: Key) -> bool:
        """Tell whether a row is there that the caller does not see, or not by this key."""
        seen = sa.and_(*self._view.conditions(self._statements.is_key(key)))
        # As the database compares it in a unique key.
        same = [
            each.on(self._model) == part for each, part in zip(self._view.keys, key, strict=True)
        ]
        found = sa.select(sa.case((seen, 1), else_=0)).select_from(self._model).where(*same)
        row = (await self._session.execute(self._latest(found))).one_or_none()
        return row is not None and not row[0]

    def _seen(self, statement: Any, is_latest: bool, *asked: sa.ColumnElement[bool]) -> Any:
        statement = statement.where(*self._view.conditions(*asked))
        return self._latest(statement) if is_latest else statement

    def _latest(self, statement: Any) -> Any:
        """Return a statement that sees all that is committed, rather than an older snapshot."""
        # In InnoDB only a locking read does, which also sees a row that an UPDATE did not change.
        is_locking = self._backend.reads_latest_by_lock
        return statement.with_for_update(read=True) if is_locking else statement

    async def _update_instance(
        self, key: Key, values: Mapping[str, Any], versions: Versions
    ) -> Written:
        await self._instances.update(await self._instance(key, versions), values)
        return await self._reread(key)

    async def _instance(self, key: Key, versions: Versions) -> Any:
        instance = await self._instances.find(key, versions)
        if instance is None:
            raise await self._why_not(key, versions)
        return instance

    async def _unchanged(self, key: Key, versions: Versions) -> Written:
        statement = self._statements.row(*self._statements.target(key, versions))
        row = (await self._session.execute(self._latest(statement))).one_or_none()
        if row is None:
            raise await self._why_not(key, versions)
        return self._written(row)

    async def _why_not(self, key: Key, versions: Versions) -> RefusedError:
        """Return the error for a row that was not written."""
        allowed = self._statements.allowed()
        columns: list[Any] = [allowed.label("allowed")]
        if self._traits.version is not None:
            columns.append(getattr(self._model, self._traits.version))
        statement = sa.select(*columns).select_from(self._model)
        statement = statement.where(*self._view.conditions(self._statements.is_key(key)))
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            return not_found(self._declaration)
        if not row[0]:
            return RefusedError("forbidden", f"This {self._declaration.name} cannot be changed.")
        # Without a precondition, another has created or deleted it since the write.
        return not_found(self._declaration) if versions == ANY_VERSION else stale(versions)

    async def _reread(self, key: Key) -> Written:
        statement = self._latest(self._statements.row(self._statements.is_key(key)))
        return self._checked((await self._session.execute(statement)).one())

    async def _reread_all(self, keys: Sequence[Key]) -> list[Written]:
        statement = self._latest(self._statements.rows(keys))
        rows = [self._checked(row) for row in (await self._session.execute(statement)).all()]
        found = {written.key: written for written in rows}
        return [found[key] for key in keys]

    def _checked(self, row: Any) -> Written:
        written = self._written(row)
        if not row.allowed:
            raise out_of_reach(self._declaration)
        return written

    def _written(self, row: Any) -> Written:
        fields = self._statements.fields
        key = tuple(row[len(fields) : len(fields) + len(self._view.keys)])
        version = row.version if self._traits.version is not None else None
        read = list(zip(fields, row, strict=False))
        hooks = self._declaration.hooks
        hook_row = {field.attribute: value for field, value in read} if hooks else {}
        shown = {field.name: value for field, value in read[: self._shown]}
        return Written(key, shown, hook_row, version)


def _options_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a statement: one with large values should not be cached."""
    is_short = size_of([*values], [*values.values()]) <= _CACHEABLE
    return {} if is_short else {"compiled_cache": None}
