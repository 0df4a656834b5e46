"""A burst is not an overload: with the defaults, whoever comes is answered."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from ormolu import Database, SessionDep, controlled_delay
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, make_database


def make_app(db: Database) -> FastAPI:
    """Return an application whose requests hold their connection while they do other work."""
    app = FastAPI()
    db.attach(app)

    @app.post("/login", status_code=201)
    async def login(session: SessionDep) -> int:
        name = await session.scalar(select(Note.text).where(Note.id == 1))
        await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", b"password", b"salt", 1000)
        entry = Note(text=f"login of {name}")
        session.add(entry)
        await session.flush()
        return entry.id

    @app.get("/page")
    async def page(session: SessionDep) -> str | None:
        name = await session.scalar(select(Note.text).where(Note.id == 1))
        await asyncio.sleep(0.005)
        return name

    return app


@pytest.mark.long
@pytest.mark.parametrize("count", [20, 64, 300])
async def test_burst_with_the_defaults(database_url: str, count: int) -> None:
    """However many log in or read at once, each is answered, and each login is stored."""
    db = make_database(database_url)
    async with client_of(make_app(db)) as client:
        async with db.unit_of_work() as session:
            session.add(Note(text="Ann"))  # its id is 1
        for method, path, status in (("POST", "/login", 201), ("GET", "/page", 200)):
            answers = await asyncio.gather(*(client.request(method, path) for _ in range(count)))
            assert Counter(answer.status_code for answer in answers) == {status: count}
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(func.count()).select_from(Note)) == 1 + count


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_who_came_with_a_burst_is_no_newcomer(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More writers than the pool has places: the last ones get late into the line of the driver.

    It has stood for long by then, but they stood in the pool's.
    """
    monkeypatch.setattr(controlled_delay, "STANDING", 0.4)
    monkeypatch.setattr(controlled_delay, "SHORT", 0.01)
    async with make_database(database_url) as db:

        async def write(number: int) -> None:
            async with db.unit_of_work() as session:
                await session.scalar(select(Note.id))
                await asyncio.sleep(0.02)
                session.add(Note(text=str(number)))

        await asyncio.gather(*(write(number) for number in range(40)))


async def test_line_is_longer_than_a_second(database_url: str) -> None:
    """Units of work that wait for one that is slow wait for it: a limit of 0.8 s was too short."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    async with db, db.unit_of_work() as slow:
        await slow.scalar(select(Note.id))

        async def wait() -> None:
            async with db.unit_of_work() as session:
                await session.scalar(select(Note.id))

        waiting = [asyncio.create_task(wait()) for _ in range(4)]
        await asyncio.sleep(1.3)
        assert not any(task.done() for task in waiting)
        await slow.commit()
        await asyncio.gather(*waiting)
