"""Reads of one row each that wait together are one statement, each with its own caller's values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Header
from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Integer,
    MetaData,
    String,
    and_,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, Policy, resource
from ormolu.lanes import NotDoneError, Plan, PointPlan, Slot
from ormolu.lanes._pinned_lane import PinnedLane
from ormolu.lanes._together import together
from tests.fixtures.apps import client_of
from tests.lanes.things import Served, Thing, served

ASYNCPG = pytest.mark.backends("asyncpg")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Crew(Base):
    __tablename__ = "together_crews"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Boat(Base):
    __tablename__ = "together_boats"

    id: Mapped[int] = mapped_column(primary_key=True)
    crew_id: Mapped[int] = mapped_column(ForeignKey("together_crews.id"))
    owner: Mapped[str] = mapped_column(String(20))
    tag: Mapped[UUID | None]
    is_public: Mapped[bool]
    note: Mapped[str | None] = mapped_column(String(40))
    crew: Mapped[Crew] = relationship()


TAGS = [UUID(int=number) for number in range(4)]
OWNERS = ["ann", "Bob", "o'hara", "zoë", "$1", "a\nb"]

Condition = Callable[[int], ColumnElement[bool]]

# What a caller with a number sees.
POLICIES: dict[str, Condition] = {
    "number": lambda n: Boat.crew_id == n % 3,
    "text": lambda n: Boat.owner == OWNERS[n % 6],
    "uuid": lambda n: Boat.tag == TAGS[n % 4],
    "truth": lambda n: Boat.is_public == bool(n % 2),
    "list": lambda n: Boat.crew_id.in_([n % 3, 7]),
    "either": lambda n: or_(Boat.is_public.is_(True), Boat.owner == OWNERS[n % 6]),
    "not": lambda n: not_(and_(Boat.crew_id == n % 3, Boat.owner < OWNERS[n % 6])),
    "relation": lambda n: Boat.crew.has(Crew.name == f"crew {n % 3}"),
    "subquery": lambda n: Boat.crew_id.in_(select(Crew.id).where(Crew.id >= n % 3)),
    "case": lambda n: case((Boat.is_public, 1), else_=n % 3) == 1,
    "start": lambda n: Boat.owner.startswith(OWNERS[n % 6][0], autoescape=True),
    "function": lambda n: func.lower(Boat.owner) == OWNERS[n % 6],
    "dollar": lambda n: and_(func.coalesce(Boat.note, text("'$2'")) != "$1", Boat.crew_id == n % 3),
    "null": lambda n: Boat.note == (None if n % 2 else "x"),
    "same twice": lambda n: or_(Boat.crew_id == n % 3, Boat.id == n % 3),
}  # fmt: skip


class Sent:
    """The statements that lanes send."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        read = PinnedLane._read

        async def watched(lane: Any, text: str, arguments: Sequence[Any]) -> Any:
            self.texts.append(text)
            return await read(lane, text, arguments)

        monkeypatch.setattr(PinnedLane, "_read", watched)

    @property
    def together(self) -> int:
        return sum("unnest" in each for each in self.texts)


async def boats_of(url: str, name: str) -> tuple[FastAPI, Database]:
    """Return an application in which the header tells the caller's number."""

    def own(x_number: Annotated[int, Header()]) -> Policy:
        return Policy(visible=POLICIES[name](x_number))

    app, db = FastAPI(), Database(url, metadata=Base.metadata, connect_timeout=10.0)
    db.attach(app)
    app.include_router(resource(Boat, path="/boats", policy=own))
    return app, db


async def fill(db: Database) -> None:
    async with db.unit_of_work() as session:
        session.add_all(Crew(id=n, name=f"crew {n}") for n in range(3))
        session.add_all(
            Boat(id=n, crew_id=n % 3, owner=OWNERS[n % 6], tag=TAGS[n % 4] if n % 5 else None,
                 is_public=n % 7 < 3, note=None if n % 2 else "x")
            for n in range(1, 25)
        )  # fmt: skip


async def visible_to(db: Database, name: str, caller: int) -> set[int]:
    """Ask without any of our statements which rows a caller sees."""
    async with db.unit_of_work(read_only=True) as session:
        return set(await session.scalars(select(Boat.id).where(POLICIES[name](caller))))


async def read_all(
    client: httpx2.AsyncClient, pairs: Sequence[tuple[int, int]]
) -> list[httpx2.Response]:
    return await asyncio.gather(
        *(client.get(f"/boats/{key}", headers={"X-Number": str(caller)}) for caller, key in pairs)
    )


@pytest.mark.parametrize("name", POLICIES)
@ASYNCPG
async def test_each_reads_by_its_own_policy(
    database_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A crowd of callers gets what each of them may see, in far fewer statements than requests."""
    sent = Sent(monkeypatch)
    app, db = await boats_of(database_url, name)
    async with client_of(app) as client:
        await fill(db)
        for caller in (0, 1):  # a form of policy has plans once it comes again
            await read_all(client, [(caller, 1), (caller, 2)])
        seen = {caller: await visible_to(db, name, caller) for caller in range(6)}
        pairs = [(key % 6, key) for key in range(1, 25)] + [(key % 5, key) for key in range(1, 25)]
        for answer, (caller, key) in zip(await read_all(client, pairs), pairs, strict=True):
            assert answer.status_code == (200 if key in seen[caller] else 404), (caller, key)
            if answer.status_code == 200:
                assert answer.json()["id"] == key
                assert answer.json()["owner"] == OWNERS[key % 6]
    # A text with a dollar has none; and truths and NULL are no values to SQLAlchemy. Then callers
    # of the same values read by their keys.
    assert bool(sent.together) is (name not in {"dollar", "truth"})
    assert any("ANY" in each for each in sent.texts) is (name in {"dollar", "null", "truth"})


SELECT = "SELECT a.id FROM a WHERE a.id = $1::INTEGER"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a.id FROM a",
        "SELECT a.id FROM a WHERE a.name = $1",  # of the type that the server gives it: CITEXT, say
        f"{SELECT} AND a.c = $2",
        "SELECT a.id FROM a WHERE a.id = $1::INTEGER[]",
        "SELECT a.id FROM a WHERE a.n = $1::VARCHAR(3)",
        "SELECT a.id FROM a WHERE a.at = $1::TIMESTAMP WITH TIME ZONE",
        "SELECT a.id FROM a WHERE a.id = $1::color",
        "SELECT a.id FROM a WHERE a.id = $1::INTEGER AND a.n = $1::VARCHAR",
        "SELECT a.id FROM a WHERE a.id = $2::INTEGER",
        f"{SELECT} AND a.n = '$2::INTEGER'",
        f'{SELECT} AND a."$2::INTEGER" = 1',
        f"{SELECT} AND a.price$1 = 1",
        f"{SELECT} AND a.n = $$x$$",
        f"{SELECT} AND a.n = E'\\'$1'",
        f"{SELECT} -- '",
        f"{SELECT} /* ' */ AND a.n = '$1::INTEGER' /* ' */",
        "SELECT ormolu_asked.id FROM ormolu_asked WHERE ormolu_asked.id = $1::INTEGER",
    ],
)
def test_statements_without_a_form_for_many(sql: str) -> None:
    """Where a dollar may be no parameter's, or its type is not told, reads go one by one."""
    assert together(sql) is None
    assert together(SELECT) is not None


def test_the_form_for_many() -> None:
    """Each parameter is a list, from which each read takes its own; texts stay as they are."""
    form = together(
        "SELECT \"a b\".id FROM \"a b\" WHERE \"a b\".n = $2::VARCHAR AND 'it''s' = 'x' "
        "AND \"a b\".id IN ($1::INTEGER, $3::INTEGER) OR $2::VARCHAR = 'y'"
    )
    assert form is not None
    assert form.text == (
        "SELECT ormolu_found.*, ormolu_asked.number FROM unnest($1::INTEGER[], $2::VARCHAR[], "
        "$3::INTEGER[]) WITH ORDINALITY AS ormolu_asked(p1, p2, p3, number) CROSS JOIN LATERAL ("
        'SELECT "a b".id FROM "a b" WHERE "a b".n = ormolu_asked.p2::VARCHAR AND \'it\'\'s\' = '
        "'x' AND \"a b\".id IN (ormolu_asked.p1::INTEGER, ormolu_asked.p3::INTEGER) OR "
        "ormolu_asked.p2::VARCHAR = 'y') AS ormolu_found"
    )
    assert form.arguments([(1, "x", 2), (3, "y", 4)]) == [[1, 3], ["x", "y"], [2, 4]]


@pytest.mark.parametrize(
    ("name", "taken", "left"),
    [
        ("SMALLINT", [0, -32768, 32767], [32768, True, 1.0, None, "1"]),
        ("INTEGER", [-(2**31), 2**31 - 1], [2**31, False, "1"]),
        ("BIGINT", [2**63 - 1], [2**63]),
        ("VARCHAR", ["", "it's", "$1"], ["\x00", "\ud800", "a\n", 1, None, b""]),
        ("BOOLEAN", [True, False], [1, None]),
        ("UUID", [UUID(int=1)], [str(UUID(int=1)), None]),
    ],
)
def test_values_that_go_alone(name: str, taken: list[Any], left: list[Any]) -> None:
    """A value that may make the statement fail takes no part in that of others."""
    form = together(f"SELECT $1::{name}")
    assert form is not None
    assert [form.takes([value]) for value in taken] == [True] * len(taken)
    assert [form.takes([value]) for value in left] == [False] * len(left)


def number_of(shop: Served, number: Any) -> PointPlan:
    """Return the plan for a thing with a number, by its key, compared as `number` is."""
    slots = Thing.id == Slot("key 0"), Thing.number == number
    plan = Plan(select(Thing.id, Thing.name).where(*slots), [Integer(), String()],
                shop.db.engine.dialect)  # fmt: skip
    return PointPlan(one=plan)


@ASYNCPG
async def test_a_value_that_fails_spoils_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends what the column does not take is not done; the others have their rows."""
    sent = Sent(monkeypatch)
    async with served(database_url) as shop:
        await shop.fill(4)
        plan = number_of(shop, Slot("number"))
        numbers: list[Any] = [0, 0, 2**40, 0, "x", None, 0, True, 1]
        calls = [
            shop.lanes.fetch_one(plan, (1 + at % 4,), {"number": number})
            for at, number in enumerate(numbers)
        ]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in found if isinstance(each, Exception)] == [NotDoneError] * 2
        assert isinstance(found[2], NotDoneError)
        assert isinstance(found[4], NotDoneError)
        keys = [None if row is None else row[0] for row in found
                if not isinstance(row, BaseException)]  # fmt: skip
        assert keys == [1, 2, 4, None, 3, None, None]
        assert sent.together == 1


@ASYNCPG
async def test_a_form_that_fails_is_left(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reads are not done, and the next ones go one by one."""
    sent = Sent(monkeypatch)
    async with served(database_url) as shop:
        await shop.fill(4)
        # Division by zero, for one of them only.
        divisor = literal(Slot("divisor"), Integer())
        plan = number_of(shop, Thing.number.op("/")(divisor))
        assert plan.one.together is not None
        broken = [shop.lanes.fetch_one(plan, (key,), {"divisor": key - 2}) for key in (1, 2, 3, 4)]
        found = await asyncio.gather(*broken, return_exceptions=True)
        assert {type(each) for each in found} == {NotDoneError}
        assert sent.together == 1
        whole = [shop.lanes.fetch_one(plan, (key,), {"divisor": key}) for key in (1, 2, 3, 4)]
        rows = await asyncio.gather(*whole)
        assert [row and row[0] for row in rows] == [1, 2, 3, 4]
        assert sent.together == 1
