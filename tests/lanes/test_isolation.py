"""What a read sees: what is committed, all that its client knows of, one snapshot at a time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import Any

import httpx2
import pytest
from sqlalchemy import Integer, String, literal, select, update
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import Database
from ormolu.lanes import Plan, Slot
from tests.lanes.things import (
    Served,
    Thing,
    database_of,
    execute,
    locked,
    served,
    statuses,
)

BOTH = pytest.mark.backends("sqlite", "asyncpg")


async def number_of(shop: Served, key: int = 1) -> int:
    answer = await shop.read(key)
    return int(answer.json()["number"])


@pytest.mark.long
@BOTH
async def test_read_your_writes(database_url: str) -> None:
    """Whoever was answered sees it, and so does everybody else who asks from then on."""
    async with served(database_url) as shop:
        await shop.fill(4)

        async def work(key: int) -> None:
            for number in range(15):
                await shop.change(key, number=number)
                assert await number_of(shop, key) == number

        await asyncio.gather(*(work(key) for key in range(1, 5)))
        assert shop.passed_on == []


@pytest.mark.long
@BOTH
async def test_monotonic_reads(database_url: str) -> None:
    """Nobody sees an older value than before, while others write and read."""
    async with served(database_url) as shop:
        await shop.fill(1)
        is_over = False

        async def watch() -> None:
            seen = 0
            while not is_over:
                seen, before = await number_of(shop), seen
                assert seen >= before
                await asyncio.sleep(0)

        watchers = [asyncio.create_task(watch()) for _ in range(4)]
        for number in range(1, 40):
            await shop.change(1, number=number)
        is_over = True
        await asyncio.gather(*watchers)


@pytest.mark.long
@BOTH
async def test_write_of_another_program(database_url: str) -> None:
    """A read that is sent after another program has committed sees it."""
    async with served(database_url) as shop:
        await shop.fill(1)
        for number in range(1, 6):
            await asyncio.gather(*(number_of(shop) for _ in range(3)))
            await execute(database_url, f"UPDATE things SET number = {number}")
            assert await number_of(shop) == number
        assert shop.passed_on == []


@pytest.mark.long
@BOTH
async def test_no_dirty_reads(database_url: str) -> None:
    """What another transaction has written and not committed is not seen, nor waited for."""
    async with served(database_url) as shop:
        await shop.fill(1)
        async with locked(database_url, "UPDATE things SET number = 666"):
            assert await number_of(shop) == 0
            listed = await shop.client.get("/things")
            assert [each["number"] for each in listed.json()["items"]] == [0]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_batch_under_way_is_not_seen(database_url: str, path: str) -> None:
    """Reads beside a batch see nothing of it that is not committed, and nothing that never is."""
    slow = (
        "CREATE TRIGGER slow AFTER INSERT ON things WHEN new.name LIKE 'slow%' BEGIN "
        "UPDATE things SET number = (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM n LIMIT 300000) SELECT count(*) FROM n) WHERE id = new.id; END"
    )
    end = (
        "CREATE TRIGGER refuse AFTER INSERT ON things WHEN new.name = 'bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
    )
    async with served(database_url, pool_timeout=20.0) as shop:
        await shop.fill(1)
        await execute(database_url, slow, end)
        names = ["a", "slow 1", "b", "slow 2", "c", "slow 3", "bad", "d"]
        writes = asyncio.gather(*(shop.create(name) for name in names))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            while not writes.done():
                listed = (await shop.client.get("/things")).json()["items"]
                stored = {name for (name,) in other.execute("SELECT name FROM things")}
                assert {each["name"] for each in listed} <= stored
                await asyncio.sleep(0)
        assert statuses(await writes) == [422 if name == "bad" else 201 for name in names]


class _Toucher:
    """Middleware of the program's own that writes before the request is answered."""

    def __init__(self, app: ASGIApp, db: Database) -> None:
        self._app = app
        self._db = db

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._db.unit_of_work() as session:
            await session.execute(update(Thing).values(number=Thing.number + 1))
        await self._app(scope, receive, send)

    async def ask(self) -> int:
        transport = httpx2.ASGITransport(app=self)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return int((await client.get("/things/1")).json()["number"])


@pytest.mark.long
@BOTH
async def test_write_in_middleware_is_read_by_the_door(database_url: str) -> None:
    """Each of many requests at once sees at least what was written for itself before."""
    async with served(database_url, pool_timeout=10.0) as shop:
        await shop.fill(1)
        toucher = _Toucher(shop.app, shop.db)
        seen = await asyncio.gather(*(toucher.ask() for _ in range(20)))
        assert max(seen) == 20
        for number in range(21, 25):
            assert await toucher.ask() == number
        assert shop.passed_on == []


def write_at_once(url: str, number: int) -> None:
    """Write on a loop of another thread, while that of the caller stands still."""

    async def write() -> None:
        async with database_of(url) as db, db.unit_of_work() as session:
            await session.execute(update(Thing).values(number=number))

    thread = threading.Thread(target=lambda: asyncio.run(write()))
    thread.start()
    thread.join()


def numbers_plan(shop: Served) -> Plan:
    return Plan(select(Thing.number), [Integer()], shop.db.engine.dialect)


def both(*found: Any) -> Any:
    return found


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_write_within_one_turn_is_seen(database_url: str) -> None:
    """A snapshot is not used by who comes after a commit of this process, in the same turn."""
    async with served(database_url) as shop:
        await shop.fill(1)
        plan = numbers_plan(shop)
        await shop.lanes.fetch(((plan, ()),), list)
        assert await shop.lanes.fetch(((plan, ()),), list) == [(0,)]
        write_at_once(database_url, 7)
        assert await shop.lanes.fetch(((plan, ()),), list) == [(7,)]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_second_statement_of_a_read_is_of_its_snapshot(database_url: str) -> None:
    """What others commit between the two statements of a page is not seen by one of them alone."""
    async with served(database_url) as shop:
        await shop.fill(1)
        lanes, plan = shop.lanes, numbers_plan(shop)
        assert await lanes.fetch(((plan, ()), (plan, ())), both) == ([(0,)], [(0,)])
        assert await lanes.fetch(((plan, ()),), list) == [(0,)]
        write_at_once(database_url, 7)
        reads: Any = lanes._reads  # type: ignore[attr-defined]
        assert reads.fetch(plan, (), is_latest=False) == [(0,)]
        assert await lanes.fetch(((plan, ()),), list) == [(7,)]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_rows_behind_rows_are_of_their_snapshot(database_url: str) -> None:
    """What others commit between a row and those behind it is not seen by one of them alone."""
    async with served(database_url) as shop:
        await shop.fill(1)
        lanes, plan = shop.lanes, numbers_plan(shop)
        has_keys = literal(Slot("keys"), String()) != ""
        behind = Plan(select(Thing.number).where(has_keys), [Integer()], shop.db.engine.dialect)
        assert await lanes.fetch(((plan, ()),), list) == [(0,)]
        write_at_once(database_url, 7)
        assert await lanes.fetch_of(behind, [1]) == [(0,)]


@pytest.mark.backends("asyncpg")
async def test_second_statement_on_postgresql(database_url: str) -> None:
    """Each sees what is committed before it, as the statements of a session that reads do."""
    async with served(database_url) as shop:
        await shop.fill(1)
        plan = numbers_plan(shop)
        assert await shop.lanes.fetch(((plan, ()), (plan, ())), both) == ([(0,)], [(0,)])


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_snapshot_ends_with_its_turn(database_url: str) -> None:
    """No read transaction is kept open: another program can empty the log right after."""
    async with served(database_url) as shop:
        await shop.fill(3)
        assert await number_of(shop) == 0
        rows = await execute(database_url, "PRAGMA wal_checkpoint(TRUNCATE)")
        assert rows == [(0, 0, 0)]


@pytest.mark.backends("asyncpg")
async def test_moment_of_a_batch(database_url: str) -> None:
    """Rows of one batch have one `now()`, that of their transaction, and one `xmin`."""
    async with served(database_url) as shop:
        await execute(database_url, "ALTER TABLE things ADD made timestamptz DEFAULT now()")
        assert statuses([await shop.create("first")]) == [201]
        calls = [shop.create(f"new {number}") for number in range(8)]
        assert statuses(await asyncio.gather(*calls)) == [201] * 8
        counted = "SELECT count(DISTINCT made), count(DISTINCT xmin::text) FROM things"
        assert await execute(database_url, counted) == [(2, 2)]
