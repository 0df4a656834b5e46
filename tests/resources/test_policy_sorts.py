"""A policy compares moments with moments, and members of an enumeration with no number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    Boolean,
    DateTime,
    Dialect,
    Double,
    Float,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    UnaryExpression,
    Uuid,
    and_,
    any_,
    case,
    cast,
    exists,
    extract,
    func,
    literal,
    literal_column,
    select,
    text,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import DATERANGE
from sqlalchemy.orm import Mapped, aliased, column_property, mapped_column
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeEngine

from ormolu import Database, Model, Policy, UsageError, resource
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class State(Enum):
    """Stored by its names."""

    OPEN = "open"
    SHUT = "shut"


class Rank(IntEnum):
    """Its members are numbers to Python."""

    LOW = 0
    HIGH = 1


class Visit(Base):
    __tablename__ = "sorted_visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date]
    begins: Mapped[datetime] = mapped_column(DateTime())
    opens: Mapped[time]
    lasts: Mapped[timedelta]
    photo: Mapped[bytes]
    state: Mapped[State]
    rank: Mapped[Rank]
    guest: Mapped[str] = mapped_column(String(20))
    count: Mapped[int]


class Reserve(TypeDecorator[UUID]):
    """A UUID in the way of many projects: text, but for PostgreSQL."""

    impl = CHAR(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        is_native = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.UUID() if is_native else CHAR(36))

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        return None if value is None else str(value)


class Park(Base):
    __tablename__ = "sorted_parks"
    id: Mapped[int] = mapped_column(primary_key=True)
    doc: Mapped[Any] = mapped_column(JSON)
    key: Mapped[UUID] = mapped_column(Uuid())
    token: Mapped[str] = mapped_column(String(36))
    reserve: Mapped[Any] = mapped_column(Reserve())
    area: Mapped[float] = mapped_column(Float())
    depth: Mapped[float] = mapped_column(Double())
    name: Mapped[str] = mapped_column(String(20))
    photo: Mapped[bytes]
    opened: Mapped[datetime | None]
    is_open: Mapped[bool]
    lasts: Mapped[timedelta]
    lower: Mapped[str] = column_property(func.lower(name))


def untrue(part: Any) -> Any:
    """Return NOT of what SQLAlchemy warns of: it will refuse that some day."""
    return UnaryExpression(part.expression, operator=operators.inv, type_=Boolean())


BOUGHT = aliased(Park)
NONE, OPENED = literal(None, Integer()), Park.opened.expression
KEY = UUID(int=0)
DAY, NOW = date(2026, 3, 1), datetime(2026, 3, 1, 12, tzinfo=UTC).replace(tzinfo=None)

# Whatever the values are: what is chosen from is compared, and what is no number is not true.
WRONG_OF_PARK: list[Any] = [
    untrue(Park.doc["shut"]), Park.doc["open"], Park.doc["shut"].is_not(True),
    Park.doc["open"].is_(True),
    Park.doc["open"] == True, untrue(Park.opened), and_(Park.is_open, OPENED),  # noqa: E712
    case((OPENED, 1), else_=0) == 1, untrue(Park.key), untrue(Park.photo), untrue(Park.lasts),
    exists().where(BOUGHT.name.expression),
    exists().where(BOUGHT.doc["open"], BOUGHT.id == Park.id),
    Park.lower == 0, func.lower(Park.name).label("small") == 0, Park.lower == Park.id,
    select(func.lower(BOUGHT.name)).scalar_subquery() == 0, Park.id.in_(select(Park.lower)),
    Park.area == "junk", Park.depth >= "", Park.area == Park.name, Park.key == 0,
    Park.name != KEY, Park.name != b"ann", Park.key != 0.5, Park.key == b"x",
    func.abs(Park.id) < DAY, func.length(Park.name) < "x", func.length(Park.name) == Park.token,
    func.substr(Park.photo, 1, 1).not_in([-1]), Park.key == Park.token,
    Park.key != cast(Park.token, String), Park.id == Park.key,
    case((Park.is_open, 0), else_=Park.name) == 0, case((Park.id == 7, 7), else_=Park.name) == 0,
    func.coalesce(NONE, Park.name) == 0, func.ifnull(Park.name, "") == 0,
    func.coalesce(Park.name, Park.id) == "a", func.nullif(Park.name, 0).is_(None),
    func.greatest(Park.opened, "junk") > NOW, func.strftime("%s", Park.opened) > 5,
    getattr(func, "if")(Park.is_open, Park.name, Park.id) == "a", func.substr(Park.name, 1, 2) == 0,
]  # fmt: skip
RIGHT_OF_PARK: list[Any] = [
    Park.doc["open"].as_boolean(), ~Park.doc["open"].as_boolean(), Park.doc["open"].is_(None),
    Park.doc["open"].as_boolean().is_not(True), exists().where(BOUGHT.is_open),
    exists().where(BOUGHT.doc["open"].as_boolean(), BOUGHT.id == Park.id),
    exists(select(BOUGHT.id).join(Park, BOUGHT.id == Park.id)),
    Park.name.op("REGEXP")("^a"), Park.name.op("<->")("ann") < 0.5, Park.name.op("~*")("^a"),
    and_(Park.name.op("%")("ann"), Park.is_open), Park.doc.op("->>")("name") == "ann",
    Park.doc.op("@>", is_comparison=True)({"a": 1}), Park.lower == "ann", Park.lower == Park.name,
    func.substr(Park.photo, 1, 2) == Park.photo, func.substr(Park.photo, 1, 2) == b"xx",
    Park.area == 1, Park.area >= Decimal("0.5"), Park.depth == Park.area, Park.depth == Park.id,
    Park.key == KEY, Park.key == Park.reserve, Park.reserve == KEY, Park.reserve == Park.token,
    case((Park.is_open, 1), else_=0) == 1, case((Park.is_open, Park.name), else_="") == "ann",
    case((Park.is_open, Park.name), else_=None) == "ann", func.coalesce(Park.name, "") == "",
    func.coalesce(Park.doc["n"].as_integer(), 0) > 1, func.coalesce(Park.opened, NOW) > NOW,
    func.coalesce(Park.is_open, False), func.nullif(Park.name, "").is_(None),
    func.coalesce(select(func.count(BOUGHT.id)).scalar_subquery(), 0) > 1,
    func.greatest(Park.id, 5) == 5, func.ifnull(Park.is_open, True), func.lower(Park.name) == "a",
    func.coalesce(func.length(Park.name), 0) > 3, func.custom(Park.name) == 5, func.custom(Park.id),
    text("name = 0"), literal_column("name") == 0, func.min(Park.opened, func.now()) < NOW,
    Park.doc.is_not(None), Park.doc["a"] == Park.doc["b"], func.coalesce(Park.doc, {}).is_(None),
]  # fmt: skip

STAY = type_coerce(func.daterange(Visit.day, Visit.day), DATERANGE())

WRONG: list[Any] = [
    Visit.day == "2026-03-01", Visit.day >= "", Visit.day <= "junk", Visit.day.in_(["junk"]),
    Visit.begins > 0, Visit.begins != Decimal(1), Visit.begins.between("a", NOW),
    Visit.opens < 5, literal("junk") >= Visit.day, Visit.state == 0, Visit.state.in_([1]),
    Visit.rank == 0, Visit.count == DAY, Visit.guest != NOW, Visit.day <= time(9),
    Visit.opens >= NOW, Visit.opens <= timedelta(0),
    Visit.count == literal(State.OPEN, Integer()), Visit.count == KEY,
    Visit.day != KEY, Visit.count.in_([1, KEY]), Visit.lasts <= "junk", Visit.lasts >= 0,
    Visit.begins - Visit.begins < "junk", Visit.photo == 0, Visit.photo <= DAY,
    tuple_(Visit.id, Visit.day).in_([(1, "junk")]), func.coalesce(Visit.day, DAY) >= "junk",
]  # fmt: skip
RIGHT: list[Any] = [
    Visit.day == DAY, Visit.day <= NOW, Visit.begins >= DAY, Visit.day.in_([DAY]),
    Visit.begins.between(NOW, NOW), Visit.opens < time(9), Visit.count >= Decimal("0.5"),
    Visit.lasts <= timedelta(1), Visit.begins - NOW < timedelta(1), Visit.photo == b"x",
    Visit.count != 1.5, Visit.count == Rank.HIGH, Visit.count == literal(None, Integer()),
    Visit.lasts.between(timedelta(0), timedelta(2)), Visit.state == State.OPEN,
    Visit.state == "OPEN", Visit.state.in_([State.OPEN, State.SHUT]), Visit.rank == Rank.LOW,
    Visit.day.is_(None), extract("year", Visit.day) == 2026, Visit.begins + timedelta(1) > NOW,
    tuple_(Visit.id, Visit.day).in_([(1, DAY)]), Visit.begins <= func.now(),
    Visit.id == any_(literal([1, 2], ARRAY(Integer()))), Visit.day < func.upper(STAY),
    func.lower(STAY) <= DAY, func.lower(Visit.guest) == "ann",
]  # fmt: skip


@pytest.mark.parametrize("condition", WRONG, ids=lambda each: f"{each} {each.compile().params}")
def test_a_value_of_another_sort_is_refused(condition: Any) -> None:
    """To MySQL each word is the number 0, and to SQLite and MySQL it is after each moment."""
    with pytest.raises(UsageError, match="Check it where the policy is made"):
        checked_policy(Policy(visible=condition), Visit)


@pytest.mark.parametrize("condition", RIGHT, ids=lambda each: f"{each} {each.compile().params}")
def test_a_value_of_the_sort_is_taken(condition: Any) -> None:
    assert checked_policy(Policy(visible=condition), Visit).visible is condition


def names_of(conditions: list[Any]) -> list[str]:
    return [f"{place} {each}" for place, each in enumerate(conditions)]


@pytest.mark.parametrize("condition", WRONG_OF_PARK, ids=names_of(WRONG_OF_PARK))
def test_what_no_value_makes_right_is_refused(condition: Any) -> None:
    """PostgreSQL refuses it; to others a word is no truth, or the number 0."""
    with pytest.raises(UsageError, match=r"resource\(Park\) compares .* with"):
        checked_policy(Policy(visible=condition), Park)


@pytest.mark.parametrize("condition", RIGHT_OF_PARK, ids=names_of(RIGHT_OF_PARK))
def test_what_is_not_known_is_left_to_the_database(condition: Any) -> None:
    """An operator of the program's own has no type unless it says one."""
    assert checked_policy(Policy(visible=condition), Park).visible is condition


FORMS: list[Callable[[Any], Any]] = [
    lambda value: Visit.day <= value, lambda value: Visit.state == value,
    lambda value: ~Visit.state.in_([value]),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=["day", "state", "states"])
@pytest.mark.parametrize("value", ["zzz", 0])
async def test_no_row_is_shown_for_it(
    database_url: str, value: Any, form: Callable[[Any], Any]
) -> None:
    """On any backend."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    policy = Policy(visible=form(value))
    app.include_router(resource(Visit, path="/visits", policy=lambda: policy))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Visit(day=DAY, begins=NOW, opens=time(9), lasts=timedelta(1), photo=b"",
                              state=State.OPEN, rank=Rank.LOW, guest="ann", count=1))  # fmt: skip
        answer = await client.get("/visits")
        is_word = value == "zzz" and form is not FORMS[0]
        assert answer.status_code in ({200, 500} if is_word else {500})
        if is_word and answer.status_code == 200:
            assert bool(answer.json()["items"]) == (form is FORMS[2])


FRACTIONS: list[Any] = [
    Visit.count.in_([0, Decimal("1.5")]), Visit.count.not_in([0, 1.5]),
    func.abs(Visit.count).in_([0, Decimal("1.5")]), Visit.count.in_([1, Decimal("NaN")]),
    tuple_(Visit.count, Visit.id).in_([(Decimal("1.5"), 1)]), Visit.day.in_([DAY, NOW]),
    Visit.count == literal(Decimal("1.5"), Integer()), func.date(Visit.begins).in_([DAY, NOW]),
    tuple_(Visit.day, Visit.id).in_([(NOW, 1)]), tuple_(Visit.id, Visit.id).in_([(1, 1), (1, 2.5)]),
]  # fmt: skip
WHOLE: list[Any] = [
    Visit.count.in_([0, Decimal("1.00"), 2.0]), Visit.count == 1.5, Visit.count < Decimal("1.5"),
    tuple_(Visit.count, Visit.id).in_([(Decimal(1), 1)]), func.abs(Visit.count).in_([1, True]),
]  # fmt: skip


@pytest.mark.parametrize("condition", FRACTIONS, ids=names_of(FRACTIONS))
def test_no_value_is_cut(condition: Any) -> None:
    """A list has the type of its first value, and asyncpg leaves out a fraction, or the hours."""
    with pytest.raises(UsageError, match=r"or 1\.5 is 1"):
        checked_policy(Policy(visible=condition), Visit)


@pytest.mark.parametrize("condition", WHOLE, ids=names_of(WHOLE))
def test_a_whole_value_is_compared(condition: Any) -> None:
    assert checked_policy(Policy(visible=condition), Visit).visible is condition
