"""Serve the things, fork, and serve them in the child on the event loop that it came with."""

from __future__ import annotations

import asyncio
import os

from tests.lanes.programs.fork import run_child, work
from tests.lanes.things import app_of, database_of, noting


def _main(passed_on: list[str]) -> None:
    db = database_of(os.environ["DATABASE_URL"], pool_timeout=10)
    app = app_of(db)

    async def work_by_doors(name: str) -> None:
        # Else the first request opens it, and those that come meanwhile find no doors.
        await db.open()
        await work(app, name)
        assert passed_on == []

    loop = asyncio.new_event_loop()
    loop.run_until_complete(work_by_doors("before"))
    child = os.fork()
    if child == 0:
        run_child(loop.run_until_complete, work_by_doors("child"))
    # The loop's selector is that of both: one uses it at a time.
    _, status = os.waitpid(child, 0)
    loop.run_until_complete(work_by_doors("after"))
    loop.run_until_complete(db.close())
    loop.close()
    print("statuses", [status])


if __name__ == "__main__":
    requests: list[str] = []
    with noting(requests):
        _main(requests)
