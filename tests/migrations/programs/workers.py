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
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

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


def fork(work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Do it in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
        logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
        asyncio.run(work())
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def come_up(*, victim_of: str | None = None) -> None:
    victim = 0
    if victim_of is not None:
        os.environ["VICTIM"] = victim_of
        victim = fork(start)
        del os.environ["VICTIM"]
        while not RUNNING.exists():
            time.sleep(0.001)
    if victim_of == "random":
        time.sleep(random.uniform(0, 0.1))
        os.kill(victim, signal.SIGKILL)
    workers = [fork(start) for _ in range(WORKERS)]
    if victim:
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        RUNNING.unlink()
    codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
    print("round", codes, flush=True)


def go_back(revision: str) -> None:
    """Go back, in another process.

    Here it would leave a thread, which may still hold a lock of OpenSSL's as it ends: a worker that
    is forked in that moment waits for it for ever.
    """

    async def work() -> None:
        migrations: Migrations = database("ignore").migrations
        await migrations.downgrade(revision)

    assert os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1]) == 0


for number in range(ROUNDS):
    come_up()
    go_back("one")
    come_up()
    go_back("one")
    come_up(victim_of="random" if number % 2 and IS_UNDONE else "lock")
    go_back("base")
