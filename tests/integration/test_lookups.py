"""`session.get` finds what SQLAlchemy's own does, whatever way it takes."""

from __future__ import annotations

import asyncio
import gc
import uuid
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Column, ColumnElement, ForeignKey, MetaData, String, event, func, text
from sqlalchemy.exc import DataError, NoResultFound, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    ColumnProperty,
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)

from ormolu import Database, Model
from ormolu.sessions._borrowing import BorrowingSession
from ormolu.sessions._compiled import CompiledQuery
from tests.fixtures.backends import Backend


class Base(Model):
    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Owner(Base):
    __tablename__ = "lookup_owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    pets: Mapped[list[Pet]] = relationship(lazy="joined", order_by="Pet.number")


class Pet(Base):
    __tablename__ = "lookup_pets"
    # The attribute is not called as the column is.
    number: Mapped[int] = mapped_column("id", primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("lookup_owners.id"))
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "pet"}  # noqa: RUF012


class Dog(Pet):
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


class Seat(Base):
    __tablename__ = "lookup_seats"
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Tag(Base):
    __tablename__ = "lookup_tags"
    code: Mapped[str] = mapped_column(primary_key=True)


class Token(Base):
    __tablename__ = "lookup_tokens"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class AnyCase(ColumnProperty.Comparator[str]):
    """Tells no capital letters from small ones."""

    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return func.lower(self.__clause_element__()) == func.lower(other)


class Word(Base):
    __tablename__ = "lookup_words"
    text: Mapped[str] = column_property(
        Column("text", String(20), primary_key=True), comparator_factory=AnyCase
    )


TOKEN = uuid.UUID(int=7)


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[Database]:
    db = Database(url, metadata=Base.metadata)
    async with db:
        async with db.unit_of_work() as session:
            session.add(Owner(id=1, name="Ann", pets=[Dog(number=1), Pet(number=2)]))
            session.add_all([Seat(row=1, place=2), Tag(code="1"), Token(id=TOKEN)])
            session.add(Word(text="Abc"))
        yield db


CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "number": (Owner, 1, {}),
    "text": (Tag, "1", {}),
    "uuid": (Token, TOKEN, {}),
    "nobody": (Owner, 99, {}),
    "list of one": (Owner, [1], {}),
    "named": (Owner, {"id": 1}, {}),
    "composite": (Seat, (1, 2), {}),
    "subclass": (Dog, 1, {}),
    "of another subclass": (Dog, 2, {}),
    "base of it": (Pet, 1, {}),
    "other name": (Pet, 2, {}),
    "compared in its own way": (Word, "aBC", {}),
    "options": (Owner, 1, {"options": [selectinload(Owner.pets)]}),
    "other options": (Owner, 1, {"options": [joinedload(Owner.pets)]}),
    "populate": (Owner, 1, {"populate_existing": True}),
    "locked": (Owner, 1, {"with_for_update": {"of": Owner}}),
    "execution options": (Owner, 1, {"execution_options": {"populate_existing": True}}),
}


@pytest.mark.parametrize("is_read_only", [False, True], ids=["", "read_only"])
@pytest.mark.parametrize("case", CASES)
async def test_it_finds_what_sqlalchemy_finds(
    database_url: str, case: str, is_read_only: bool
) -> None:
    """The same object, with the same of it loaded, or none."""
    entity, key, options = CASES[case]
    async with filled(database_url) as db:
        async with db.unit_of_work(read_only=is_read_only and case != "locked") as session:
            ours = await session.get(entity, key, **options)
            assert await session.get(entity, key, **options) is ours
        async with AsyncSession(db.engine) as plain:
            theirs = await plain.get(entity, key, **options)
    assert _shown(ours) == _shown(theirs)


def _shown(found: Any) -> Any:
    if found is None:
        return None
    values = {name: value for name, value in vars(found).items() if not name.startswith("_")}
    values |= {name: [_shown(each) for each in value] for name, value in values.items()
               if isinstance(value, list)}  # fmt: skip
    return type(found), values


async def test_what_is_there_is_not_read_again(database_url: str) -> None:
    """An object of the session is returned as it is, and one that was deleted is none."""
    async with filled(database_url) as db, db.unit_of_work() as session:
        owner = await session.get_one(Owner, 1)
        owner.name = "Bea"
        assert await session.get(Owner, 1) is owner
        assert owner.name == "Bea"
        session.add(Tag(code="new"))
        # As any query, it sends first what waits to be stored.
        assert (await session.get_one(Tag, "new")).code == "new"
        await session.delete(await session.get_one(Token, TOKEN))
        await session.flush()
        assert await session.get(Token, TOKEN) is None
        with pytest.raises(NoResultFound):
            await session.get_one(Token, TOKEN)


async def test_key_of_another_type(database_url: str) -> None:
    """A number as text is what the backend takes it for, as with SQLAlchemy."""
    outcomes = []
    async with filled(database_url) as db:
        for make in (lambda: db.unit_of_work(read_only=True), lambda: AsyncSession(db.engine)):
            try:
                async with make() as session:
                    outcomes.append(_shown(await session.get(Owner, "1")))
            except Exception as error:
                outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


async def test_listeners_hear_of_it(database_url: str) -> None:
    """It is a query of the ORM, as SQLAlchemy's is: criteria and tracers apply."""
    heard: list[Any] = []

    def hear(state: Any) -> None:
        heard.append((state.is_select, state.bind_mapper.class_))

    event.listen(Session, "do_orm_execute", hear)
    try:
        async with filled(database_url) as db:
            async with db.unit_of_work() as session:
                await session.get(Tag, "1")
            async with AsyncSession(db.engine) as plain:
                await plain.get(Tag, "1")
    finally:
        event.remove(Session, "do_orm_execute", hear)
    assert heard == [(True, Tag)] * 2


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The keys that were read past SQLAlchemy's connection."""
    keys: list[Any] = []
    fetch = BorrowingSession.fetch

    def noted(
        self: BorrowingSession, query: Any, parameters: Any, statement: Any, given: Any
    ) -> Any:
        keys.append(given["key"])
        return fetch(self, query, parameters, statement, given)

    monkeypatch.setattr(BorrowingSession, "fetch", noted)
    return keys


async def test_reads_of_a_request_are_direct(database_url: str, reads: list[Any]) -> None:
    """Unless it may write, and until something else is sent."""
    async with filled(database_url) as db:
        async with db.unit_of_work(read_only=True) as session:
            await session.get_one(Seat, (1, 2))
        async with db.unit_of_work(read_only=True) as session:
            assert (await session.get_one(Token, TOKEN)).id == TOKEN
            assert (await session.get_one(Tag, "1")).code == "1"
            await session.execute(text("SELECT 1"))
            await session.get_one(Word, "Abc")
        assert reads == [TOKEN, "1"]
        async with db.unit_of_work() as session:
            assert (await session.get_one(Tag, "1")).code == "1"
    assert reads == [TOKEN, "1"]


@pytest.mark.backends("sqlite")
async def test_column_that_is_added_later(database_url: str, reads: list[Any]) -> None:
    """It is read with the others from then on."""

    class Own(DeclarativeBase):
        pass

    class Note(Own):
        __tablename__ = "lookup_notes"
        id: Mapped[int] = mapped_column(primary_key=True)

    async with Database(database_url, metadata=Own.metadata) as db:
        async with db.unit_of_work() as session:
            await session.execute(text("ALTER TABLE lookup_notes ADD COLUMN body TEXT"))
            await session.execute(text("INSERT INTO lookup_notes VALUES (1, 'x')"))
        async with db.unit_of_work(read_only=True) as session:
            await session.get_one(Note, 1)
        Note.body = mapped_column(String)
        async with db.unit_of_work(read_only=True) as session:
            assert vars(await session.get_one(Note, 1))["body"] == "x"
    assert reads == [1, 1]


@pytest.mark.backends("sqlite")
async def test_who_listens_hears_of_reads(database_url: str, reads: list[Any]) -> None:
    """A tracer of the engine, and the log of its statements."""
    heard: list[str] = []

    def hear(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        heard.append(statement)

    async with filled(database_url) as db:
        reader = db._engines.opened.reader.sync_engine
        event.listen(reader, "before_cursor_execute", hear)
        async with db.unit_of_work(read_only=True) as session:
            await session.get_one(Tag, "1")
        event.remove(reader, "before_cursor_execute", hear)
        assert len(heard) == 1
        reader.echo = True
        async with db.unit_of_work(read_only=True) as session:
            await session.get_one(Tag, "1")
        reader.echo = False
        assert reads == []
        async with db.unit_of_work(read_only=True) as session:
            await session.get_one(Tag, "1")
    assert reads == ["1"]


@pytest.mark.backends("sqlite")
async def test_read_that_fails(database_url: str, reads: list[Any]) -> None:
    """Its error is what SQLAlchemy makes of it."""
    async with filled(database_url) as db:
        with pytest.raises(DataError):
            async with db.unit_of_work(read_only=True) as session:
                await session.get(Tag, "\ud800")
        async with db.unit_of_work() as session:
            await session.execute(text("DROP TABLE lookup_tags"))
        with pytest.raises(OperationalError, match="no such table") as raised:
            async with db.unit_of_work(read_only=True) as session:
                await session.get(Tag, "1")
        assert "FROM lookup_tags" in str(raised.value.statement)
        async with db.unit_of_work(read_only=True) as session:
            assert (await session.get_one(Token, TOKEN)).id == TOKEN
    assert reads == ["\ud800", "1", TOKEN]


async def test_read_that_is_cancelled(
    backend: Backend, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is thrown away, but for one of SQLite's, as that of any other statement."""
    async with filled(database_url) as db:
        reader = db._engines.opened.reader.sync_engine
        thrown: list[Any] = []
        event.listen(reader, "invalidate", lambda *_args: thrown.append(1))
        async with db.unit_of_work(read_only=True) as session:
            await session.get(Tag, "1")

        def cancel(*_args: Any) -> None:
            raise asyncio.CancelledError

        with monkeypatch.context() as patch:
            patch.setattr(CompiledQuery, "execute", cancel)
            with pytest.raises(asyncio.CancelledError):
                async with db.unit_of_work(read_only=True) as session:
                    await session.get(Tag, "1")
        assert bool(thrown) is not backend.is_sqlite
        async with db.unit_of_work(read_only=True) as session:
            assert await session.get(Tag, "1")


async def test_classes_may_go() -> None:
    """What is kept for a class does not keep the class, such as one made for a test."""

    async def look_up() -> weakref.ref[type[Any]]:
        class Own(DeclarativeBase):
            pass

        class Short(Own):
            __tablename__ = "lookup_short"
            id: Mapped[int] = mapped_column(primary_key=True)

        db = Database("sqlite://", metadata=Own.metadata)
        async with db, db.unit_of_work() as session:
            assert await session.get(Short, 1) is None
        return weakref.ref(Short)

    short = await look_up()
    gc.collect()
    assert short() is None


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_empty_lock_is_one(database_url: str) -> None:
    """`with_for_update={}` is FOR UPDATE without more."""
    async with filled(database_url) as db, db.unit_of_work() as session:
        heard: list[str] = []
        engine = (await session.connection()).sync_connection.engine  # type: ignore[union-attr]

        @event.listens_for(engine, "before_cursor_execute")
        def _note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
            heard.append(statement)

        await session.get(Tag, "1", with_for_update={})
        assert heard[-1].endswith("FOR UPDATE")
