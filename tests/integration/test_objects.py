"""Objects of plain classes are those that SQLAlchemy's own loading would make."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    event,
    func,
    insert,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.engine import Row
from sqlalchemy.exc import ArgumentError, MultipleResultsFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    ClassManager,
    Load,
    Mapped,
    Session,
    aliased,
    column_property,
    composite,
    defaultload,
    defer,
    deferred,
    joinedload,
    lazyload,
    mapped_column,
    relationship,
    selectinload,
    synonym,
    undefer,
)
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL
from sqlalchemy.types import JSON
from sqlalchemy.util import immutabledict

from ormolu import Database, LazyLoadError, Model
from ormolu.sessions import _relations
from ormolu.sessions._shapes import Shape, shape_of


class Base(Model):
    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Mood(enum.Enum):
    GLAD = "glad"
    SAD = "sad"


members = Table(
    "object_members",
    Base.metadata,
    Column("person_id", ForeignKey("object_people.id"), primary_key=True),
    Column("club_id", ForeignKey("object_clubs.id"), primary_key=True),
)


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
    letters: Mapped[list[Letter]] = relationship(
        back_populates="person", order_by="Letter.id", foreign_keys="Letter.person_id"
    )
    read: Mapped[list[Letter]] = relationship(order_by="Letter.id", foreign_keys="Letter.reader_id")
    hats: Mapped[list[Hat]] = relationship(order_by="Hat.id.desc()")
    first_hats: Mapped[list[Hat]] = relationship(
        primaryjoin="and_(Hat.owner_id == Person.id, Hat.id < 2)", viewonly=True
    )
    badge: Mapped[Badge | None] = relationship()
    pens: Mapped[set[Pen]] = relationship()
    clubs: Mapped[list[Club]] = relationship(secondary=members)
    coats: Mapped[list[Coat]] = relationship()

    @hybrid_property
    def shout(self) -> str:
        return self.called.upper()


class Letter(Base):
    __tablename__ = "object_letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("object_people.id"))
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("object_people.id"))
    person: Mapped[Person | None] = relationship(
        back_populates="letters", foreign_keys="Letter.person_id"
    )


class Hat(Base):
    __tablename__ = "object_hats"
    id: Mapped[int] = mapped_column(primary_key=True)
    # Not called as its column is.
    owner_id: Mapped[int] = mapped_column("person_id", ForeignKey("object_people.id"))


class Badge(Base):
    __tablename__ = "object_badges"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("object_people.id"))


class Stray(Base):
    """It may say who owned it for longer than that one is there."""

    __tablename__ = "object_strays"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    owner: Mapped[Person | None] = relationship(
        primaryjoin="foreign(Stray.owner_id) == Person.id", viewonly=True
    )


class Wardrobe(Base):
    __tablename__ = "object_wardrobes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("object_people.id"))
    hat_id: Mapped[int | None] = mapped_column(ForeignKey("object_hats.id"))
    badge_id: Mapped[int | None] = mapped_column(ForeignKey("object_badges.id"))
    owner: Mapped[Person | None] = relationship()
    hat: Mapped[Hat | None] = relationship()
    badge: Mapped[Badge | None] = relationship()


class Pen(Base):
    __tablename__ = "object_pens"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("object_people.id"))


class Club(Base):
    __tablename__ = "object_clubs"
    id: Mapped[int] = mapped_column(primary_key=True)


class Coat(Base):
    __tablename__ = "object_coats"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("object_people.id"))
    double: Mapped[int] = column_property(literal_column("id * 2", Integer))


class Part(Base):
    __tablename__ = "object_parts"
    id: Mapped[int] = mapped_column(primary_key=True)
    whole_id: Mapped[int | None] = mapped_column(ForeignKey("object_parts.id"))
    parts: Mapped[list[Part]] = relationship(order_by="Part.id")


ANY_CASE = String(2).with_variant(String(2, collation="NOCASE"), "sqlite")


class Country(Base):
    __tablename__ = "object_countries"
    code: Mapped[str] = mapped_column(ANY_CASE, primary_key=True)
    cities: Mapped[list[City]] = relationship()


class City(Base):
    __tablename__ = "object_cities"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(ANY_CASE, ForeignKey("object_countries.code"))


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


class Amended(Base):
    """One test gives it another attribute."""

    __tablename__ = "object_amended"
    id: Mapped[int] = mapped_column(primary_key=True)


PLAIN = (Person, Letter, Seat, Versioned, Part, Stray, Wardrobe)


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


class Vehicle(Base):
    """Nothing tells which of them is a car."""

    __tablename__ = "object_vehicles"
    id: Mapped[int] = mapped_column(primary_key=True)


class Car(Vehicle):
    __tablename__ = "object_cars"
    id: Mapped[int] = mapped_column(ForeignKey("object_vehicles.id"), primary_key=True)


OTHERS = (Vehicle, Car, Coat, Deferred, Counted, Corner, Watched, Eager, Animal, Cat, Fresh)


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[Database]:
    async with Database(url, metadata=Base.metadata) as db:
        async with db.unit_of_work() as session:
            session.add(
                Person(
                    id=1, called="Ann", size=decimal.Decimal("1.50"), born=dt.date(2000, 2, 29),
                    seen=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), mood=Mood.GLAD,
                    token=uuid.UUID(int=5), data=b"\x00\xff",
                    letters=[Letter(id=1), Letter(id=2)], hats=[Hat(id=1), Hat(id=2)],
                    badge=Badge(id=1), pens={Pen(id=1)}, clubs=[Club(id=1)], coats=[Coat(id=1)],
                )
            )  # fmt: skip
            session.add_all([Person(id=2, called="Bob"), Letter(id=3, reader_id=1)])
            session.add_all([Stray(id=1, owner_id=1), Stray(id=2, owner_id=9)])
            session.add_all([Wardrobe(id=1, owner_id=1, badge_id=1), Wardrobe(id=2, hat_id=2)])
            session.add(Part(id=1, parts=[Part(id=2)]))
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


def shown(found: Any, depth: int = 4) -> Any:
    """Return all that can be told of a result."""
    if isinstance(found, Row):
        return found._fields, [shown(each, depth - 1) for each in found]
    if isinstance(found, (list, tuple, set)):
        return [shown(each, depth - 1) for each in found]
    if isinstance(found, dict):
        return [(key, shown(value, depth - 1)) for key, value in found.items()]
    state = inspect(found, raiseerr=False)
    if state is None or not hasattr(state, "identity_key"):
        return type(found), found if not isinstance(found, Point) else found.__composite_values__()
    if not depth:
        return state.identity_key
    values = sorted(
        (name, shown(value, depth - 1)) for name, value in vars(found).items() if name[0] != "_"
    )
    return (
        type(found), values, state.identity_key, state.persistent, sorted(state.unloaded),
        state.modified, state.expired, sorted(state.expired_attributes), len(state.load_options),
        str(state.load_path) if state.load_options else None,
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
    "with a list": lambda: select(Person).options(selectinload(Person.letters)).order_by(Person.id),
    "with a list of nobody's": lambda: (
        select(Person).where(Person.id == 99).options(selectinload(Person.letters))
    ),
    "with a list, and twice": lambda: (
        select(Person).join(Person.letters).options(selectinload(Person.letters))
    ),
    "with a list, and without an object": lambda: (
        select(Person)
        .select_from(Letter)
        .outerjoin(Letter.person)
        .options(selectinload(Person.letters))
    ),
    "with lists": lambda: (
        select(Person)
        .options(selectinload(Person.letters), selectinload(Person.hats))
        .order_by(Person.id)
    ),
    "with owners": lambda: select(Letter).options(selectinload(Letter.person)).order_by(Letter.id),
    "with owners of nobody": lambda: (
        select(Letter).where(Letter.id == 3).options(selectinload(Letter.person))
    ),
    "with owners that are gone": lambda: (
        select(Stray).options(selectinload(Stray.owner)).order_by(Stray.id)
    ),
}
# Where a session writes they are left to SQLAlchemy.
JOINED: dict[str, Callable[[], Any]] = {
    "with a joined owner": lambda: (
        select(Letter).options(joinedload(Letter.person)).order_by(Letter.id)
    ),
    "with an owner that must be there": lambda: (
        select(Letter).options(joinedload(Letter.person, innerjoin=True)).order_by(Letter.id)
    ),
    "with a joined owner that is gone": lambda: (
        select(Stray).options(joinedload(Stray.owner)).order_by(Stray.id)
    ),
    "with a joined owner, by another one": lambda: (
        select(Letter)
        .join(Letter.person)
        .where(Person.called == "Ann")
        .options(joinedload(Letter.person))
        .order_by(Letter.id)
        .limit(1)
    ),
    "with two of them, the other way round": lambda: (
        select(Wardrobe)
        .options(joinedload(Wardrobe.hat), joinedload(Wardrobe.owner), selectinload(Wardrobe.badge))
        .order_by(Wardrobe.id)
    ),
}
LEFT_TO_SQLALCHEMY: dict[str, Callable[[], Any]] = {
    "two classes": lambda: select(Person, Letter).join(Person.letters).order_by(Letter.id),
    "column": lambda: select(Person.called).order_by(Person.id),
    "columns of the table": lambda: select(Person.__table__).order_by(Person.id),
    "value": lambda: select(func.count()).select_from(Person),
    "aliased": lambda: select(aliased(Person)).limit(0),
    "with a list twice": lambda: select(Person).options(
        selectinload(Person.letters), selectinload(Person.letters)
    ),
    "with two lists of a class": lambda: select(Person).options(
        selectinload(Person.letters), selectinload(Person.read)
    ),
    "with a list and its owners": lambda: (
        select(Person)
        .options(selectinload(Person.letters).selectinload(Letter.person))
        .order_by(Person.id)
    ),
    "with a part of a list": lambda: (
        select(Person).options(selectinload(Person.letters.and_(Letter.id > 1))).order_by(Person.id)
    ),
    "with a list of parts": lambda: (
        select(Person)
        .options(selectinload(Person.letters).load_only(Letter.id))
        .order_by(Person.id)
    ),
    "with a list by pieces": lambda: (
        select(Person).options(selectinload(Person.letters, chunksize=1)).order_by(Person.id)
    ),
    "with a joined list": lambda: (
        select(Person).options(joinedload(Person.letters)).order_by(Person.id)
    ),
    "with a list of an alias": lambda: (
        select(Person).options(selectinload(Person.letters.of_type(aliased(Letter)))).limit(0)
    ),
    "with what is in a list": lambda: (
        select(Person).options(defaultload(Person.letters).selectinload(Letter.person)).limit(1)
    ),
    "with all there is": lambda: select(Hat).options(selectinload("*")),
    "with all of one class": lambda: select(Country).options(Load(Country).selectinload("*")),
    "with all lists": lambda: (
        select(Person).options(selectinload("*"), lazyload(Person.read)).order_by(Person.id)
    ),
    "with those of its own class": lambda: (
        select(Part).options(selectinload(Part.parts)).order_by(Part.id)
    ),
    "with one of a list": lambda: (
        select(Person).options(selectinload(Person.badge)).order_by(Person.id)
    ),
    "with a set": lambda: select(Person).options(selectinload(Person.pens)).order_by(Person.id),
    "with a list by a condition": lambda: (
        select(Person).options(selectinload(Person.first_hats)).order_by(Person.id)
    ),
    "with many of many": lambda: (
        select(Person).options(selectinload(Person.clubs)).order_by(Person.id)
    ),
    "with a list of no plain ones": lambda: (
        select(Person).options(selectinload(Person.coats)).order_by(Person.id)
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


@pytest.mark.long
@pytest.mark.parametrize("is_read_only", [False, True], ids=["", "read_only"])
@pytest.mark.parametrize(
    "statements", [STATEMENTS, JOINED, LEFT_TO_SQLALCHEMY], ids=["ours", "joined", "left"]
)
async def test_it_loads_what_sqlalchemy_loads(
    database_url: str, loads: Loads, statements: dict[str, Any], is_read_only: bool
) -> None:
    """The same rows of the same objects in the same state; twice in one session too."""
    is_ours = statements is STATEMENTS or (is_read_only and statements is JOINED)
    async with filled(database_url) as db:
        async with db.unit_of_work(read_only=True) as session:
            # Else SQLAlchemy opens the connection that the first one reads over.
            await session.execute(select(1))
        for name, make in statements.items():
            loads.count = 0
            both = []
            ours = partial(db.unit_of_work, read_only=is_read_only and name != "lock")
            for begin in (ours, lambda: AsyncSession(db.engine)):
                async with begin() as session:
                    first = (await session.execute(make())).unique().all()
                    again = (await session.execute(make())).unique().all()
                    both.append((shown(first), shown(again), _same(first, again)))
            assert both[0] == both[1], name
            assert bool(loads.count) is is_ours, name


def _same(first: Any, again: Any) -> list[bool]:
    return [a is b for one, two in zip(first, again, strict=True)
            for a, b in zip(one, two, strict=True) if hasattr(a, "metadata")]  # fmt: skip


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_lists_are_read_in_pieces(
    database_url: str, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many owners at a time as fit into a statement."""
    monkeypatch.setattr(_relations, "_CHUNK", 1)
    statement = STATEMENTS["with a list"]()
    async with filled(database_url) as db:
        async with db.unit_of_work() as session:
            people = (await session.scalars(statement)).all()
        assert [[letter.id for letter in person.letters] for person in people] == [[1, 2], []]
    assert loads.count == 3


@pytest.mark.long
async def test_lists_are_refreshed(database_url: str, loads: Loads) -> None:
    """What an object was loaded with it is refreshed with."""
    async with filled(database_url) as db, db.unit_of_work() as session:
        ann = await session.get_one(Person, 1, options=[selectinload(Person.letters)])
        assert loads.count == 2
        await session.execute(insert(Letter).values(id=4, person_id=1))
        await session.refresh(ann)
        assert [letter.id for letter in ann.letters] == [1, 2, 4]
        ann.letters.pop()
        await session.flush()
        assert (await session.get_one(Letter, 4)).person_id is None


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_key_in_other_letters(database_url: str) -> None:
    """What only the database takes for a key is in no list, as with SQLAlchemy."""
    async with filled(database_url) as db:
        async with db.unit_of_work() as session:
            session.add_all([Country(code="at"), City(id=1, code="at"), City(id=2, code="AT")])
        found = []
        for begin in (db.unit_of_work, lambda: AsyncSession(db.engine)):
            async with begin() as session:
                statement = select(Country).options(selectinload(Country.cities))
                found.append(shown((await session.scalars(statement)).all()))
    assert found[0] == found[1]
    assert len(found[0]) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [{"execution_options": {"populate_existing": True}}, {"bind_arguments": {"mapper": Person}}],
)
async def test_asked_for_more(database_url: str, loads: Loads, options: Any) -> None:
    """What else is asked of a session is SQLAlchemy's."""
    async with filled(database_url) as db, db.unit_of_work() as session:
        people = (await session.scalars(STATEMENTS["all"](), **options)).all()
        assert [person.id for person in people] == [1, 2]
        session.expunge_all()
        session.sync_session.execution_options = immutabledict({"populate_existing": True})
        assert len((await session.scalars(STATEMENTS["all"]())).all()) == 2
    assert not loads.count


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_option_of_another_class(database_url: str) -> None:
    """It is refused in SQLAlchemy's words."""
    statement = select(Hat).options(selectinload(Person.letters))
    async with filled(database_url) as db, db.unit_of_work() as session:
        with pytest.raises(ArgumentError, match="does not apply to any of the root"):
            await session.execute(statement)
        with pytest.raises(ArgumentError, match="does not apply to any of the root"):
            await session.get(Hat, 1, options=[selectinload(Person.letters)])


@pytest.mark.long
async def test_what_waits_is_sent_first(database_url: str) -> None:
    """New, changed and deleted objects are flushed before a query, as SQLAlchemy does."""
    async with filled(database_url) as db, db.unit_of_work() as session:
        session.add(Person(id=3, called="Cid"))
        people = (await session.scalars(STATEMENTS["all"]())).all()
        assert [person.called for person in people] == ["Ann", "Bob", "Cid"]
        people[0].called = "Ada"
        letters = select(Letter).join(Letter.person).where(Person.called == "Ada")
        assert len((await session.scalars(letters)).all()) == 2
    async with db.unit_of_work() as session:
        await session.delete(await session.get_one(Person, 3))
        nobody = select(Hat).join(Person, Person.id == 3)
        assert not (await session.scalars(nobody)).all()


@pytest.mark.long
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
    assert shape_of(inspect(Amended)) is not None
    Amended.twice = column_property(Amended.__table__.c.id * 2)
    assert shape_of(inspect(Amended)) is None
    async with filled(database_url) as db, db.unit_of_work() as session:
        session.add(Amended(id=2))
        await session.commit()
        amended: Any = await session.get_one(Amended, 2)
        assert amended.twice == 4


@pytest.mark.parametrize("class_", [*PLAIN, *OTHERS])
def test_which_are_plain(class_: type[Any]) -> None:
    """Those without anything that needs SQLAlchemy's loading."""
    shape = shape_of(inspect(class_))
    assert (shape is not None and not shape.has_listeners) is (class_ in PLAIN)


def test_class_with_a_state_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a program instruments its classes is its own."""

    class Own(ClassManager[Any]):
        pass

    mapper = inspect(Badge)
    mapper.class_manager.info.clear()
    with monkeypatch.context() as patch:
        patch.setattr(mapper.class_manager, "__class__", Own)
        assert shape_of(mapper) is None
    mapper.class_manager.info.clear()
    assert shape_of(mapper) is not None
