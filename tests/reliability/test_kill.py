"""What a killed server had acknowledged is stored."""

from __future__ import annotations

import asyncio
from itertools import count

import httpx2
import pytest

from tests.fixtures.backends import Backend
from tests.reliability._observer import Observer, observer_of
from tests.reliability._serving import Process

_ROUNDS = {"sqlite": 10, "asyncpg": 3, "mariadb": 3}
_CLIENTS = 8


async def write_until_it_dies(
    client: httpx2.AsyncClient, name: str, acknowledged: set[str]
) -> None:
    """Create users, and note each whose creation was acknowledged."""
    for number in count():
        try:
            response = await client.post(f"/users/?name={name}-{number}")
        except httpx2.TransportError:
            return
        assert response.status_code == 201
        acknowledged.add(f"{name}-{number}")


async def assert_nothing_is_lost(observer: Observer, acknowledged: set[str]) -> None:
    """Check that what was acknowledged is there, and each user with its event."""
    assert await observer.is_quiet()
    state = await observer.state()
    names = tuple(name for name, _ in state.users)
    assert acknowledged <= set(names)
    assert names == state.events


async def run_and_kill(url: str, round_: int, acknowledged: set[str]) -> None:
    """Serve, write, and kill the server while all clients write."""
    process = Process(url)
    try:
        await process.wait_until_ready()
        enough = len(acknowledged) + 20 + 3 * round_
        async with (
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{process.port}") as client,
            asyncio.timeout(20),
            asyncio.TaskGroup() as writers,
        ):
            for number in range(_CLIENTS):
                name = f"r{round_}c{number}"
                writers.create_task(write_until_it_dies(client, name, acknowledged))
            while len(acknowledged) < enough:  # noqa: ASYNC110 -- a set has no event
                await asyncio.sleep(0.001)
            process.kill()
    finally:
        process.kill()


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.backends("sqlite", "asyncpg", "mariadb")
async def test_acknowledged_rows_outlive_a_kill(backend: Backend, database_url: str) -> None:
    """Every row of a 201 is there after kill -9, whole, and the next server starts on it."""
    acknowledged: set[str] = set()
    for round_ in range(_ROUNDS[backend.name]):
        await run_and_kill(database_url, round_, acknowledged)
        async with observer_of(backend, database_url) as observer:
            await assert_nothing_is_lost(observer, acknowledged)
            if backend.is_sqlite:
                assert await observer.text("PRAGMA integrity_check") == "ok"
