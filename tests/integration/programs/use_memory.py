"""Print where a database in memory is, use it, and end: by itself, after a fork, or when told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from sqlalchemy import text

from ormolu import Database

db = Database("sqlite://")


async def use() -> None:
    async with db, db.unit_of_work() as session:
        await session.execute(text("SELECT 1"))


def main() -> None:
    """Do what the first argument says."""
    # A shell lets what it starts in the background ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asyncio.run(use())
    path = Path(str(db.url.database))
    print(path.parent.parent, flush=True)
    if sys.argv[1] == "wait":
        time.sleep(60)
    if sys.argv[1] == "fork":
        for end in (os._exit, sys.exit):
            child = os.fork()
            if not child:
                end(0)
            os.waitpid(child, 0)
        assert path.is_file()
        asyncio.run(use())


if __name__ == "__main__":
    main()
