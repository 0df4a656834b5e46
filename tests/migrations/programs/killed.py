"""Kills a migration at its statement, and shows what the next commands say.

`python killed.py URL`, in the project. Forked, as the imports would take longest.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy import MetaData

from ormolu import Database
from ormolu.migrations import Migrations

URL = sys.argv[1]

# Where this or its child waits is told before the test is ended for its time.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(220)


def call(verb: Callable[[Migrations], Awaitable[object]]) -> None:
    database = Database(URL, metadata=MetaData(), schema="ignore")
    migrations = Migrations(database.migrations.engines, print)
    try:
        print(asyncio.run(_awaited(verb(migrations))))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")


async def _awaited(verb: Awaitable[object]) -> object:
    return await verb


def killed_at(place: str, verb: Callable[[Migrations], Awaitable[object]]) -> None:
    child = os.fork()
    if child == 0:
        signal.alarm(200)
        os.environ["KILLED_AT"] = place
        call(verb)
        os._exit(1)
    print(f"# {place}: {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", flush=True)


for place in ("1", "2", "3", "4", "5", "back"):
    if place == "back":
        call(lambda migrations: migrations.upgrade())
        killed_at(place, lambda migrations: migrations.downgrade("base"))
        call(lambda migrations: migrations.downgrade("base"))
    else:
        killed_at(place, lambda migrations: migrations.upgrade())
        call(lambda migrations: migrations.upgrade())
    call(lambda migrations: migrations.current())
    print("# mended", flush=True)
    os.environ["MENDED"] = "yes"
    call(lambda migrations: migrations.stamp("base"))
    call(lambda migrations: migrations.upgrade())
    call(lambda migrations: migrations.downgrade("base"))
    del os.environ["MENDED"]
    print("# over", flush=True)
