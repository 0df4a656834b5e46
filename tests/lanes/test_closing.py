"""The end of an application: each request is answered, and nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
from contextlib import closing
from functools import partial

import pytest

from ormolu.lanes import _sqlite
from tests.lanes.things import execute, served, statuses
from tests.reliability._observer import checked_out

BOTH = pytest.mark.backends("sqlite", "asyncpg")


@pytest.mark.long
@BOTH
async def test_close_with_batches_under_way(database_url: str) -> None:
    """Writes and reads that wait are done, and all connections are given back."""
    async with served(database_url, pool_timeout=10.0) as shop:
        await shop.fill(1)
        pair, lanes = shop.db._engines.opened, shop.lanes
        calls = [*(shop.create(f"new {n}") for n in range(300)), *(shop.read(1) for _ in range(9))]
        tasks = [asyncio.ensure_future(call) for call in calls]
        while lanes._writes._lane.load < 100:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0)
        await shop.db.close()
        assert lanes.is_closed
        assert lanes._writes._lane.load == 0  # type: ignore[attr-defined]
        pools = [pair.reader.sync_engine.pool, pair.writer.sync_engine.pool]
        assert [pool.checkedout() for pool in pools] == [0, 0]  # type: ignore[attr-defined]
        answers = statuses(await asyncio.gather(*tasks))
        assert set(answers[:300]) == {201}
        assert set(answers[300:]) == {200}
    assert await execute(database_url, "SELECT count(*) FROM things") == [(301,)]
    gc.collect()


@BOTH
async def test_close_while_lanes_open(database_url: str) -> None:
    """A connection that comes when its lanes are closed goes back at once."""
    async with served(database_url) as shop:
        pair, lanes = shop.db._engines.opened, shop.lanes
        # So that the next connection takes a while to come.
        await pair.dispose()
        read = asyncio.ensure_future(shop.read(1))
        while not checked_out(shop.db):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await lanes.close()
        assert (await read).status_code == 404
        assert pair.reader.sync_engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_close_while_reads_wait_for_a_turn(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes after it is answered by a session."""
    async with served(database_url) as shop:
        await shop.fill(1)
        monkeypatch.setattr(_sqlite, "_TURN", 0.0)
        reads = [asyncio.ensure_future(shop.read(1)) for _ in range(200)]
        await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        await shop.lanes.close()
        assert not all(read.done() for read in reads)
        assert set(statuses(await asyncio.gather(*reads))) == {200}
        assert 0 < len(shop.passed_on) < len(reads)


@pytest.mark.long
@BOTH
async def test_use_after_close(database_url: str) -> None:
    """Lanes that are closed have done nothing; a database that opens again has others."""
    async with served(database_url) as shop:
        await shop.fill(1)
        before = shop.lanes
        await shop.db.close()
        await shop.db.open()
        assert shop.lanes is not before
        assert statuses([await shop.read(1), await shop.create("new")]) == [200, 201]
        assert shop.passed_on == []


@pytest.mark.long
@BOTH
async def test_no_connection_to_be_had(database_url: str) -> None:
    """Whoever finds the pool empty is handed over, and waits where sessions do."""
    async with served(database_url, pool_size=2, max_overflow=0, pool_timeout=0.2) as shop:
        unit = partial(shop.db.unit_of_work, read_only=True)
        async with unit() as one, unit() as two:
            await one.connection()
            await two.connection()
            assert (await shop.read(1)).status_code == 503
        assert (await shop.read(1)).status_code == 404
        await shop.fill(1)
        assert (await shop.read(1)).status_code == 200
        assert "GET /things/1" not in shop.passed_on


@pytest.mark.long
@BOTH
async def test_errors_are_handed_over_with_their_pool(database_url: str) -> None:
    """Sessions have connections beside those that are held, in the smallest pool with lanes."""
    async with served(database_url, pool_size=2, max_overflow=0) as shop:
        await shop.fill(2)
        answers = await asyncio.gather(*(shop.create("thing 1") for _ in range(20)), shop.read(3))
        assert set(statuses(answers)) == {409, 404}


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_log_stays_small(database_url: str, path: str) -> None:
    """The write-ahead log goes back into the file while lanes write and read without a pause."""
    log, biggest = f"{path}-wal", 0
    async with served(f"{database_url}?durability=process", pool_timeout=20.0) as shop:
        await shop.fill(1)
        filler = "x" * 190
        for round_ in range(90):
            names = [f"{round_} {number} {filler}"[:200] for number in range(120)]
            calls = [*(shop.create(name) for name in names), *(shop.read(1) for _ in range(9))]
            assert set(statuses(await asyncio.gather(*calls))) == {200, 201}
            biggest = max(biggest, os.stat(log).st_size)
        # Most of it is in the file by now: not only because it is closed.
        assert os.stat(path).st_size > 2 * 2**20
        assert biggest < 32 * 2**20


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_other_journal(database_url: str, path: str) -> None:
    """Without a log readers keep a COMMIT waiting: it is refused in time, and nothing is stored."""
    async with served(f"{database_url}?journal_mode=delete", lock_timeout=0.3) as shop:
        await shop.fill(1)
        assert "POST /things" not in shop.passed_on
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM things").fetchall()
            answers = await asyncio.gather(*(shop.create(f"new {n}") for n in range(5)))
            assert {each.json()["code"] for each in answers} == {"overloaded"}
        assert statuses([await shop.create("after")]) == [201]
    assert await execute(database_url, "SELECT count(*) FROM things") == [(2,)]
