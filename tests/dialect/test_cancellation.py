"""Cancelled and late statements: stopped soon, and their connections go on."""

import asyncio
import sqlite3
import time

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.dialect.conftest import Make
from tests.dialect.test_transactions import READ, WRITE, is_locked, read

LONG = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000) "
    "SELECT count(*) FROM n"
)
LONG_INSERT = text(
    "INSERT INTO t (n) WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000) SELECT i FROM n"
)


async def test_timeout_stops_a_statement_and_keeps_its_connection(engine: AsyncEngine) -> None:
    """A read that is cut short ends soon, and the same connection and transaction go on."""
    async with engine.connect() as connection:
        before = await connection.get_raw_connection()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.execute(LONG)
        assert (await connection.execute(READ)).scalar_one() == 0
        # 50 ms on an idle machine
        assert time.monotonic() - began < 1
        after = await connection.get_raw_connection()
        assert after.driver_connection is before.driver_connection


async def test_cancel_scope_leaves_the_pool_whole(engine: AsyncEngine) -> None:
    """anyio cancels every await of the way out; the connection comes back all the same."""
    with anyio.move_on_after(0.1):
        async with engine.connect() as connection:
            await connection.execute(LONG)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await read(engine) == 0


async def test_cancelled_write_loses_its_transaction_aloud(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """SQLite rolls back an interrupted write and all before it; nothing continues half of it."""
    async with engine.connect() as connection:
        await connection.execute(WRITE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.execute(LONG_INSERT)
        with pytest.raises(OperationalError, match="rolled this transaction back"):
            await connection.execute(WRITE)
        await connection.rollback()
        assert not is_locked(other)
    assert await read(engine) == 0


async def test_cancelled_waiter_leaves_the_line(engine: AsyncEngine) -> None:
    """One who gives up waiting for the turn holds nobody up."""
    async with engine.connect() as holder, engine.connect() as waiter:
        await holder.execute(WRITE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await waiter.execute(WRITE)
        await waiter.rollback()
        await holder.commit()
        async with asyncio.timeout(1):
            async with engine.begin() as connection:
                await connection.execute(WRITE)
    assert await read(engine) == 2


async def test_cancelled_while_another_program_holds_the_lock(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """Waiting for the file's lock is given up as soon."""
    other.execute("BEGIN IMMEDIATE")
    async with engine.connect() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.execute(WRITE)
    other.execute("COMMIT")
    async with asyncio.timeout(1):
        async with engine.begin() as connection:
            await connection.execute(WRITE)


async def test_commit_is_not_interrupted(engine: AsyncEngine) -> None:
    """A COMMIT whose caller is cancelled is done or not, as a whole, and leaves nothing open."""
    for delay in range(20):
        before = await read(engine)
        connection = await engine.connect()
        await connection.execute(WRITE)
        task = asyncio.create_task(connection.commit())
        await asyncio.sleep(delay * 0.00005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()
        assert await read(engine) in {before, before + 1}
        async with engine.begin() as writer:
            await writer.execute(WRITE)


async def test_statement_timeout(make: Make, engine: AsyncEngine) -> None:
    """An option of the URL limits every statement; the error says so, the connection goes on."""
    hasty = make("?statement_timeout=0.1")
    async with hasty.connect() as connection:
        with pytest.raises(OperationalError, match=r"ran for over 0\.1 s"):
            await connection.execute(LONG)
        assert (await connection.execute(READ)).scalar_one() == 0


async def test_slow_statement_keeps_nobody_from_reading(engine: AsyncEngine) -> None:
    """While one connection is busy for long, the others read and the event loop runs."""
    slow = asyncio.create_task(read_long(engine))
    await asyncio.sleep(0.02)
    for _ in range(20):
        began = time.monotonic()
        await read(engine)
        assert time.monotonic() - began < 0.5
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def read_long(engine: AsyncEngine) -> None:
    """Keep a connection busy."""
    async with engine.connect() as connection:
        await connection.execute(LONG)


async def test_dispose_does_not_wait_for_a_cancelled_statement(make: Make) -> None:
    """What still runs when a connection is thrown away is interrupted."""
    engine = make()
    connection = await engine.connect()
    task = asyncio.create_task(connection.execute(LONG))
    await asyncio.sleep(0.1)
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    driver.terminate()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], Exception)
    await connection.invalidate()
    await connection.close()


async def test_run_is_cancelled_like_a_statement(engine: AsyncEngine) -> None:
    """A function on the connection's thread is interrupted where it executes SQL."""
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await driver.run(lambda sqlite: sqlite.execute(str(LONG)).fetchall())
        assert (await connection.execute(READ)).scalar_one() == 0
