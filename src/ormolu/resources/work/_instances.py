"""Rows as objects, where the ORM writes them: made, changed and found as a program would.

The model's constructor, validators and listeners run here, within reach of their session, and
what they refuse is told by the attribute. Decides nothing about policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from pydantic import ValidationError
from sqlalchemy import inspect, literal_column, null, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, Mapper, QueryableAttribute, Session, defer, lazyload
from sqlalchemy.orm.attributes import flag_modified, set_committed_value

from ormolu.resources.declare import Declaration
from ormolu.resources.work._statements import Key, Statements, Versions

__all__ = ["Instances", "RejectedError"]

_SIGN = 2**31

_EAGER = frozenset({"immediate", "joined", "selectin", "subquery", False})


class RejectedError(Exception):
    """Code of the model's own refused a value.

    Attributes:
        names: The attributes that were being set, the last one first.
        kind: As Pydantic calls it: `value_error` or `assertion_error`.
        index: Which of the rows it was.
    """

    def __init__(self, names: Sequence[str], kind: str, message: str) -> None:
        """Keep what is to be told."""
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
        # Columns that are NULL where nothing is given for them.
        self._bare = [
            name for name, each in declaration.attributes.items() if _is_bare(each.column)
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

    async def update(self, instance: Any, values: Mapping[str, Any]) -> None:
        """Change a row.

        Raises:
            RejectedError: The model refused a value.
        """

        def change(session: Session) -> None:
            self._set(instance, values)
            for name in values:
                # Else a value that is the same again would make no new version.
                flag_modified(instance, name)
            self._settle(instance, values, is_new=False)
            session.flush()

        await self._session.run_sync(change)

    async def delete(self, instance: Any) -> None:
        """Delete a row, and those that go with it."""
        await self._session.delete(instance)
        await self._session.flush()

    async def find(self, key: Key, versions: Versions) -> Any | None:
        """Return the object of a row that may be written, its row locked; None if there is none."""
        # Held, since the flush names the key alone; its own tables, as what is joined may be NULL.
        statement = select(self._declaration.model).where(*self._statements.target(key, versions))
        if self._mapper.concrete and self._mapper.with_polymorphic:
            # It is read from a union, of which nothing can be locked.
            await self._session.execute(self._lock(key))
        else:
            statement = statement.with_for_update(of=self._mapper.tables)
        # What an eager relation joins cannot be locked with it; it is loaded where it is needed.
        eager = [each for each in self._mapper.relationships if each.lazy in _EAGER]
        statement = statement.options(*[lazyload(each.class_attribute) for each in eager])
        instance = await self._load(statement)
        if instance is not None:
            self._fold_version(instance)
        return instance

    def _fold_version(self, instance: Any) -> None:
        """Make a version of PostgreSQL's xid the number of 31 bits and a sign that it compares as.

        The ORM sends it as an INTEGER with each change.
        """
        column, name = self._mapper.version_id_col, self._declaration.traits.version
        if column is not None and column.system and name is not None:
            # psycopg reads text.
            version = int(inspect(instance).dict[name])
            if version >= _SIGN:
                set_committed_value(instance, name, version - 2 * _SIGN)

    async def _load(self, statement: Any) -> Any | None:
        try:
            return (await self._session.scalars(statement)).unique().one_or_none()
        except SQLAlchemyError:
            raise
        except Exception:
            # A value of yesterday that its type does not read: who asks for it fails, no other.
            fragile = self._fragile()
            if not fragile:
                raise
            statement = statement.options(*map(defer, fragile))
            return (await self._session.scalars(statement)).unique().one_or_none()

    def _fragile(self) -> list[Any]:
        """Return the columns whose types may not read what is stored."""
        mapper = self._mapper
        kept = {*mapper.primary_key, mapper.version_id_col, mapper.polymorphic_on}
        return [
            getattr(mapper.class_, name)
            for name, each in self._declaration.attributes.items()
            if each.column is not None and each.column not in kept
            and (each.field.kind.is_coded or each.field.kind.family == "enum")
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
        self._settle(instance, values, is_new=True)
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
        made = self._declaration.made
        self._set(instance, {name: made[name]() for name in made if name not in state.dict})
        return instance

    def _assemble(self, values: Mapping[str, Any]) -> Any:
        """Make an object as the generated constructors do, but for relations they would ask for."""
        constructor, manager = self._constructor, self._mapper.class_manager
        instance: Any = manager.new_instance()
        places, _, others = constructor.split(values)
        given = dict(others)
        # The listeners of `init` make its kind, and may change what it is given.
        with _rejected(self._mapper):
            manager.dispatch.init(inspect(instance), (), given)
        for name, make in constructor.initial.items():
            setattr(instance, name, make())
        made = self._declaration.made
        self._set(instance, {name: made[name]() for name in made if name not in given} | given)
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

    def _settle(self, instance: Any, values: Mapping[str, Any], *, is_new: bool) -> None:
        """Make None NULL where the ORM would store a default, or JSON's null."""
        attributes, stored = self._declaration.attributes, inspect(instance).dict
        # What a new row leaves out is None, too, to a type that is JSON on this backend alone.
        names = [*values, *(self._bare if is_new else ())]
        for name in dict.fromkeys(names):
            is_none = stored.get(name) is None and (name in stored or name not in values)
            if not is_none or name not in attributes:
                continue
            is_default = is_new and name in values and not _is_bare(attributes[name].column)
            if is_default or self._statements.is_json(name):
                # Past validators, which have seen None already.
                stored[name] = null()
                flag_modified(instance, name)


def _is_bare(column: Any) -> bool:
    if column is None:
        return False
    return column.default is None and column.server_default is None and column.computed is None


@contextmanager
def _rejected(mapper: Mapper[Any], name: str | None = None) -> Iterator[None]:
    """Tell what code of the model's own refuses from what fails in it.

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

    A constructor sets them itself, so that only the way of the error tells which one it was.
    """
    names: list[str] = []
    mappers: set[Any] = {*mapper.iterate_to_root()}
    while traceback is not None:
        code, values = traceback.tb_frame.f_code, traceback.tb_frame.f_locals
        setter = values.get("self")
        if isinstance(setter, QueryableAttribute) and setter.parent in mappers:
            names.insert(0, setter.key)
        elif isinstance(setter, mapper.class_) and code.co_name == "__setattr__":
            # SQLModel's goes past the attribute.
            names.insert(0, values[code.co_varnames[1]])
        traceback = traceback.tb_next
    return names
