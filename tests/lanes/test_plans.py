"""Plans, and what lanes do with those that are given to them directly."""

from __future__ import annotations

import asyncio
import decimal
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.errors import OutcomeUnknownError
from ormolu.lanes import Item, NotDoneError, Plan, PointPlan, Slot, UnplannableError, numbered
from ormolu.lanes._pinned import PinnedConnection
from ormolu.sqlite._writers import writers_of
from ormolu.transactions import Access
from tests.lanes.things import Served, Thing, execute, served, turns

SQLITE = sqlite.dialect()
ASYNCPG = asyncpg.dialect()  # type: ignore[no-untyped-call]
ROW = Table("rows", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer))


class Doubled(TypeDecorator[int]):
    """Stored as twice the number."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return 2 * value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value // 2


def plan_of(statement: Any, *types: TypeEngine[Any], key: slice | None = None) -> Plan:
    return Plan(statement, types, SQLITE, key=key)


def test_values_and_columns_go_through_their_types() -> None:
    """What is bound, fixed in the statement, or read, is what SQLAlchemy makes of it."""
    condition = literal(Slot("n"), Doubled()) == literal(3, Doubled())
    plan = plan_of(select(ROW.c.n).where(condition, ROW.c.id == 5), Doubled(), Integer())
    assert plan.arguments({"n": 4}) == [8, 6, 5]
    assert plan.read((8, 5)) == [4, 5]
    assert plan_of(select(ROW.c.n), Integer()).read((8,)) == (8,)


def test_key_as_it_is() -> None:
    """A key is all the parameters, in order and as they are, or goes the way of other values."""
    plain = plan_of(select(ROW).where(ROW.c.id == Slot("key 0")), Integer())
    key = (7,)
    assert plain.key_arguments(key) is key
    doubled = plan_of(select(ROW).where(literal(Slot("key 0"), Doubled()) == 1), Integer())
    assert doubled.key_arguments(key) == [14, 2]
    assert numbered((5, 6)) == {"key 0": 5, "key 1": 6}


@pytest.mark.parametrize(
    "statement",
    [
        select(ROW).where(tuple_(ROW.c.id, ROW.c.n).in_([(1, 2), (3, 4)])),
        select(ROW).where(ROW.c.id == bindparam("missing")),
        select(ROW).where(ROW.c.id == bindparam("inline", 1, literal_execute=True)),
    ],
    ids=["pairs", "no value", "in its text"],
)
def test_statement_without_a_plan(statement: Any) -> None:
    """One whose text depends on its values, or that lacks one, has none."""
    with pytest.raises(UnplannableError):
        plan_of(statement, Integer())


def test_list_of_slots() -> None:
    """A list has a place for each of its values, and each goes through the type."""
    some = bindparam("some", [Slot("a"), 3, Slot("b")], type_=Doubled(), expanding=True)
    plan = plan_of(select(ROW.c.n).where(ROW.c.n.in_(some), ROW.c.id == Slot("id")), Integer())
    assert plan.text.count("?") == 4
    assert plan.arguments({"a": 1, "b": 2, "id": 9}) == [2, 6, 4, 9]
    assert "IN" in plan_of(select(ROW.c.n).where(ROW.c.n.in_([])), Integer()).text


def test_parameters_around_a_key() -> None:
    """What is known is bound at once; the parts of a key come later, as they are."""
    known = literal(Slot("n"), Doubled()) == ROW.c.n
    plan = plan_of(select(ROW.c.n).where(known, ROW.c.id == Slot("key 0")), Integer())
    complete = plan.arguments_around({"n": 4})
    assert complete((7,)) == [8, 7]


def test_defaults() -> None:
    """Values that Python makes for a column are made for each row, through its type."""
    made = iter(range(9))
    table = Table(
        "made", MetaData(), Column("id", Integer, primary_key=True),
        Column("fixed", Doubled(), default=4),
        Column("called", Integer, default=lambda: next(made)),
        Column("changed", Integer, onupdate=lambda: 9), Column("n", Integer),
    )  # fmt: skip
    plan = plan_of(insert(table).values(n=Slot("n")))
    assert sorted(plan.arguments({"n": 5})) == [0, 5, 8]
    assert sorted(plan.arguments({"n": 5})) == [1, 5, 8]
    assert plan_of(update(table).values(n=Slot("n"))).arguments({"n": 5}) == [9, 5]


def test_default_of_a_statement() -> None:
    """A default that is sent as a statement of its own leaves the row to a session."""
    key = Column("id", String, primary_key=True, default=select(text("1")))
    table = Table("t", MetaData(), key, Column("n", Integer))
    with pytest.raises(UnplannableError, match="a statement of its own"):
        Plan(insert(table).values(n=Slot("n")), (), mysql.dialect())


def test_numbers_of_asyncpg() -> None:
    """They are read by the code of their column, which a plan knows without having asked."""
    statement = select(func.f(), func.g(), func.h())
    plan = Plan(statement, [Float(), Numeric(), Numeric(asdecimal=False)], ASYNCPG)
    one = decimal.Decimal("1.5")
    assert list(plan.read((1.5, one, one))) == [1.5, one, 1.5]


class Odd(Numeric[Any]):
    """A type that needs to be told more."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        raise TypeError


def test_type_that_asks_the_driver() -> None:
    """A type that is read by what the driver says of a column has no plan."""
    with pytest.raises(UnplannableError, match="by what the driver says"):
        plan_of(select(func.f()), Odd())
    assert plan_of(select(func.f()), DateTime()).read(("2026-01-02 03:04:05",))


BOTH = pytest.mark.backends("sqlite", "asyncpg")


def point_of(shop: Served, *, has_many: bool) -> PointPlan:
    """Return the plan for the number of one thing."""
    dialect = shop.db.engine.dialect
    one = select(Thing.number, Thing.id).where(Thing.id == Slot("key 0"))
    types = [Integer(), Integer()]
    if not has_many:
        return PointPlan(one=Plan(one, types, dialect))
    keys = literal(Slot("keys"), ARRAY(Integer))
    many = select(Thing.number, Thing.id).where(Thing.id == any_(keys))
    key = slice(1, 2)
    return PointPlan(one=Plan(one, types, dialect), many=Plan(many, types, dialect, key=key))


@pytest.mark.backends("asyncpg")
async def test_keys_and_rows_in_one_line(database_url: str) -> None:
    """In the smallest pool all reads share a connection: those by a key, and all others."""
    async with served(database_url, pool_size=2, max_overflow=0) as shop:
        await shop.fill(3)
        both = [point_of(shop, has_many=True), point_of(shop, has_many=False)]
        calls = [shop.lanes.fetch_one(both[number % 2], (number,)) for number in range(1, 6)]
        rows = await asyncio.gather(*calls)
        assert [row and row[1] for row in rows] == [1, 2, 3, None, None]


@pytest.mark.backends("asyncpg")
async def test_more_keys_than_one_statement_takes(database_url: str) -> None:
    """Reads of many keys are split into several statements, and each gets its rows."""
    async with served(database_url, pool_timeout=10.0) as shop:
        await shop.fill(3)
        many = point_of(shop, has_many=True).many
        assert many is not None
        keys = [[number, *range(1000 * number, 1000 * number + 300)] for number in (1, 2, 3)]
        found = await asyncio.gather(*(shop.lanes.fetch_of(many, each) for each in keys))
        assert [[row[1] for row in rows] for rows in found] == [[1], [2], [3]]


@pytest.mark.backends("asyncpg")
async def test_read_that_fails(database_url: str) -> None:
    """Those of its statement are not done; the connection goes on, or another one is taken."""
    async with served(database_url, pool_size=2, max_overflow=0) as shop:
        await shop.fill(1)
        point, other = point_of(shop, has_many=True), point_of(shop, has_many=False)
        calls = [
            shop.lanes.fetch_one(point, ("x",)), shop.lanes.fetch_one(point, (1,)),
            shop.lanes.fetch_one(other, ("x",)),
        ]  # fmt: skip
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in failed] == [NotDoneError] * 3
        row = await shop.lanes.fetch_one(point, (1,))
        assert row is not None
        assert tuple(row) == (0, 1)


def insert_plan(shop: Served) -> Plan:
    statement = insert(Thing).values(name=Slot("name"), number=Slot("number"))
    dialect = shop.db.engine.dialect
    return Plan(statement.returning(Thing.id), [Integer()], dialect)


@BOTH
async def test_value_that_the_driver_refuses(database_url: str) -> None:
    """It fails alone, wherever it stands in its batch, and the others are stored once."""
    async with served(database_url) as shop:
        plan = insert_plan(shop)
        given = [*(f"{n}" for n in range(30)), object(), *(f"{n}" for n in range(30, 40))]
        items = [Item(plan, plan.arguments({"name": each, "number": 1})) for each in given]
        calls = [shop.lanes.write(item) for item in items]
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in done].count(NotDoneError) == 1
        assert isinstance(done[30], NotDoneError)
    assert await execute(database_url, "SELECT count(*) FROM things") == [(40,)]


@pytest.mark.backends("sqlite")
async def test_number_that_overflows(database_url: str, path: str) -> None:
    """It fails alone, and the others are stored in one transaction all the same."""
    async with served(database_url) as shop:
        plan, before = insert_plan(shop), writers_of(path).count
        items = [Item(plan, given) for given in (["a", 1], ["b", 2**70], ["c", 3])]
        done = await asyncio.gather(*map(shop.lanes.write, items), return_exceptions=True)
        assert [isinstance(each, NotDoneError) for each in done] == [False, True, False]
        assert writers_of(path).count == before + 1


@pytest.mark.backends("sqlite")
async def test_plain_error_beside_one_that_ends_the_transaction(database_url: str) -> None:
    """Done again alone, one that fails is not done, the others are."""
    trigger = (
        "CREATE TRIGGER refuse AFTER INSERT ON things WHEN new.name = 'bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
    )
    async with served(database_url) as shop:
        await execute(database_url, trigger)
        plan = insert_plan(shop)
        names = ["a", "a", "bad", "b"]
        calls = [shop.lanes.write(Item(plan, [name, 0])) for name in names]
        done = await asyncio.gather(*calls, return_exceptions=True)
        failed = [isinstance(each, NotDoneError) for each in done]
        assert failed == [False, True, True, False]


@pytest.mark.backends("sqlite")
async def test_unknown_outcome_of_one_alone(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done again alone, one whose sync fails is told so."""
    trigger = (
        "CREATE TRIGGER refuse AFTER INSERT ON things WHEN new.name = 'bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
    )
    async with served(database_url) as shop:
        await execute(database_url, trigger)
        plan = insert_plan(shop)

        def fail(_descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("os.fdatasync", fail)
        calls = [shop.lanes.write(Item(plan, [name, 0])) for name in ("a", "bad")]
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(done[0], OutcomeUnknownError)


@pytest.mark.backends("sqlite")
async def test_long_read_is_left_to_threads(database_url: str) -> None:
    """A read that keeps the event loop is given up, for a while, twice as long each time."""
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 1000000) "
        "SELECT count(*) FROM n"
    )
    async with served(database_url) as shop:
        await shop.fill(1)
        lanes: Any = shop.lanes
        await shop.read(1)
        plan = Plan(select(Thing.id), [Integer()], shop.db.engine.dialect)
        plan.text = numbers
        for _ in range(2):
            with pytest.raises(NotDoneError):
                await lanes.fetch(((plan, ()),), list)
        first = lanes._reads._bans._until[numbers]
        assert first[1] == 2.0
        lanes._reads._bans._until[numbers] = (0.0, first[1])
        with pytest.raises(NotDoneError):
            await lanes.fetch(((plan, ()),), list)
        assert lanes._reads._bans._until[numbers][1] == 4.0
        assert (await shop.read(1)).status_code == 200
        assert shop.passed_on == []


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_steps_are_those_of_one_read(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the reads of the same turn before it count, nor do they for the end of the turn."""
    monkeypatch.setattr("ormolu.lanes._sqlite._STEPS", 1)
    monkeypatch.setattr("ormolu.lanes._sqlite._ROUNDS", 1000)
    async with served(database_url) as shop:
        await shop.fill(1)
        point, lanes = point_of(shop, has_many=False), shop.lanes
        rows = [await lanes.fetch_one(point, (1,)) for _ in range(300)]
        assert rows == [(0, 1)] * 300
        long = Plan(select(Thing.id), [Integer()], shop.db.engine.dialect)
        long.text = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) "
            "SELECT count(*) FROM n"
        )
        with pytest.raises(NotDoneError):
            await lanes.fetch(((long, ()),), list)
        await turns(3)
        assert not lanes._reads._sqlite.in_transaction  # type: ignore[attr-defined]
        assert await lanes.fetch_one(point, (1,)) == (0, 1)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_reads_in_another_journal(database_url: str) -> None:
    """There a read may have to wait for those who write: it is left to threads."""
    async with served(f"{database_url}?journal_mode=delete") as shop:
        assert (await shop.read(1)).status_code == 404
        assert (await shop.client.get("/things")).json()["items"] == []
        assert shop.passed_on == ["GET /things/1", "GET /things"]


@BOTH
async def test_connection_that_two_ask_for(database_url: str) -> None:
    """It is taken once; one that is dropped is no more, and none is taken after the end."""
    async with served(database_url) as shop:
        held = PinnedConnection(shop.db._engines, Access.READ, lambda: False)
        await held.drop()
        first = await held.take()
        await held.drop()
        second, third = await asyncio.gather(held.take(), held.take())
        assert second is third
        assert second is not first
        await held.give_back()
        with pytest.raises(NotDoneError):
            await held.take()
        await held.give_back()


def test_keys_that_come_later() -> None:
    """What is known is bound at once, and the list of keys is bound once it is there."""
    known = literal(Slot("n"), Doubled()) == ROW.c.n
    some = ROW.c.id == literal(Slot("keys"), Doubled())
    plan = plan_of(select(ROW.c.n).where(known, some), Integer())
    arguments = plan.arguments_but_keys({"n": 4})
    assert plan.with_keys(arguments, 5) == [8, 10]  # type: ignore[arg-type]
    assert arguments == [8, None]
