"""Serve the things, fork twice with the lanes open, and serve them in all three at once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
from fastapi import FastAPI

from tests.lanes.things import app_of, database_of

__all__ = ["run_child", "work"]

_ROWS = 20


async def work(app: FastAPI, name: str) -> None:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        await asyncio.gather(*(_store(client, f"{name} {number}") for number in range(_ROWS)))


async def _store(client: httpx2.AsyncClient, name: str) -> None:
    answer = await client.post("/things", json={"name": name})
    assert (answer.status_code, answer.json()["name"]) == (201, name)
    for _ in range(3):
        read = await client.get(answer.headers["location"])
        assert read.json() == answer.json(), f"{read.json()} is another one's row"


def run_child(
    run: Callable[[Coroutine[Any, Any, None]], None], task: Coroutine[Any, Any, None]
) -> None:
    status = 1
    try:
        run(task)
        status = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr)
    finally:
        os._exit(status)


async def _main() -> None:
    db = database_of(os.environ["DATABASE_URL"], pool_timeout=10)
    app = app_of(db)
    async with db:
        await work(app, "before")
        children = []
        for name in ("child 0", "child 1"):
            child = os.fork()
            if child == 0:
                run_child(asyncio.run, work(app, name))
            children.append(child)
        await work(app, "parent")
        statuses = [await asyncio.to_thread(os.waitpid, child, 0) for child in children]
        await work(app, "after")
    print("statuses", [status for _, status in statuses])


if __name__ == "__main__":
    asyncio.run(_main())
