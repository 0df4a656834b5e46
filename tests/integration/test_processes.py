"""Many processes, forks and event loops on one database; the servers that people run."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from ormolu import Database
from ormolu.testing._postgresql import free_port
from tests.integration.notes import Note, make_database, texts_in
from tests.integration.subprocesses import BIN, running, serving

EXAMPLE = "examples/users/main.py"


def output_of(program: str, url: str) -> str:
    """Return the last line that one of our programs printed; MariaDB prints warnings before."""
    command = [sys.executable, "-m", f"tests.integration.programs.{program}"]
    with running(command, DATABASE_URL=url) as process:
        output, _ = process.communicate(timeout=60)
    return output.splitlines()[-1]


@pytest.mark.long
def test_eight_processes_start_at_once(database_url: str) -> None:
    """On an empty database all come up, with one set of tables, and each stores and reads."""
    assert output_of("start_together", database_url) == f"statuses {[0] * 8}"
    assert len(asyncio.run(texts_in(database_url))) == 8


@pytest.mark.long
def test_fork_with_open_connections(database_url: str) -> None:
    """Parent and children use one Database at once; each sees the rows that it asked for."""
    assert output_of("fork_while_open", database_url) == "statuses [0, 0]"
    texts = asyncio.run(texts_in(database_url))
    names = ("before", "child0", "child1", "parent", "after")
    assert sorted(texts) == sorted(f"{name}-{number}" for name in names for number in range(20))


async def store(db: Database, text: str) -> None:
    """Store one note and read it back."""
    async with db.unit_of_work() as session:
        session.add(Note(text=text))
    async with db.unit_of_work(read_only=True) as session:
        assert await session.scalar(select(Note.text).where(Note.text == text)) == text


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
def test_two_loops_one_after_the_other(database_url: str, closes: bool) -> None:
    """A second asyncio.run finds no connection of the first, whether that was closed or not."""
    db = make_database(database_url)

    async def main(text: str) -> None:
        await store(db, text)
        if closes:
            await db.close()

    asyncio.run(main("first"))
    asyncio.run(main("second"))
    assert asyncio.run(texts_in(database_url)) == ["first", "second"]


@pytest.mark.long
def test_two_threads_with_a_loop_each(database_url: str) -> None:
    """Two loops at once use one Database, each with connections of its own."""
    db = make_database(database_url, pool_timeout=10)
    failures: list[BaseException] = []

    async def main(name: str) -> None:
        async with db:
            await asyncio.gather(*[store(db, f"{name}-{number}") for number in range(10)])

    def run(name: str) -> None:
        try:
            asyncio.run(main(name))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[name]) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(asyncio.run(texts_in(database_url))) == 20


def uvicorn(port: int) -> list[str]:
    """Return the command for two uvicorn workers."""
    options = ["--app-dir", "examples/users", "--workers", "2", "--port", f"{port}"]
    return [sys.executable, "-m", "uvicorn", "main:app", *options]


def granian(port: int) -> list[str]:
    """Return the command for granian's ASGI interface."""
    options = ["--interface", "asgi", "--working-dir", "examples/users", "--port", f"{port}"]
    return [str(BIN / "granian"), *options, "main:app"]


def fastapi_run(port: int) -> list[str]:
    """Return the command of FastAPI's own tool for production."""
    return [str(BIN / "fastapi"), "run", EXAMPLE, "--host", "127.0.0.1", "--port", f"{port}"]


def fastapi_dev(port: int) -> list[str]:
    """Return the command of FastAPI's own tool for development, with reloading."""
    return [str(BIN / "fastapi"), "dev", EXAMPLE, "--port", f"{port}"]


def check_restart(make_command: Callable[[int], list[str]], url: str, end: signal.Signals) -> None:
    """Store a user, end the server, start it again, and read the user."""
    environment = {"DATABASE_URL": url}
    port = free_port()
    with serving(make_command(port), port, end, environment) as client:
        stored = client.post("/users/", json={"name": "Ann"})
        assert stored.status_code == 201
        place = stored.headers["location"]
        assert client.get(place).json() == stored.json()
    port = free_port()
    with serving(make_command(port), port, signal.SIGTERM, environment) as client:
        assert client.get(place).json() == {"id": 1, "name": "Ann"}
        assert client.get("/users/").json() == [{"id": 1, "name": "Ann"}]


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
def test_two_uvicorn_workers_keep_what_they_answered(database_url: str) -> None:
    """What two workers acknowledged is there after a kill -9 of both and a restart."""
    check_restart(uvicorn, database_url, signal.SIGKILL)


@pytest.mark.long
@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(
    ("make_command", "end"),
    [(granian, signal.SIGKILL), (fastapi_run, signal.SIGTERM), (fastapi_dev, signal.SIGKILL)],
    ids=["granian", "fastapi run", "fastapi dev"],
)
def test_example_under_other_servers(
    make_command: Callable[[int], list[str]], end: signal.Signals, database_url: str
) -> None:
    """The users example stores and answers under each server, over a restart."""
    check_restart(make_command, database_url, end)
