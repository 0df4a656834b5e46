"""Objects of plain classes are those that SQLAlchemy's own loading would make."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import (
    ForeignKey,
    Integer,
    MetaData,
    String,
    event,
    func,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.engine import Row
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    Mapped,
    Session,
    aliased,
    column_property,
    composite,
    defer,
    deferred,
    mapped_column,
    relationship,
    selectinload,
    synonym,
    undefer,
)
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL
from sqlalchemy.types import JSON

from ormolu import Database, LazyLoadError, Model
from ormolu.sessions._objects import Shape, shape_of


class Base(Model):
    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Mood(enum.Enum):
    GLAD = "glad"
    SAD = "sad"


class Person(Base):
    """Plain, with every kind of value."""

    __tablename__ = "object_people"
    id: Mapped[int] = mapped_column(primary_key=True)
    # Neither is called as its column is.
    called: Mapped[str] = mapped_column("name", String(20))
    size: Mapped[decimal.Decimal | None]
    born: Mapped[dt.date | None]
    seen: Mapped[dt.datetime | None]
    mood: Mapped[Mood | None]
    token: Mapped[uuid.UUID | None]
    data: Mapped[bytes | None]
    alias = synonym("called")
    letters: Mapped[list[Letter]] = relationship(back_populates="person", order_by="Letter.id")

    @hybrid_property
    def shout(self) -> str:
        return self.called.upper()


class Letter(Base):
    __tablename__ = "object_letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("object_people.id"))
    person: Mapped[Person | None] = relationship(back_populates="letters")


class Seat(Base):
    __tablename__ = "object_seats"
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    price: Mapped[int]
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Versioned(Base):
    __tablename__ = "object_versioned"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(20))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


PLAIN = (Person, Letter, Seat, Versioned)


class Deferred(Base):
    __tablename__ = "object_deferred"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = deferred(mapped_column(String(20)))


class Counted(Base):
    __tablename__ = "object_counted"
    number: Mapped[int] = mapped_column(primary_key=True)
    double: Mapped[int] = column_property(literal_column("number * 2", Integer))


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __composite_values__(self) -> tuple[int, int]:
        return self.x, self.y


class Corner(Base):
    __tablename__ = "object_corners"
    id: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[int]
    y: Mapped[int]
    point: Mapped[Point] = composite(Point, "x", "y")


class Watched(Base):
    """Its value tells when it is changed."""

    __tablename__ = "object_watched"
    id: Mapped[int] = mapped_column(primary_key=True)
    values: Mapped[dict[str, Any]] = mapped_column(JSON)


class Eager(Base):
    __tablename__ = "object_eager"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("object_people.id"))
    person: Mapped[Person] = relationship(lazy="selectin")


class Animal(Base):
    __tablename__ = "object_animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Fresh(Base):
    __tablename__ = "object_fresh"
    id: Mapped[int] = mapped_column(primary_key=True)
    __mapper_args__ = {"always_refresh": True}  # noqa: RUF012


OTHERS = (Deferred, Counted, Corner, Watched, Eager, Animal, Cat, Fresh)


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[Database]:
    async with Database(url, metadata=Base.metadata) as db:
        async with db.unit_of_work() as session:
            session.add(
                Person(
                    id=1, called="Ann", size=decimal.Decimal("1.50"), born=dt.date(2000, 2, 29),
                    seen=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), mood=Mood.GLAD,
                    token=uuid.UUID(int=5), data=b"\x00\xff",
                    letters=[Letter(id=1), Letter(id=2)],
                )
            )  # fmt: skip
            session.add_all([Person(id=2, called="Bob"), Letter(id=3)])
            await session.flush()
            session.add_all([Seat(place=1, row=2, price=3), Seat(place=2, row=1, price=4)])
            session.add_all(
                [Versioned(id=1, name="x"), Deferred(id=1, text="x"), Counted(number=1)]
            )
            session.add_all([Corner(id=1, point=Point(1, 2)), Watched(id=1, values={"a": 1})])
            session.add_all([Eager(id=1, person_id=1), Animal(id=1), Cat(id=2), Fresh(id=1)])
        yield db


class Loads:
    """Counts what we load ourselves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        load = Shape.load

        def counted(*args: Any) -> Any:
            self.count += 1
            return load(*args)

        monkeypatch.setattr(Shape, "load", counted)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    return Loads(monkeypatch)


def shown(found: Any) -> Any:
    """Return all that can be told of a result."""
    if isinstance(found, Row):
        return found._fields, [shown(each) for each in found]
    if isinstance(found, (list, tuple)):
        return [shown(each) for each in found]
    if isinstance(found, dict):
        return [(key, shown(value)) for key, value in found.items()]
    state = inspect(found, raiseerr=False)
    if state is None or not hasattr(state, "identity_key"):
        return type(found), found if not isinstance(found, Point) else found.__composite_values__()
    values = sorted((name, shown(value)) for name, value in vars(found).items() if name[0] != "_")
    return (
        type(found), values, state.identity_key, state.persistent, sorted(state.unloaded),
        state.modified, state.expired, sorted(state.expired_attributes),
    )  # fmt: skip


STATEMENTS: dict[str, Callable[[], Any]] = {
    "all": lambda: select(Person).order_by(Person.id),
    "one": lambda: select(Person).where(Person.called == "Ann"),
    "by its synonym": lambda: select(Person).where(Person.alias == "Bob"),
    "limit": lambda: select(Person).order_by(Person.id.desc()).limit(1).offset(1),
    "none": lambda: select(Person).where(Person.id == 99),
    "joined": lambda: select(Person).join(Person.letters).order_by(Letter.id),
    "filtered by": lambda: select(Letter).filter_by(person_id=1).order_by(Letter.id),
    "without an object": lambda: (
        select(Person).select_from(Letter).outerjoin(Letter.person).order_by(Letter.id)
    ),
    "distinct": lambda: select(Person).join(Person.letters).distinct(),
    "grouped": lambda: select(Seat).group_by(Seat.place, Seat.row, Seat.price).order_by(Seat.row),
    "two parts of a key": lambda: select(Seat).order_by(Seat.row),
    "subquery": lambda: select(Person).where(
        Person.id.in_(select(Letter.person_id).where(Letter.id > 0))
    ),
    "version": lambda: select(Versioned),
}
LEFT_TO_SQLALCHEMY: dict[str, Callable[[], Any]] = {
    "two classes": lambda: select(Person, Letter).join(Person.letters).order_by(Letter.id),
    "column": lambda: select(Person.called).order_by(Person.id),
    "columns of the table": lambda: select(Person.__table__).order_by(Person.id),
    "value": lambda: select(func.count()).select_from(Person),
    "aliased": lambda: select(aliased(Person)).limit(0),
    "options": lambda: (
        select(Person).options(selectinload(Person.letters)).order_by(Person.id)
    ),
    "leaves something out": lambda: select(Person).options(defer(Person.called)).limit(0),
    "execution options": lambda: (
        select(Person).order_by(Person.id).execution_options(populate_existing=True)
    ),
    "lock": lambda: select(Person).order_by(Person.id).with_for_update(),
    "other labels": lambda: (
        select(Person).order_by(Person.id).set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    ),
    "union": lambda: select(Person).from_statement(
        select(Person).where(Person.id == 1).union_all(select(Person).where(Person.id == 2))
    ),
    "deferred": lambda: select(Deferred),
    "undeferred": lambda: select(Deferred).options(undefer(Deferred.text)),
    "expression": lambda: select(Counted),
    "composite": lambda: select(Corner),
    "mutable": lambda: select(Watched),
    "eager": lambda: select(Eager),
    "classes of one table": lambda: select(Animal).order_by(Animal.id),
    "one of them": lambda: select(Cat),
    "always anew": lambda: select(Fresh),
}  # fmt: skip


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "left"])
async def test_it_loads_what_sqlalchemy_loads(
    database_url: str, loads: Loads, is_ours: bool
) -> None:
    """The same rows of the same objects in the same state; twice in one session too."""
    statements = STATEMENTS if is_ours else LEFT_TO_SQLALCHEMY
    async with filled(database_url) as db:
        for name, make in statements.items():
            loads.count = 0
            both = []
            for begin in (db.unit_of_work, lambda: AsyncSession(db.engine)):
                async with begin() as session:
                    first = (await session.execute(make())).unique().all()
                    again = (await session.execute(make())).unique().all()
                    both.append((shown(first), shown(again), _same(first, again)))
            assert both[0] == both[1], name
            assert bool(loads.count) is is_ours, name


def _same(first: Any, again: Any) -> list[bool]:
    return [a is b for one, two in zip(first, again, strict=True)
            for a, b in zip(one, two, strict=True) if hasattr(a, "metadata")]  # fmt: skip


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(
    "use",
    [
        lambda result: result.all(),
        lambda result: result.fetchmany(1),
        lambda result: result.first(),
        lambda result: result.scalars().all(),
        lambda result: result.scalars().unique().all(),
        lambda result: result.unique().scalars().all(),
        lambda result: result.scalar(),
        lambda result: [dict(row) for row in result.mappings()],
        lambda result: [row[Person] for row in result.mappings()],
        lambda result: [row._mapping[Person] for row in result],
        lambda result: [row.Person for row in result],
        lambda result: list(result.keys()),
        lambda result: result.columns(0).all(),
        lambda result: result.freeze()().all(),
        lambda result: [list(part) for part in result.partitions(1)],
        lambda result: [result.one_or_none() for _ in range(1)],
        lambda result: (result.all(), result.all()),
        lambda result: (result.close(), result.closed),
    ],
)
async def test_result_is_used_as_any(
    database_url: str, loads: Loads, use: Callable[[Any], Any]
) -> None:
    """Every method of a result has the same outcome."""
    outcomes = []
    async with filled(database_url) as db:
        for begin in (db.unit_of_work, lambda: AsyncSession(db.engine)):
            async with begin() as session:
                result = await session.execute(STATEMENTS["joined"]())
                try:
                    outcomes.append(repr(shown(use(result))))
                except MultipleResultsFound as error:
                    outcomes.append(repr(error))
    assert outcomes[0] == outcomes[1]
    assert loads.count == 1


@pytest.mark.backends("sqlite")
async def test_every_way_to_ask(database_url: str, loads: Loads) -> None:
    """By the methods of AsyncSession, by `run_sync`, and with parameters of the statement."""
    by_id = select(Person).where(Person.id == 1)
    async with filled(database_url) as db:
        ways: list[Callable[[AsyncSession], Any]] = [
            lambda session: session.scalar(by_id),
            lambda session: _all(session.scalars(by_id)),
            lambda session: session.get(Person, 1),
            lambda session: session.run_sync(lambda below: below.scalar(by_id)),
            lambda session: session.run_sync(lambda below: below.scalars(by_id).all()),
            lambda session: session.run_sync(lambda below: below.get(Person, 1)),
            lambda session: session.scalar(by_id, {"id_1": 2}),
        ]
        for way in ways:
            both = []
            for begin in (db.unit_of_work, lambda: AsyncSession(db.engine)):
                async with begin() as session:
                    both.append(shown(await way(session)))
            assert both[0] == both[1]
        assert loads.count == len(ways)


async def _all(result: Any) -> Any:
    return (await result).all()


async def test_objects_live_as_others_do(database_url: str, loads: Loads) -> None:
    """They are changed, refreshed, expired, deleted and detached; a relation says what to load."""
    async with filled(database_url) as db:
        async with db.unit_of_work() as session:
            ann, bob = (await session.scalars(STATEMENTS["all"]())).all()
            assert loads.count == 1
            assert ann.shout == "ANN"
            with pytest.raises(LazyLoadError, match=r"Person\.letters was not loaded"):
                _ = ann.letters
            await session.refresh(ann, ["letters"])
            assert [letter.id for letter in ann.letters] == [1, 2]
            ann.called = "Anna"
            session.expire(bob)
            assert inspect(bob).expired
            await session.refresh(bob)
            assert bob.called == "Bob"
            await session.delete(bob)
            assert ann in session
        assert inspect(ann).detached
        async with db.unit_of_work() as session:
            assert await session.get(Person, 2) is None
            assert (await session.get_one(Person, 1)).called == "Anna"
            merged = await session.merge(ann)
            assert merged in session


async def test_what_waits_is_sent_first(database_url: str) -> None:
    """New, changed and deleted objects are flushed before a query, as SQLAlchemy does."""
    async with filled(database_url) as db, db.unit_of_work() as session:
        session.add(Person(id=3, called="Cid"))
        people = (await session.scalars(STATEMENTS["all"]())).all()
        assert [person.called for person in people] == ["Ann", "Bob", "Cid"]
        people[1].called = "Bea"
        letters = select(Letter).join(Letter.person).where(Person.called == "Bea")
        assert not (await session.scalars(letters)).all()
        assert [p.called for p in await session.scalars(STATEMENTS["all"]())] == [
            "Ann", "Bea", "Cid",
        ]  # fmt: skip
        await session.delete(people[2])
        assert len((await session.scalars(STATEMENTS["all"]())).all()) == 2


@pytest.mark.parametrize("name", ["load", "refresh"])
async def test_listeners_to_objects_hear(database_url: str, name: str) -> None:
    """Those of a class hear of each object that is loaded, from when they listen on."""
    heard: list[Any] = []

    def hear(target: Any, *_more: Any) -> None:
        heard.append(target.id)

    async with filled(database_url) as db:
        event.listen(Person, name, hear)
        try:
            async with db.unit_of_work() as session:
                people = (await session.scalars(STATEMENTS["all"]())).all()
                await session.refresh(people[0])
        finally:
            event.remove(Person, name, hear)
    assert heard == ([1, 2] if name == "load" else [1])


async def test_listeners_to_sessions_hear(database_url: str) -> None:
    """Those that are told of each object in a session."""
    heard: list[Any] = []

    def hear(_session: Session, target: Any) -> None:
        heard.append(target.id)

    async with filled(database_url) as db:
        event.listen(Session, "loaded_as_persistent", hear)
        try:
            async with db.unit_of_work() as session:
                await session.scalars(STATEMENTS["all"]())
        finally:
            event.remove(Session, "loaded_as_persistent", hear)
    assert heard == [1, 2]


async def test_listeners_to_statements_hear(database_url: str) -> None:
    """Those of the engine, such as tracers, hear of what is sent."""
    heard: list[str] = []

    def hear(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        heard.append(statement)

    async with filled(database_url) as db:
        event.listen(db.engine.sync_engine, "before_cursor_execute", hear)
        async with db.unit_of_work() as session:
            await session.scalars(STATEMENTS["all"]())
        event.remove(db.engine.sync_engine, "before_cursor_execute", hear)
    assert len([each for each in heard if "object_people" in each]) == 1


@pytest.mark.backends("sqlite")
async def test_attribute_that_is_added_later(database_url: str) -> None:
    """A class may get one at any time, and be plain no more."""
    assert shape_of(inspect(Letter)) is not None
    Letter.twice = column_property(Letter.__table__.c.id * 2)
    assert shape_of(inspect(Letter)) is None
    async with filled(database_url) as db, db.unit_of_work() as session:
        letter: Any = await session.get_one(Letter, 2)
        assert letter.twice == 4


@pytest.mark.parametrize("class_", [*PLAIN, *OTHERS])
def test_which_are_plain(class_: type[Any]) -> None:
    """Those without anything that needs SQLAlchemy's loading."""
    if class_ is not Letter:
        assert (shape_of(inspect(class_)) is not None) is (class_ in PLAIN)
