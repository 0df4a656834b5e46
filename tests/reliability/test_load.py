"""Many clients at once: nothing is lost, nobody waits for long, the event loop stays free."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

import httpx2
import pytest
from fastapi import FastAPI

from ormolu import SessionDep, controlled_delay
from ormolu.testing import _blocking
from ormolu.testing._blocking import IS_SUPPORTED
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.reliability._bank import User, app_of, database_of
from tests.reliability._observer import checked_out, observer_of

needs_proc = pytest.mark.skipif(not IS_SUPPORTED, reason="reads Linux's /proc/self/task")


@pytest.mark.long
async def test_concurrent_increments_are_all_counted(backend: Backend, database_url: str) -> None:
    """40 requests that read, add and write end at 40."""
    db = database_of(database_url, pool_size=5, max_overflow=0, pool_timeout=20.0)
    async with client_of(app_of(db)) as client, observer_of(backend, database_url) as observer:
        await observer.seed()
        answers = await asyncio.gather(*(client.post("/users/1/visits") for _ in range(40)))
        assert {answer.status_code for answer in answers} == {200}
        assert sorted(answer.json() for answer in answers) == list(range(1, 41))
        assert (await observer.state()).users == (("Ada", 40),)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_sqlite_serves_64_writers(backend: Backend, database_url: str) -> None:
    """64 clients that write for five seconds meet no lock and no error."""
    db = database_of(database_url, pool_size=5, max_overflow=0, pool_timeout=20.0)
    statuses: Counter[int] = Counter()
    # A machine with something else to do would refuse some of them, which is no lock.
    app = app_of(db, overload="off")
    async with client_of(app) as client, observer_of(backend, database_url) as observer:
        end = time.monotonic() + 5

        async def write(number: int) -> None:
            while time.monotonic() < end:
                statuses[(await client.post(f"/users/?name=c{number}")).status_code] += 1

        await asyncio.gather(*map(write, range(64)))
        assert set(statuses) == {201}
        assert await observer.scalar("SELECT count(*) FROM users") == statuses[201]


def add_slow_route(app: FastAPI) -> None:
    """Add a route that keeps its connection for a while."""

    @app.post("/slow", status_code=201)
    async def slow(session: SessionDep) -> int:
        user = User(name="slow")
        session.add(user)
        await session.flush()
        await asyncio.sleep(0.05)
        return user.id


async def send_timed(client: httpx2.AsyncClient) -> tuple[httpx2.Response, float]:
    started = time.monotonic()
    response = await client.post("/slow")
    return response, time.monotonic() - started


@pytest.mark.long
@needs_proc
async def test_overload_is_answered_soon(
    backend: Backend, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 requests to a line that stands: stored, or 503 and Retry-After within about a second."""
    monkeypatch.setattr(controlled_delay, "STANDING", 0.0)
    monkeypatch.setattr(controlled_delay, "SHORT", 0.8)
    db = database_of(database_url, pool_size=5, max_overflow=0)
    app = app_of(db)
    add_slow_route(app)
    async with client_of(app) as client, observer_of(backend, database_url) as observer:
        early = await asyncio.gather(*(client.post("/slow") for _ in range(5)))
        async with _blocking.watching(0.05) as watch:
            answers = await asyncio.gather(*(send_timed(client) for _ in range(200)))
        assert watch.blocked == []
        assert max(seconds for _, seconds in answers) < 2.5
        # On a busy machine a first connection may take longer than a request waits for it.
        stored = sum(response.status_code == 201 for response in early)
        statuses = Counter(response.status_code for response, _ in answers)
        assert set(statuses) == {201, 503}
        refused = [response for response, _ in answers if response.status_code == 503]
        assert {response.headers["Retry-After"] for response in refused} == {"1"}
        assert {response.json()["code"] for response in refused} == {"overloaded"}
        assert await observer.scalar("SELECT count(*) FROM users") == statuses[201] + stored
        assert not checked_out(db)
        assert (await client.post("/slow")).status_code == 201


@needs_proc
@pytest.mark.parametrize("how", ["sleep", "compute", "lock"])
async def test_watch_sees_an_application_that_blocks(how: str) -> None:
    """The detector of the test above fires on what it is for."""
    app = FastAPI()

    @app.get("/")
    async def block() -> None:
        end = time.thread_time() + 0.15
        if how == "sleep":
            time.sleep(0.15)  # noqa: ASYNC251 -- the mistake that is to be found
        elif how == "lock":
            threading.Event().wait(0.15)
        while how == "compute" and time.thread_time() < end:
            pass

    async with client_of(app) as client, _blocking.watching(0.05) as watch:
        await client.get("/")
    assert watch.blocked
