"""Rows as objects, where the ORM has to write them: created, changed and loaded.

The model's constructor, validators and listeners run within the session, and what they refuse is
reported with its attribute. Nothing is decided about policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from pydantic import ValidationError
from sqlalchemy import inspect, literal_column, null, select, update
from sqlalchemy.exc import CircularDependencyError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, Mapper, QueryableAttribute, Session, defer, lazyload
from sqlalchemy.orm.attributes import flag_modified, set_committed_value
from sqlalchemy.sql.elements import Null

from ormolu.errors import RefusedError
from ormolu.resources.declare import Declaration
from ormolu.resources.work._statements import Key, Statements, Versions

__all__ = ["Instances", "RejectedError"]

_SIGN = 2**31

_EAGER = frozenset({"immediate", "joined", "selectin", "subquery", False})


class RejectedError(Exception):
    """The model's own code refused a value.

    Attributes:
        names: The attributes that were being set, the last one first.
        kind: Pydantic's name for it: `value_error` or `assertion_error`.
        index: The number of the row.
    """

    def __init__(self, names: Sequence[str], kind: str, message: str) -> None:
        self.names = names
        self.kind = kind
        self.index = 0
        super().__init__(message)


class Instances:
    """Objects of one model in one session."""

    def __init__(
        self, session: AsyncSession, declaration: Declaration, statements: Statements
    ) -> None:
        self._session = session
        self._declaration = declaration
        self._mapper: Mapper[Any] = declaration.mapper
        self._statements = statements
        self._constructor = declaration.traits.constructor
        self._without_default = [
            name for name, each in declaration.attributes.items() if _has_no_default(each.column)
        ]

    async def insert(self, rows: Sequence[Mapping[str, Any]]) -> list[Key]:
        """Store new rows, and return their keys.

        Raises:
            RejectedError: The model refused a value.
        """

        def make(session: Session) -> list[Any]:
            made = []
            for index, row in enumerate(rows):
                try:
                    made.append(self._make(row))
                except RejectedError as error:
                    error.index = index
                    raise
            session.add_all(made)
            session.flush()
            return made

        made = await self._session.run_sync(make)
        states = [inspect(instance) for instance in made]
        return [tuple(state.identity) for state in states]

    async def construct(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of an object that is made as those of new rows, and not stored.

        Raises:
            RejectedError: The model refused a value.
        """

        def make(session: Session) -> dict[str, Any]:
            instance = self._make(values)
            if instance in session:
                session.expunge(instance)
            made = inspect(instance).dict
            known = self._declaration.attributes.keys() & made.keys()
            # NULL in the place of a default is SQL by now.
            return {name: None if isinstance(made[name], Null) else made[name] for name in known}

        return await self._session.run_sync(make)

    async def update(self, instance: Any, values: Mapping[str, Any]) -> None:
        """Change a row.

        Raises:
            RejectedError: The model refused a value.
        """

        def change(session: Session) -> None:
            self._set(instance, values)
            for name in values:
                # Else an equal value would make no new version.
                flag_modified(instance, name)
            self._set_nulls(instance, values, is_new=False)
            session.flush()

        await self._session.run_sync(change)

    async def delete(self, instance: Any) -> None:
        """Delete a row, and those that go with it.

        Raises:
            RefusedError: Some of them refer to each other in a circle.
        """

        def remove(session: Session) -> None:
            self._refer_to_no_self(session, instance)
            session.delete(instance)
            session.flush()

        try:
            await self._session.run_sync(remove)
        except CircularDependencyError:
            message = (
                f"Rows that go with this {self._declaration.name} refer to each other in a circle. "
                "First let one of them refer to no other."
            )
            raise RefusedError("foreign_key_violation", message) from None

    def _refer_to_no_self(self, session: Session, instance: Any) -> None:
        """Set the foreign keys of a row to NULL by which it refers to itself.

        One DELETE can remove such a row, but the ORM looks for an order, and finds none.
        """
        values, tables = inspect(instance).dict, {*self._mapper.tables}
        for relation in self._mapper.relationships:
            is_own = relation.mapper.common_parent(self._mapper) and relation.secondary is None
            columns = relation.synchronize_pairs if is_own else []
            pairs = [[self._mapper.get_property_by_column(each).key for each in pair]
                     for pair in columns if {each.table for each in pair} <= tables]  # fmt: skip
            if pairs and all(values.get(one) == values.get(other) for one, other in pairs):
                self._set_to_null(session, instance, [name for _, name in pairs])
                session.expire(instance, [relation.key])

    def _set_to_null(self, session: Session, instance: Any, names: Sequence[str]) -> None:
        """Set those columns of a row to NULL that may be so, without events of the ORM."""
        attributes, values = self._declaration.attributes, inspect(instance).dict
        columns = {name: attributes[name].column for name in names if not attributes[name].is_key}
        for name, column in columns.items():
            if column is not None and column.nullable:
                keys = column.table.primary_key
                same = [key == values[self._mapper.get_property_by_column(key).key] for key in keys]
                session.execute(update(column.table).where(*same).values({column: null()}))
                set_committed_value(instance, name, None)

    async def find(self, key: Key, versions: Versions) -> Any | None:
        """Return the object of a row that may be written, and lock the row; None without one."""
        # The lock is needed since a flush names only the key; joined tables may be NULL.
        statement = select(self._declaration.model).where(*self._statements.target(key, versions))
        if self._mapper.concrete and self._mapper.with_polymorphic:
            # The class is read from a UNION, whose rows cannot be locked.
            await self._session.execute(self._lock(key))
        else:
            statement = statement.with_for_update(of=self._mapper.tables)
        # Joined rows of eager relations cannot be locked; load them when they are needed.
        eager = [each for each in self._mapper.relationships if each.lazy in _EAGER]
        statement = statement.options(*[lazyload(each.class_attribute) for each in eager])
        instance = await self._load(statement)
        if instance is not None:
            self._fold_version(instance)
        return instance

    def _fold_version(self, instance: Any) -> None:
        """Turn a version of PostgreSQL's xid into a signed number: the ORM sends it as INTEGER."""
        column, name = self._mapper.version_id_col, self._declaration.traits.version
        if column is not None and column.system and name is not None:
            # psycopg returns it as text.
            version = int(inspect(instance).dict[name])
            if version >= _SIGN:
                set_committed_value(instance, name, version - 2 * _SIGN)

    async def _load(self, statement: Any) -> Any | None:
        try:
            return (await self._session.scalars(statement)).unique().one_or_none()
        except SQLAlchemyError:
            raise
        except Exception:
            # A type cannot read an old value: load it only where it is used.
            fragile = self._fragile()
            if not fragile:
                raise
            statement = statement.options(*map(defer, fragile))
            return (await self._session.scalars(statement)).unique().one_or_none()

    def _fragile(self) -> list[Any]:
        """Return the columns whose types may fail to read what is stored."""
        mapper = self._mapper
        kept = {*mapper.primary_key, mapper.version_id_col, mapper.polymorphic_on}
        return [
            getattr(mapper.class_, name)
            for name, each in self._declaration.attributes.items()
            if each.column is not None and each.column not in kept
            and (each.field.kind.is_converted or each.field.kind.family == "enum")
        ]  # fmt: skip

    def _lock(self, key: Key) -> Any:
        table: Any = self._mapper.local_table
        pairs = zip(table.primary_key.columns, key, strict=True)
        conditions = [column == part for column, part in pairs]
        return select(literal_column("1")).select_from(table).where(*conditions).with_for_update()

    def _make(self, values: Mapping[str, Any]) -> Any:
        if self._constructor.kind == "called":
            instance = self._call(values)
        else:
            instance = self._assemble(values)
        self._set_nulls(instance, values, is_new=True)
        return instance

    def _call(self, values: Mapping[str, Any]) -> Any:
        places, named, others = self._constructor.split(values)
        try:
            with _rejected(self._mapper):
                instance = self._declaration.model(*places, **named)
        except TypeError as error:
            listed = ", ".join(sorted(values)) or "no values"
            error.add_note(f"Ormolu made a {self._declaration.name} from {listed}.")
            raise
        self._set(instance, others)
        state: InstanceState[Any] = inspect(instance)
        factories = self._declaration.factories.items()
        self._set(instance, {name: make() for name, make in factories if name not in state.dict})
        return instance

    def _assemble(self, values: Mapping[str, Any]) -> Any:
        """Make an object as generated constructors do, without the relations they may require."""
        constructor, manager = self._constructor, self._mapper.class_manager
        instance: Any = manager.new_instance()
        places, _, others = constructor.split(values)
        given = dict(others)
        # The listeners of `init` set its discriminator, and may change the values.
        with _rejected(self._mapper):
            manager.dispatch.init(inspect(instance), (), given)
        for name, make in constructor.initial.items():
            setattr(instance, name, make())
        factories = self._declaration.factories.items()
        self._set(instance, {name: make() for name, make in factories if name not in given} | given)
        if constructor.is_own:
            with _rejected(self._mapper):
                instance.__post_init__(*places)
        return instance

    def _set(self, instance: Any, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if name not in self._declaration.attributes:
                message = f"{name!r} is no column of {self._declaration.name}."
                raise TypeError(message)
            with _rejected(self._mapper, name):
                setattr(instance, name, value)

    def _set_nulls(self, instance: Any, values: Mapping[str, Any], *, is_new: bool) -> None:
        """Turn None into NULL where the ORM would store a default or JSON's null."""
        attributes, stored = self._declaration.attributes, inspect(instance).dict
        # A type that is JSON on this backend alone also gets None for what a new row leaves out.
        names = [*values, *(self._without_default if is_new else ())]
        for name in dict.fromkeys(names):
            is_none = stored.get(name) is None and (name in stored or name not in values)
            if not is_none or name not in attributes:
                continue
            has_default = not _has_no_default(attributes[name].column)
            if (is_new and name in values and has_default) or self._statements.is_json(name):
                # Not by setattr: the validators have seen None already.
                stored[name] = null()
                flag_modified(instance, name)


def _has_no_default(column: Any) -> bool:
    """Tell whether a column is NULL where nothing is given for it."""
    if column is None:
        return False
    return column.default is None and column.server_default is None and column.computed is None


@contextmanager
def _rejected(mapper: Mapper[Any], name: str | None = None) -> Iterator[None]:
    """Report the ValueErrors and AssertionErrors of the model's own code as refusals.

    Raises:
        RejectedError: It refused a value.
    """
    try:
        yield
    except (ValueError, AssertionError) as error:
        names = [*_attributes_on(error.__traceback__, mapper), *([name] if name else [])]
        kind = "value_error" if isinstance(error, ValueError) else "assertion_error"
        raise RejectedError(names, kind, _text_of(error)) from error


def _text_of(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(item["msg"] for item in error.errors(include_input=False))
    return str(error) or "Not allowed"


def _attributes_on(traceback: TracebackType | None, mapper: Mapper[Any]) -> list[str]:
    """Return the attributes that were being set when an error was raised, the last one first.

    A constructor sets them itself, so only the frames of the traceback tell.
    """
    names: list[str] = []
    mappers: set[Any] = {*mapper.iterate_to_root()}
    while traceback is not None:
        code, values = traceback.tb_frame.f_code, traceback.tb_frame.f_locals
        setter = values.get("self")
        if isinstance(setter, QueryableAttribute) and setter.parent in mappers:
            names.insert(0, setter.key)
        elif isinstance(setter, mapper.class_) and code.co_name == "__setattr__":
            # SQLModel's `__setattr__` does not call the attribute's.
            names.insert(0, values[code.co_varnames[1]])
        traceback = traceback.tb_next
    return names
