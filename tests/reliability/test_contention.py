"""Requests that meet: real deadlocks and conflicts, each acknowledged, each stored once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database, SessionDep, retry
from ormolu.engines import Precedence
from ormolu.engines import _precedence as precedences
from ormolu.engines._counts import Counts
from ormolu.sessions import Repeats
from tests.fixtures.apps import client_of
from tests.fixtures.kept import KeptApp, keep_running
from tests.reliability.contention import Bank, Base, Purse, check, increments, moves

pytestmark = pytest.mark.anyio

servers = pytest.mark.backends("asyncpg", "psycopg", "mariadb")


class Meeting:
    """Lets the first runs of two requests wait for each other, and counts all."""

    def __init__(self) -> None:
        self.runs = 0
        self._met = asyncio.Barrier(2)

    def begin(self) -> bool:
        self.runs += 1
        return self.runs <= 2

    async def meet(self, *, is_first: bool) -> None:
        if is_first:
            await self._met.wait()


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    db = Database(module_url, metadata=Base.metadata, isolation_level="SERIALIZABLE")
    app = FastAPI()
    db.attach(app)
    app.state.meeting = None

    @app.post("/cross")
    @retry
    async def cross(first: int, second: int, session: SessionDep) -> None:
        is_first = app.state.meeting.begin()
        for number in (first, second):
            await session.execute(update(Purse).where(Purse.id == number).values(coins=number))
            await app.state.meeting.meet(is_first=is_first and number == first)

    @app.post("/unmarked")
    async def cross_unmarked(first: int, second: int, session: SessionDep) -> None:
        await cross(first, second, session)

    @app.post("/skew")
    @retry
    async def skew(number: int, session: SessionDep) -> None:
        is_first = app.state.meeting.begin()
        total = sum(await session.scalars(select(Purse.coins)))
        await app.state.meeting.meet(is_first=is_first)
        await session.execute(update(Purse).where(Purse.id == number).values(coins=total + 1))
        await session.flush()

    async with keep_running(app, db) as found:
        yield found


async def fill(session: AsyncSession) -> None:
    session.add_all([Purse(id=1), Purse(id=2)])


async def coins(db: Database) -> list[int]:
    async with db.unit_of_work(read_only=True) as session:
        return list(await session.scalars(select(Purse.coins).order_by(Purse.id)))


@servers
async def test_a_deadlock_is_run_again(served: KeptApp) -> None:
    """Of two transfers that cross both are acknowledged; one was run twice."""
    async with served.client() as client:
        meeting = served.app.state.meeting = Meeting()
        await served.db.run(fill)
        paths = ("/cross?first=1&second=2", "/cross?first=2&second=1")
        answers = await asyncio.gather(*map(client.post, paths))
        assert [each.status_code for each in answers] == [200, 200]
        assert meeting.runs == 3
        assert await coins(served.db) == [1, 2]


@servers
async def test_a_deadlock_is_called_one(served: KeptApp, caplog: pytest.LogCaptureFixture) -> None:
    """The server finds it before the limit of the lock wait, and the log has its code."""
    caplog.set_level(logging.WARNING, logger="ormolu")
    async with served.client() as client:
        served.app.state.meeting = Meeting()
        await served.db.run(fill)
        paths = ("/unmarked?first=1&second=2", "/unmarked?first=2&second=1")
        answers = await asyncio.gather(*map(client.post, paths))
        assert sorted(each.status_code for each in answers) == [200, 503]
    told = "".join(each.message for each in caplog.records)
    assert "[40P01]" in told or "[1213]" in told


@servers
async def test_a_conflict_of_serialisable_transactions_is_run_again(served: KeptApp) -> None:
    """Of two that each read what the other writes, one sees the other's change at last."""
    async with served.client() as client:
        meeting = served.app.state.meeting = Meeting()
        await served.db.run(fill)
        answers = await asyncio.gather(*map(client.post, ("/skew?number=1", "/skew?number=2")))
        assert [each.status_code for each in answers] == [200, 200]
        assert meeting.runs == 3
        assert sorted(await coins(served.db)) == [1, 2]


@pytest.mark.long
async def test_each_increment_is_stored_once(database_url: str) -> None:
    """Reading, adding one, writing: under SERIALIZABLE none is lost, and none refused."""
    bank = Bank(database_url, isolation_level="SERIALIZABLE")
    await check(bank, increments(40), 8, (40, 0))


@pytest.mark.long
@pytest.mark.backends("sqlite", "mariadb")
async def test_each_transfer_is_stored_once(database_url: str) -> None:
    """Of many that cross none is lost, and none refused. PostgreSQL takes a second for each."""
    await check(Bank(database_url), moves(40), 8, (0, 0))


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_functions_that_meet_are_called_again(database_url: str) -> None:
    """Those that `db.run` calls in tasks, as well."""
    options = {"metadata": Base.metadata, "isolation_level": "SERIALIZABLE"}

    async def increment(session: AsyncSession) -> None:
        purse = await session.get_one(Purse, 1)
        purse.coins = purse.coins + 1

    async with Database(database_url, **options) as db:  # type: ignore[arg-type]
        await db.run(fill)
        await asyncio.gather(*[db.run(increment) for _ in range(20)])
        assert await coins(db) == [20, 0]


async def test_others_wait_for_who_goes_first() -> None:
    """Who does the same waits until the last one in line is done; who does not, does not."""
    precedence, done = Precedence(), list[str]()

    async def pass_by(work: str) -> None:
        await precedence.give_way(work)
        done.append(work)

    async def go_first(name: str) -> None:
        await precedence.take("moves", 60)
        await precedence.give_way("moves")
        done.append(name)
        precedence.release("moves")

    await asyncio.create_task(precedence.take("moves", 60))
    line = [asyncio.create_task(go_first(name)) for name in ("first", "second")]
    others = [asyncio.create_task(pass_by(name)) for name in ("moves", "increments")]
    await others[1]
    assert done == ["increments"]
    precedence.release("moves")
    await asyncio.gather(*line, *others)
    assert done == ["increments", "first", "second", "moves"]
    assert not precedence.lines


async def test_who_goes_first_waits_for_those_at_work() -> None:
    """It begins once the last of them has ended."""
    precedence = Precedence()
    precedence.begin("moves")
    precedence.begin("moves")
    taken = asyncio.create_task(precedence.take("moves", 60))
    await asyncio.sleep(0)
    precedence.end("moves")
    await asyncio.sleep(0)
    assert not taken.done()
    precedence.end("moves")
    await taken
    precedence.release("moves")


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in line, nor for who goes first, nor for those at work."""
    for name in ("_PATIENCE", "_END_SECONDS"):
        monkeypatch.setattr(precedences, name, 0)
    precedence = Precedence()
    precedence.begin("moves")
    await asyncio.create_task(precedence.take("moves", 60))
    await precedence.give_way("moves")
    with pytest.raises(TimeoutError):
        await precedence.take("moves", 0)
    precedence.release("moves")
    assert not precedence.lines


async def test_who_is_cancelled_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """In line, and while it waits for those at work."""
    precedence = Precedence()
    precedence.begin("moves")
    waits = asyncio.create_task(precedence.take("moves", 60))
    stands = asyncio.create_task(precedence.take("moves", 60))
    await asyncio.sleep(0)
    for task in (stands, waits):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not precedence.lines


async def test_who_comes_too_late_goes_with_the_others() -> None:
    """Whose time is up in line is run all the same; who is cancelled there leaves it."""
    precedence = Precedence()
    pair = SimpleNamespace(precedence=precedence)
    database: Any = SimpleNamespace(current=pair, counts=Counts())
    closed: Any = SimpleNamespace(current=None, counts=Counts())
    await asyncio.create_task(precedence.take(1, 60))
    late = Repeats(began_at=0.0)
    await late.begin([closed, database], 1)
    late.end()
    assert late.tries == 2
    waiting = Repeats()
    waiting.tries = 2
    task = asyncio.create_task(waiting.begin([database], 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    precedence.release(1)
    assert not precedence.lines


async def test_an_application_opens_and_closes(database_url: str) -> None:
    """What is counted of the transactions of an application comes to nothing."""
    bank = Bank(database_url)
    async with client_of(bank.app) as client:
        await bank.fill()
        await client.post("/increments?name=a")
        assert not bank.db._engines.opened.precedence._running
