"""Use a database, fork twice with its connections open, and use it in all three at once."""

from __future__ import annotations

import asyncio
import os
import sys

from sqlalchemy import select

from ormolu import Database
from tests.integration.notes import Note, make_database

_ROUNDS = 20


async def _work(db: Database, name: str) -> None:
    await asyncio.gather(*[_store_and_read(db, f"{name}-{number}") for number in range(_ROUNDS)])


async def _store_and_read(db: Database, text: str) -> None:
    async with db.unit_of_work() as session:
        note = Note(text=text)
        session.add(note)
        await session.flush()
        found = await session.scalar(select(Note.text).where(Note.id == note.id))
    assert found == text, f"{found} is another one's row"
    async with db.unit_of_work(read_only=True) as session:
        found = await session.scalar(select(Note.text).where(Note.id == note.id))
    assert found == text, f"{found} is another one's row"


def _run_child(db: Database, name: str) -> None:
    status = 1
    try:
        asyncio.run(_work(db, name))
        status = 0
    except BaseException as error:
        print(f"{name}: {error!r}", file=sys.stderr)
    finally:
        os._exit(status)


async def _main() -> None:
    db = make_database(os.environ["DATABASE_URL"], pool_timeout=10)
    async with db:
        await _work(db, "before")
        children = []
        for name in ("child0", "child1"):
            child = os.fork()
            if child == 0:
                _run_child(db, name)
            children.append(child)
        await _work(db, "parent")
        statuses = [await asyncio.to_thread(os.waitpid, child, 0) for child in children]
        await _work(db, "after")
    print("statuses", [status for _, status in statuses])


if __name__ == "__main__":
    asyncio.run(_main())
