"""Writes of single rows: one statement where one will do, else the ORM's unit of work.

Each condition of a policy and each version stands in the statement itself, so nothing changes
between the check and the write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Dialect,
    Table,
    and_,
    case,
    delete,
    insert,
    inspect,
    literal_column,
    null,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import SelectBase

from ormolu.errors import RefusedError
from ormolu.query import Row, View, as_shown, is_json
from ormolu.resources._columns import has_events
from ormolu.resources._declaration import Declaration
from ormolu.resources._policy import Policy
from ormolu.sessions import has_flush_listeners

__all__ = ["Key", "Versions", "Writer", "Written"]

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Written:
    """A row after a write.

    Attributes:
        key: Its primary key.
        row: What the request may see of it.
        version: Its version, None without one.
    """

    key: Key
    row: Row
    version: Any = None


# Versions that a row may have; None where any will do.
Versions = Sequence[Any] | None


class Writer:
    """Writes rows of one model in one session, within one policy."""

    def __init__(
        self,
        session: AsyncSession,
        dialect: Dialect,
        declaration: Declaration,
        grant: tuple[View, Policy],
    ) -> None:
        self._session = session
        self._dialect = dialect
        self._declaration = declaration
        self._model = declaration.model
        self._view, self._policy = grant
        self._traits = declaration.traits
        is_heard = has_events(declaration.mapper) or has_flush_listeners(session)
        self._is_plain = self._traits.is_plain and not is_heard
        self._names = list(self._view.fields)

    async def insert(self, rows: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Insert rows in as few statements as the backend allows.

        Raises:
            RefusedError: A row would be outside the policy.
        """
        if not self._is_plain:
            return await self._insert_instances(rows)
        if len(rows) == 1:
            return [await self._insert_one(rows[0])]
        return await self._insert_many(rows)

    async def _insert_one(self, values: Mapping[str, Any]) -> Written:
        statement = insert(self._model).values(self._stored(values, is_new=True))
        if not self._dialect.insert_returning:
            # MySQL; MariaDB has it.
            result: Any = await self._session.execute(statement)
            return await self._reread(tuple(result.inserted_primary_key))
        if not self._can_return(is_insert=True):
            keys = [getattr(self._model, key.name) for key in self._view.keys]
            row = (await self._session.execute(statement.returning(*keys))).one()
            return await self._reread(tuple(row))
        returned = statement.returning(*self._returned())
        return self._checked((await self._session.execute(returned)).one())

    async def _insert_many(self, rows: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Insert rows with the same columns together, and give them in their order."""
        groups: dict[tuple[str, ...], list[int]] = {}
        found: dict[int, Written] = {}
        stored = [self._stored(row, is_new=True) for row in rows]
        for index, values in enumerate(stored):
            is_single = any(isinstance(value, ClauseElement) for value in values.values())
            if is_single or not self._dialect.insert_returning:
                found[index] = await self._insert_one(rows[index])
            else:
                groups.setdefault(tuple(sorted(values)), []).append(index)
        for indexes in groups.values():
            written = await self._insert_group([stored[index] for index in indexes])
            found.update(zip(indexes, written, strict=True))
        return [found[index] for index in range(len(rows))]

    async def _insert_group(self, rows: list[dict[str, Any]]) -> list[Written]:
        is_whole = self._can_return(is_insert=True)
        returned = self._returned() if is_whole else self._keys()
        is_counted = self._dialect.name == "sqlite" and self._has_counted_key(rows[0])
        statement = insert(self._model).returning(*returned, sort_by_parameter_order=not is_counted)
        raw = (await self._session.execute(statement, rows)).all()
        if is_whole:
            written = [self._checked(row) for row in raw]
        else:
            written = [await self._reread(tuple(row)) for row in raw]
        # SQLite numbers the rows in their order, and does not promise to return them in it.
        return sorted(written, key=lambda each: each.key) if is_counted else written

    def _has_counted_key(self, values: Mapping[str, Any]) -> bool:
        table = self._declaration.mapper.local_table
        is_given = any(key.name in values for key in self._view.keys)
        return isinstance(table, Table) and table.autoincrement_column is not None and not is_given

    async def update(self, key: Key, values: Mapping[str, Any], versions: Versions) -> Written:
        """Change one row.

        Raises:
            RefusedError: It is not there, not writable, of another version, or would leave the
                policy.
        """
        if not self._is_plain:
            return await self._update_instance(key, values, versions)
        stored = self._stored(values, is_new=False)
        if not stored:
            return await self._unchanged(key, versions)
        statement = update(self._model).where(*self._target(key, versions)).values(stored)
        statement = statement.execution_options(synchronize_session=False)
        if self._can_return(is_insert=False):
            result = await self._session.execute(statement.returning(*self._returned()))
            row = result.one_or_none()
            if row is None:
                raise await self._why_not(key, versions)
            return self._checked(row)
        result = await self._session.execute(statement)
        if not result.rowcount:  # type: ignore[attr-defined]
            raise await self._why_not(key, versions)
        return await self._reread(key)

    async def delete(self, key: Key, versions: Versions) -> None:
        """Delete one row.

        Raises:
            RefusedError: It is not there, not writable, or of another version.
        """
        if not self._is_plain or self._traits.has_cascades:
            instance = await self._instance(key, versions)
            await self._session.delete(instance)
            await self._session.flush()
            return
        statement = delete(self._model).where(*self._target(key, versions))
        statement = statement.execution_options(synchronize_session=False)
        result = await self._session.execute(statement)
        if not result.rowcount:  # type: ignore[attr-defined]
            raise await self._why_not(key, versions)

    async def read(self, key: Key, *, is_latest: bool = False) -> Written:
        """Read one row; the latest even where the transaction has an older snapshot.

        Raises:
            RefusedError: It is not there.
        """
        statement = self._seen(select(*self._returned()).where(self._is_key(key)), is_latest)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise self.not_found()
        return self._written(row)

    async def find(self, values: Mapping[str, Any], *, is_latest: bool = False) -> Key | None:
        """Return the key of the visible row with these values of a unique key."""
        statement = select(*self._keys()).where(
            *[getattr(self._model, name) == value for name, value in values.items()]
        )
        row = (await self._session.execute(self._seen(statement, is_latest))).one_or_none()
        return None if row is None else tuple(row)

    def _seen(self, statement: Any, is_latest: bool) -> Any:
        if self._view.visible is not None:
            statement = statement.where(self._view.visible)
        return self._latest(statement) if is_latest else statement

    def _latest(self, statement: Any) -> Any:
        """Return a statement that sees all that is committed, not a snapshot of earlier."""
        # In InnoDB only a locking read does; and a row that an UPDATE left as it was is not in it.
        is_innodb = self._dialect.name in {"mysql", "mariadb"}
        return statement.with_for_update(read=True) if is_innodb else statement

    def not_found(self) -> RefusedError:
        """Return the error for a row that is not there."""
        return RefusedError("not_found", f"{self._declaration.name} not found")

    async def _insert_instances(self, rows: Sequence[Mapping[str, Any]]) -> list[Written]:
        instances = [self._new_instance(row) for row in rows]
        self._session.add_all(instances)
        await self._session.flush()
        return [await self._reread(tuple(inspect(instance).identity)) for instance in instances]

    def _new_instance(self, row: Mapping[str, Any]) -> Any:
        values = {name: self._settled(name, value) for name, value in row.items()}
        if not is_dataclass(self._model):
            return self._model(**values)
        # Not by its __init__, which asks for relations; the listeners of `init` make its kind.
        manager = self._declaration.mapper.class_manager
        instance = manager.new_instance()
        manager.dispatch.init(inspect(instance), (), {})
        for name, value in values.items():
            setattr(instance, name, value)
        return instance

    async def _update_instance(
        self, key: Key, values: Mapping[str, Any], versions: Versions
    ) -> Written:
        instance = await self._instance(key, versions)
        for name, value in values.items():
            setattr(instance, name, self._settled(name, value))
            # Else a value that is the same again would make no new version, as a statement does.
            flag_modified(instance, name)
        await self._session.flush()
        return await self._reread(key)

    async def _instance(self, key: Key, versions: Versions) -> Any:
        # Held, since the flush names the key alone; its own tables, as what is joined may be NULL.
        tables = self._declaration.mapper.tables
        statement = select(self._model).where(*self._target(key, versions))
        statement = statement.with_for_update(of=tables)
        instance = (await self._session.scalars(statement)).one_or_none()
        if instance is None:
            raise await self._why_not(key, versions)
        return instance

    async def _unchanged(self, key: Key, versions: Versions) -> Written:
        statement = select(*self._returned()).where(*self._target(key, versions))
        row = (await self._session.execute(self._latest(statement))).one_or_none()
        if row is None:
            raise await self._why_not(key, versions)
        return self._written(row)

    async def _why_not(self, key: Key, versions: Versions) -> RefusedError:
        """Say why a row that was to be written is not."""
        allowed = self._allowed()
        columns: list[Any] = [allowed.label("allowed")]
        if self._traits.version is not None:
            columns.append(getattr(self._model, self._traits.version))
        statement = select(*columns).where(self._is_key(key))
        if self._view.visible is not None:
            statement = statement.where(self._view.visible)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            return self.not_found()
        if not row[0]:
            return RefusedError("forbidden", f"This {self._declaration.name} cannot be changed.")
        detail = "The row was changed meanwhile. Read it again."
        return RefusedError("precondition_failed", detail)

    async def _reread(self, key: Key) -> Written:
        statement = self._latest(select(*self._returned()).where(self._is_key(key)))
        return self._checked((await self._session.execute(statement)).one())

    def _target(self, key: Key, versions: Versions) -> list[ColumnElement[bool]]:
        conditions = [self._is_key(key)]
        touched = self._policy.touched
        if touched is not None:
            conditions.append(touched)
        if versions is not None:
            assert self._traits.version is not None
            conditions.append(getattr(self._model, self._traits.version).in_(versions))
        return conditions

    def _is_key(self, key: Key) -> ColumnElement[bool]:
        return self._view.is_row(key, self._dialect)

    def _keys(self) -> list[Any]:
        return [getattr(self._model, key.name) for key in self._view.keys]

    def _allowed(self) -> ColumnElement[Any]:
        touched = self._policy.touched
        if touched is None:
            return literal_column("1")
        return case((and_(true(), touched), 1), else_=0)

    def _returned(self) -> list[Any]:
        columns = [
            as_shown(getattr(self._model, name)).label(f"v{place}")
            for place, name in enumerate(self._names)
        ]
        columns += [column.label(f"k{index}") for index, column in enumerate(self._keys())]
        columns.append(self._allowed().label("allowed"))
        if self._traits.version is not None:
            columns.append(getattr(self._model, self._traits.version).label("version"))
        return columns

    def _can_return(self, *, is_insert: bool) -> bool:
        can = self._dialect.insert_returning if is_insert else self._dialect.update_returning
        # Not every backend takes a subquery there, and none sees the new row in it.
        parts = (part for column in self._returned() for part in visitors.iterate(column))
        return can and not any(isinstance(part, SelectBase) for part in parts)

    def _checked(self, row: Any) -> Written:
        written = self._written(row)
        if not row.allowed:
            message = f"This {self._declaration.name} would be out of your reach."
            raise RefusedError("forbidden", message)
        return written

    def _written(self, row: Any) -> Written:
        width = len(self._names)
        key = tuple(row[width : width + len(self._view.keys)])
        version = row.version if self._traits.version is not None else None
        return Written(key, dict(zip(self._names, row[:width], strict=True)), version)

    def _stored(self, values: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
        stored = {name: self._settled(name, value) for name, value in values.items()}
        version = self._traits.version
        if version is not None and (is_new or stored):
            stored[version] = 1 if is_new else getattr(self._model, version) + 1
        return stored

    def _settled(self, name: str, value: Any) -> Any:
        """Make None NULL in a JSON column too, where SQLAlchemy would store JSON's null."""
        type_ = self._declaration.attributes[name].field.type
        return null() if value is None and is_json(type_) else value
