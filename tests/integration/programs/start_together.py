"""Fork eight processes that start the application on $DATABASE_URL at once, store and count."""

from __future__ import annotations

import asyncio
import os
import traceback

from tests.fixtures.apps import client_of
from tests.integration.notes import make_app, make_database


async def _serve() -> bool:
    # Eight processes share few processors here; the default would refuse the slowest.
    db = make_database(os.environ["DATABASE_URL"], pool_timeout=10)
    async with client_of(make_app(db)) as client:
        stored = await client.post(f"/notes?text={os.getpid()}")
        found = await client.get("/notes")
        return stored.status_code == 201 and str(os.getpid()) in found.json()


def _run_child() -> None:
    status = 1
    try:
        status = 0 if asyncio.run(_serve()) else 2
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main() -> None:
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            _run_child()
        children.append(child)
    print("statuses", [os.waitpid(child, 0)[1] for child in children])


if __name__ == "__main__":
    main()
