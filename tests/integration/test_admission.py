"""Statements that run at once leave the event loop to others all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, text

from ormolu import Database
from ormolu.engines import _admission
from ormolu.sqlite import _handle, _short

QUERY = text("SELECT 1")


class Clock:
    """Seconds that pass when somebody asks for the time, and only then."""

    def __init__(self) -> None:
        self.step = 0.0
        self._now = 0.0

    def perf_counter(self) -> float:
        self._now += self.step
        return self._now

    def thread_time(self) -> float:
        return 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of what is admitted, and of what is short, however busy the machine is."""
    clock = Clock()
    monkeypatch.setattr(_admission, "time", clock)
    for module in (_handle, _short):
        monkeypatch.setattr(module, "time", Clock())
    return clock


@pytest.fixture
async def db(tmp_path: Path, clock: Clock) -> AsyncIterator[Database]:
    """A database on SQLite that knows the query for a short one."""
    async with Database(f"sqlite:///{tmp_path}/t.db", metadata=MetaData()) as db:
        for _ in range(20):
            await read(db)
        yield db


async def read(db: Database) -> None:
    """Read in a unit of work of its own."""
    async with db.unit_of_work(read_only=True) as session:
        await session.execute(QUERY)


async def turns_of(db: Database, count: int) -> list[int]:
    """Read in so many tasks at once, and return the turn in which each was done."""
    turn, done = 0, list[int]()

    async def use() -> None:
        await read(db)
        done.append(turn)

    tasks = [asyncio.create_task(use()) for _ in range(count)]
    while len(done) < count:
        turn += 1
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return done


async def test_one_turn_is_not_for_all(db: Database, clock: Clock) -> None:
    """Without time for two, each unit of work is of a turn of its own, in order."""
    clock.step = 1.0
    turns = await turns_of(db, 8)
    assert turns == sorted(set(turns))


async def test_a_turn_is_for_some(db: Database) -> None:
    """With time for all, all are of one."""
    assert len(set(await turns_of(db, 8))) == 1


async def test_who_gives_up_keeps_nobody_from_a_turn(db: Database, clock: Clock) -> None:
    """Be it in line, or with the turn just given to it."""
    clock.step = 1.0
    tasks = [asyncio.create_task(read(db)) for _ in range(12)]
    for _ in range(4):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert done[1::2] == [None] * 6
    await asyncio.wait_for(read(db), 10)


async def test_who_comes_later_goes_behind(db: Database, clock: Clock) -> None:
    """Even in a turn that has time."""
    done = list[str]()

    async def use(name: str) -> None:
        await read(db)
        done.append(name)

    clock.step = 1.0
    early = [asyncio.create_task(use("early")) for _ in range(6)]
    for _ in range(3):
        await asyncio.sleep(0)
    clock.step = 0.0
    late = [asyncio.create_task(use("late")) for _ in range(2)]
    await asyncio.gather(*early, *late)
    assert done == ["early"] * 6 + ["late"] * 2
