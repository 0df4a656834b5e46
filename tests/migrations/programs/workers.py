"""Workers that start at once on one database: `python workers.py URL ROUNDS`, in the project.

Each round begins with an empty database, then with one at the first revision, then once more so
with a runner that is killed: in every other round while it holds the lock, else at a random moment
from there on. Forked, as the imports would take longest.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path

from sqlalchemy import MetaData

from ormolu import Database, SchemaMode

# With Alembic, which every child would import anew.
from ormolu.migrations import Migrations

URL, ROUNDS = sys.argv[1], int(sys.argv[2])
WORKERS = 8
RUNNING = Path("running")

# MariaDB stores the half of what a killed one has done, which no other can go on with.
IS_UNDONE = not URL.startswith("m")


def database(schema: SchemaMode) -> Database:
    return Database(URL, metadata=MetaData(), schema=schema)


async def start() -> None:
    """Come up as an application does."""
    async with database("migrate") as db:
        await db.ping()


def fork_worker() -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
        logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
        asyncio.run(start())
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def come_up(*, victim_of: str | None = None) -> None:
    victim = 0
    if victim_of is not None:
        os.environ["VICTIM"] = victim_of
        victim = fork_worker()
        del os.environ["VICTIM"]
        while not RUNNING.exists():
            time.sleep(0.001)
    if victim_of == "random":
        time.sleep(random.uniform(0, 0.1))
        os.kill(victim, signal.SIGKILL)
    workers = [fork_worker() for _ in range(WORKERS)]
    if victim:
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        RUNNING.unlink()
    codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
    print("round", codes, flush=True)


async def go_back(revision: str) -> None:
    migrations: Migrations = database("ignore").migrations
    await migrations.downgrade(revision)


for number in range(ROUNDS):
    come_up()
    asyncio.run(go_back("one"))
    come_up()
    asyncio.run(go_back("one"))
    come_up(victim_of="random" if number % 2 and IS_UNDONE else "lock")
    asyncio.run(go_back("base"))
