"""`sqlite+ormolu` beside aiosqlite: an AsyncSession that reads a row, and one that stores one.

Both have the same settings (write-ahead log, a sync at each COMMIT, foreign keys) and take turns in
one run. "Blocking calls" is a Session without asyncio: the floor for both.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, sessionmaker

from bench._blocking import make_blocking_engine, set_up
from bench.programs.plain_model import Base, User

WINDOWS = 9
TIMES = 300
TASKS = (1, 8, 32)

Work = Callable[[async_sessionmaker[AsyncSession]], Awaitable[None]]


def main() -> None:
    """Measure and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    blocking_engine = make_blocking_engine(f"sqlite:///{folder}/blocking.db")
    blocking = sessionmaker(blocking_engine, expire_on_commit=False)
    engines = {name: await _open(name, folder) for name in ("aiosqlite", "ormolu")}
    Base.metadata.create_all(blocking_engine)
    _insert_blocking(blocking)
    works = (
        ("point select", _select, _select_blocking),
        ("insert and commit", _insert, _insert_blocking),
    )
    for title, work, work_blocking in works:
        for tasks in TASKS:
            rates: dict[str, list[float]] = {name: [] for name in (*engines, "blocking calls")}
            for _ in range(WINDOWS):
                for name, engine in engines.items():
                    rates[name].append(await _rate(engine, work, tasks))
                began = time.perf_counter()
                for _ in range(TIMES):
                    work_blocking(blocking)
                rates["blocking calls"].append(TIMES / (time.perf_counter() - began))
            print_rates(f"AsyncSession, {title}, {tasks} at once, {WINDOWS} windows", rates)
    for engine in engines.values():
        await engine.dispose()
    blocking_engine.dispose()


async def _open(name: str, folder: Path) -> AsyncEngine:
    engine = create_async_engine(f"sqlite+{name}:///{folder}/{name}.db")
    if name == "aiosqlite":
        event.listen(engine.sync_engine, "connect", set_up)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session, session.begin():
        session.add(User(id=1, name="Alice"))
    return engine


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


def _select_blocking(maker: sessionmaker[Session]) -> None:
    with maker() as session:
        assert session.get_one(User, 1).name


def _insert_blocking(maker: sessionmaker[Session]) -> None:
    with maker() as session:
        session.add(User(name="Alice"))
        session.commit()


def print_rates(title: str, rates: dict[str, list[float]]) -> None:
    """Print each rate, and its ratio to the first one, window by window."""
    name, *_ = rates
    baseline = rates[name]
    print(f"\n{title}")
    for key, values in rates.items():
        ratios = sorted(value / base for value, base in zip(values, baseline, strict=True))
        print(
            f"  {key:24} {statistics.median(values):8.0f}/s   "
            f"{statistics.median(ratios):5.2f}x {name}  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
