"""Several processes on one database, and what a killed one had answered."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import httpx2
import pytest

from ormolu.testing._postgresql import free_port
from tests.integration.subprocesses import running
from tests.lanes.programs.serve import serve
from tests.lanes.things import execute, served, statuses

_ROUNDS, _CLIENTS = 10, 12

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["uvicorn", "tests.lanes.programs.serve"])


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_two_processes_create(database_url: str) -> None:
    """Both write to one database at once: no error, and each row is there."""
    command = [sys.executable, "-m", "tests.lanes.programs.create"]
    async with served(database_url, pool_timeout=20.0) as shop:
        with running(command, DATABASE_URL=database_url) as process:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
            for round_ in range(10):
                calls = [shop.create(f"{os.getpid()} {round_} {number}") for number in range(30)]
                assert set(statuses(await asyncio.gather(*calls))) == {201}
            output, _ = await asyncio.to_thread(process.communicate, timeout=30)
        assert output.splitlines()[-1] == "all stored"
        assert "POST /things" not in shop.passed_on
    assert await execute(database_url, "SELECT count(*) FROM things") == [(600,)]


@asynccontextmanager
async def process_of(url: str) -> AsyncIterator[tuple[httpx2.AsyncClient, object]]:
    """Serve the things from a process of its own, and kill that at the end."""
    port = free_port()
    process = _context.Process(target=serve, args=(url, port), daemon=True)
    process.start()
    try:
        async with asyncio.timeout(20):
            while not await _listens(port):
                assert process.is_alive()
                await asyncio.sleep(0.02)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client, process.kill
    finally:
        process.kill()
        process.join()


async def _listens(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


async def write_until_it_dies(
    client: httpx2.AsyncClient, name: str, acknowledged: dict[str, int]
) -> None:
    """Create things and change them, and note what was answered."""
    with suppress(httpx2.TransportError):
        for number in range(10_000):
            answer = await client.post("/things", json={"name": f"{name} {number}"})
            assert answer.status_code == 201
            acknowledged[f"{name} {number}"] = 0
            answer = await client.patch(answer.headers["location"], json={"number": 1})
            assert answer.status_code == 200
            acknowledged[f"{name} {number}"] = 1


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.backends("sqlite", "asyncpg")
async def test_acknowledged_rows_outlive_a_kill(database_url: str) -> None:
    """What was answered from a batch is there after kill -9 of the server, be it at a COMMIT."""
    acknowledged: dict[str, int] = {}
    is_sqlite = database_url.startswith("sqlite")
    for round_ in range(_ROUNDS if is_sqlite else 3):
        enough = len(acknowledged) + 30 + 7 * round_
        async with process_of(database_url) as (client, kill), asyncio.TaskGroup() as writers:
            for number in range(_CLIENTS):
                name = f"{round_} {number}"
                writers.create_task(write_until_it_dies(client, name, acknowledged))
            while len(acknowledged) < enough:  # noqa: ASYNC110 -- a dict has no event
                await asyncio.sleep(0.001)
            kill()  # type: ignore[operator]
        rows = dict(await execute(database_url, "SELECT name, number FROM things"))
        assert acknowledged.keys() <= rows.keys()
        assert all(rows[name] >= number for name, number in acknowledged.items())
        if is_sqlite:
            with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as file:
                assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
