"""Mixed load on `sqlite+ormolu` for minutes: `make soak`, or `python -m bench.soak --minutes 1`.

Fails if there is an error, if memory or the write-ahead log grow, if threads stay behind, or if
what was acknowledged is not stored.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

TASKS = 12
REPORT_SECONDS = 10.0
MEBIBYTE = 2**20
LOG_BOUND = 64 * MEBIBYTE
GROWTH_BOUND = 10 * MEBIBYTE

LONG = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9999999) "
    "SELECT count(*) FROM n"
)


class Soak:
    """One run: its engine, what it has done, and what it has seen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = create_async_engine(f"sqlite+ormolu:///{path}?busy_timeout=30")
        self.stored = 0
        self.operations = 0
        self.memory: list[int] = []
        self.threads: list[int] = []
        self.logs: list[int] = []

    async def write(self) -> None:
        """Store rows, some in one statement for many."""
        async with self.engine.begin() as connection:
            rows = [{"n": random.random()} for _ in range(random.choice((1, 1, 1, 50)))]
            await connection.execute(text("INSERT INTO t (n) VALUES (:n)"), rows)
        self.stored += len(rows)

    async def roll_back(self) -> None:
        """Store nothing, after all."""
        async with self.engine.connect() as connection:
            await connection.execute(text("INSERT INTO t (n) VALUES (1)"))
            await connection.rollback()

    async def violate(self) -> None:
        """Break a constraint inside a savepoint."""
        async with self.engine.begin() as connection:
            try:
                async with connection.begin_nested():
                    await connection.execute(text("INSERT INTO t (id, n) VALUES (1, 1)"))
            except IntegrityError:
                return

    async def read(self) -> None:
        """Read one row."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT n FROM t WHERE id = 1"))

    async def stream(self) -> None:
        """Read many rows in batches, or leave after the first."""
        async with self.engine.connect() as connection:
            result = await connection.stream(text("SELECT * FROM t LIMIT 2000"))
            async for _row in result:
                if random.random() < 0.001:
                    break

    async def linger(self) -> None:
        """Stay in one read transaction for a while."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT count(*) FROM t"))
            await asyncio.sleep(0.5)

    async def cancel(self) -> None:
        """Give a long statement up."""
        try:
            async with asyncio.timeout(0.02), self.engine.connect() as connection:
                await connection.execute(LONG)
        except TimeoutError:
            return

    async def work(self, deadline: float) -> None:
        """Do what comes, until the time is up."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            *[self.write] * 6, *[self.read] * 20, self.roll_back, self.violate, self.stream,
            self.cancel,
        ]  # fmt: skip
        while time.monotonic() < deadline:
            kind = self.linger if random.random() < 0.002 else random.choice(kinds)
            await kind()
            self.operations += 1

    async def watch(self, deadline: float) -> None:
        """Note memory, threads and the log, and print them."""
        while time.monotonic() < deadline:
            await asyncio.sleep(min(REPORT_SECONDS, max(0.1, deadline - time.monotonic())))
            self.memory.append(_resident_bytes())
            self.threads.append(threading.active_count())
            self.logs.append(_size(f"{self.path}-wal"))
            print(
                f"{self.operations:9} operations  {self.memory[-1] / MEBIBYTE:6.1f} MiB  "
                f"{self.threads[-1]} threads  log {self.logs[-1] / MEBIBYTE:5.1f} MiB"
            )

    async def check(self) -> list[str]:
        """Return what is wrong at the end."""
        async with self.engine.connect() as connection:
            count = (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one()
        await self.engine.dispose()
        warm = self.memory[len(self.memory) // 10 :]
        wrong = {
            f"{count} rows are stored, {self.stored} were acknowledged": count != self.stored,
            "memory grows": warm[-1] - warm[0] > GROWTH_BOUND,
            "the log grows": max(self.logs) > LOG_BOUND,
            f"up to {max(self.threads)} threads": max(self.threads) > TASKS + 3,
            "threads stay behind": threading.active_count() > 1,
        }
        return [message for message, is_so in wrong.items() if is_so]


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _size(path: str) -> int:
    return os.stat(path).st_size if os.path.exists(path) else 0


async def _create(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, n REAL)"))


async def run(minutes: float) -> list[str]:
    """Run the load, and return what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder) / "soak.db")
        await _create(soak.engine)
        await soak.write()
        deadline = time.monotonic() + minutes * 60
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(soak.work(deadline))
            group.create_task(soak.watch(deadline))
        return await soak.check()


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    wrong = asyncio.run(run(parser.parse_args().minutes))
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
