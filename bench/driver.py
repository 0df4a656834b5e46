"""`sqlite+ormolu` beside aiosqlite: an AsyncSession that reads a row, and one that stores one.

Both have the same settings (write-ahead log, a sync at each COMMIT, foreign keys) and take turns in
one run. `bench/users.py` has the users example on both.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from bench.guide_model import Base, User
from bench.users import print_rates

WINDOWS = 9
TIMES = 300
TASKS = (1, 8, 32)

Work = Callable[[async_sessionmaker[AsyncSession]], Awaitable[None]]


def main() -> None:
    """Measure and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    engines = {name: await _open(name, folder) for name in ("aiosqlite", "ormolu")}
    for title, work in (("point select", _select), ("insert and commit", _insert)):
        for tasks in TASKS:
            rates: dict[str, list[float]] = {name: [] for name in engines}
            for _ in range(WINDOWS):
                for name, engine in engines.items():
                    rates[name].append(await _rate(engine, work, tasks))
            print_rates(f"AsyncSession, {title}, {tasks} at once, {WINDOWS} windows", rates)
    for engine in engines.values():
        await engine.dispose()


async def _open(name: str, folder: Path) -> AsyncEngine:
    engine = create_async_engine(f"sqlite+{name}:///{folder}/{name}.db")
    if name == "aiosqlite":
        event.listen(engine.sync_engine, "connect", _set_up)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session, session.begin():
        session.add(User(id=1, name="Alice"))
    return engine


def _set_up(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


async def _rate(engine: AsyncEngine, work: Work, tasks: int) -> float:
    maker = async_sessionmaker(engine, expire_on_commit=False)

    async def repeat() -> None:
        for _ in range(TIMES // tasks):
            await work(maker)

    began = time.perf_counter()
    await asyncio.gather(*(repeat() for _ in range(tasks)))
    return TIMES // tasks * tasks / (time.perf_counter() - began)


async def _select(maker: async_sessionmaker[AsyncSession]) -> None:
    async with maker() as session:
        assert (await session.get_one(User, 1)).name


async def _insert(maker: async_sessionmaker[AsyncSession]) -> None:
    async with maker() as session:
        session.add(User(name="Alice"))
        await session.commit()


if __name__ == "__main__":
    main()
