"""The pool is the queue: who asks first is served first, and who leaves holds nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from ormolu import OverloadedError
from ormolu.engines._pool import FairPool


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """One connection, for which a turn is waited 0.2 s."""
    options: dict[str, Any] = {"poolclass": FairPool, "pool_size": 1, "max_overflow": 0}
    engine = create_async_engine(f"sqlite+ormolu:///{tmp_path}/p.db", pool_timeout=0.2, **options)
    yield engine
    await engine.dispose()


class Line:
    """Tasks that want the connection, one after the other."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.served: list[int] = []
        self._engine = engine

    async def put(self, number: int) -> asyncio.Task[None]:
        """Let a task wait for the connection."""
        task = asyncio.create_task(self._use(number))
        await asyncio.sleep(0.01)
        return task

    async def _use(self, number: int) -> None:
        async with self._engine.connect():
            self.served.append(number)


async def is_free(engine: AsyncEngine) -> bool:
    """Tell whether the connection can be had, and is the only one."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, FairPool)
    async with asyncio.timeout(0.1), engine.connect():
        return not len(pool._line) and pool.checkedout() == 1


async def test_first_come_first_served(engine: AsyncEngine) -> None:
    """Nobody passes those who wait, though they ask when it is given back."""
    line = Line(engine)
    async with engine.connect():
        tasks = [await line.put(number) for number in range(3)]
    tasks.append(asyncio.create_task(line._use(3)))
    await asyncio.gather(*tasks)
    assert line.served == [0, 1, 2, 3]
    assert await is_free(engine)


async def test_wait_is_bounded(engine: AsyncEngine) -> None:
    """Who has waited long enough is told so, and stands in the line no more."""
    line = Line(engine)
    async with engine.connect():
        late = await line.put(0)
        with pytest.raises(OverloadedError, match=r"1 connections were in use for the \d+\.\d\d s"):
            await late
        assert not len(engine.sync_engine.pool._line)  # type: ignore[attr-defined]
    assert await is_free(engine)


async def test_who_is_cancelled_holds_nobody_up(engine: AsyncEngine) -> None:
    """Neither one who waits, nor one whose turn has just come."""
    line = Line(engine)
    async with engine.connect() as connection:
        first, second, third = [await line.put(number) for number in range(3)]
        first.cancel()
        await asyncio.sleep(0)
        await connection.close()
        # The second one has its turn, and has not heard of it.
        second.cancel()
    await third
    for task in (first, second):
        with suppress(asyncio.CancelledError):
            await task
    assert line.served == [2]
    assert await is_free(engine)


async def test_place_of_a_connection_that_cannot_be_opened(tmp_path: Path) -> None:
    """It is given to the next one, who finds the same."""
    url = f"sqlite+ormolu:///{tmp_path}/no/folder.db"
    engine = create_async_engine(url, poolclass=FairPool, pool_size=1, max_overflow=0)
    for _ in range(2):
        with pytest.raises(Exception, match="unable to open"):
            await engine.connect()
    await engine.dispose()


def test_place_that_comes_back_when_the_loop_has_ended(tmp_path: Path) -> None:
    """As when the garbage collector finds a connection that was forgotten."""

    async def take() -> tuple[FairPool, Any]:
        engine = create_async_engine(f"sqlite+ormolu:///{tmp_path}/p.db", poolclass=FairPool)
        pool = engine.sync_engine.pool
        assert isinstance(pool, FairPool)
        return pool, await greenlet_spawn(pool._do_get)

    pool, record = asyncio.run(take())
    assert pool.checkedout() == 1
    pool._do_return_conn(record)
    assert (pool.checkedout(), pool.checkedin()) == (0, 1)
    record.dbapi_connection.terminate()
