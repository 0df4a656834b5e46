"""Pitfalls of engines, loops, processes and start-up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, inspect, select

from ormolu import ConfigurationError, Database, SessionDep
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.pitfalls.guide import make_guide
from tests.pitfalls.tables import Base, Guest, Plain, PlainGuest


def make(url: str, **options: Any) -> tuple[FastAPI, Database]:
    """Return an application that counts and creates users."""
    app, db = FastAPI(), Database(url, metadata=Base.metadata, **options)
    db.attach(app)

    @app.post("/users", status_code=201)
    async def create(name: str, session: SessionDep) -> str:
        session.add(Guest(name=name))
        return name

    @app.get("/users", response_model=int)
    async def number(session: SessionDep) -> int:
        return await session.scalar(select(func.count()).select_from(Guest)) or 0

    return app, db


@pytest.mark.long
async def test_pitfall_03_statement_blocks_the_loop(database_url: str) -> None:
    """While one request waits for the database, the loop goes on."""
    app, db = make(database_url)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    async with client_of(app), db.unit_of_work(read_only=True) as session:
        ticker = asyncio.ensure_future(tick())
        await session.execute(_slow(db))
        ticker.cancel()
    assert ticks > 5


def _slow(db: Database) -> Any:
    """Return a query that takes the database about a third of a second."""
    if db.url.get_backend_name() == "postgresql":
        return select(func.pg_sleep(0.3))
    if db.url.get_backend_name() == "mariadb":
        return select(func.sleep(0.3))
    numbers = select(func.json_each("[1]").table_valued("value").c.value.label("n"))
    tower = numbers.cte(recursive=True)
    tower = tower.union_all(select(tower.c.n + 1).where(tower.c.n < 1_500_000))
    return select(func.count()).select_from(tower)


@pytest.mark.long
async def test_pitfall_06_sync_route_with_an_injected_session(database_url: str) -> None:
    """60 concurrent requests with a response model are answered on the default pool."""
    # Opening its connections takes a busy machine a while, which is no deadlock.
    app, _ = make(database_url, pool_timeout=10.0)
    async with client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/users") for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}


async def test_pitfall_06_sync_route_gets_a_clear_error(database_url: str) -> None:
    """A `def` route cannot use the session by accident: nothing of it is awaited, or stored."""
    app, db = make(database_url)

    @app.post("/sync")
    def create(session: SessionDep) -> str:
        session.add(Guest(name="sync"))
        return "stored"

    async with client_of(app) as client:
        # Adding needs no await; the gate commits it like any other.
        assert (await client.post("/sync")).status_code == 200
        assert (await client.get("/users")).json() == 1
    assert db.url


async def test_pitfall_09_tables_are_there_before_the_first_query(database_url: str) -> None:
    """No line of the program creates a table, and the first request finds it."""
    app, db = make(database_url)
    async with client_of(app) as client:
        assert (await client.get("/users")).json() == 0
        async with db.engine.connect() as connection:
            names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert set(names) >= {"users", "orders"}


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "mariadb")
def test_pitfall_12_engine_is_bound_to_one_loop(database_url: str) -> None:
    """TestClient with and without `with`, asyncio.run twice, two threads: all work."""
    app, db = make(database_url)
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/users").status_code == 200
        assert TestClient(app).get("/users").status_code == 200
        asyncio.run(_count(db))
    threads = [threading.Thread(target=asyncio.run, args=(_count(db),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(db._engines._opened) == 0


async def _count(db: Database) -> None:
    async with db.unit_of_work(read_only=True) as session:
        assert await session.scalar(select(func.count()).select_from(Guest)) == 0


TWO_LOOPS = """
import asyncio, sys
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(sys.argv[1])

async def ask():
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))

asyncio.run(ask())
asyncio.run(ask())
"""


@pytest.mark.backends("asyncpg")
def test_guide_has_pitfall_12(database_url: str) -> None:
    """The guide's engine fails on the second loop."""
    done = _run(TWO_LOOPS, database_url)
    assert done.returncode == 1
    assert "loop" in done.stderr


def _run(program: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, url],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_pitfall_15_stale_pooled_connections(backend: Backend, database_url: str) -> None:
    """After a restart of the server, an idle application answers its first request."""
    app, _ = make(database_url)
    async with client_of(app) as client:
        await asyncio.gather(*(client.get("/users") for _ in range(5)))
        assert (await client.post("/users?name=a")).status_code == 201
        backend.server.stop()
        backend.server.start()
        await asyncio.sleep(1.1)
        assert (await client.get("/users")).json() == 1
        assert (await client.post("/users?name=b")).status_code == 201


@pytest.mark.backends("asyncpg", "psycopg")
async def test_guide_has_pitfall_15(backend: Backend, database_url: str) -> None:
    """The guide's program fails on the connection that the restart broke."""
    guide = make_guide(database_url, Plain.metadata)
    async with guide.app.router.lifespan_context(guide.app):
        async with guide.maker() as session:
            await session.scalars(select(PlainGuest.id))
        backend.server.stop()
        backend.server.start()
        await asyncio.sleep(1.1)
        with pytest.raises(Exception, match=r"(?i)closed|terminat|lost|reset"):
            async with guide.maker() as session:
                await session.scalars(select(PlainGuest.id))


FORK = """
import asyncio, os, sys
from sqlalchemy import func, select, text
from ormolu import Database

db = Database(sys.argv[1], schema="ignore")

async def ask(rounds):
    for number in range(rounds):
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(text(str(number)))) == number

async def main():
    await ask(5)
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)
            asyncio.run(ask(100))
            os._exit(0)
        children.append(pid)
    await ask(100)
    codes = [await asyncio.to_thread(os.waitpid, pid, 0) for pid in children]
    assert [code for _, code in codes] == [0, 0], codes
    await ask(5)

asyncio.run(main())
print("right")
"""


@pytest.mark.long
def test_pitfall_28_fork_after_connecting(database_url: str) -> None:
    """Parent and children each get the answers to their own questions."""
    done = _run(FORK, database_url)
    assert done.stdout == "right\n", done.stderr


def test_pitfall_35_url_and_driver_mistakes(backend: Backend, database_url: str) -> None:
    """The URL that people paste works; a driver that blocks is an error that names the other."""
    plain = database_url.replace("+asyncpg", "").replace("+asyncmy", "")
    assert Database(plain, metadata=Base.metadata).url.get_driver_name() in {
        "ormolu",
        "asyncpg",
        "psycopg",
        "asyncmy",
    }
    blocking = {"sqlite": "sqlite+pysqlite", "mariadb": "mysql+pymysql"}
    scheme = blocking.get(backend.name, "postgresql+psycopg2")
    with pytest.raises(ConfigurationError, match="blocks the event loop"):
        Database(scheme + database_url[database_url.index("://") :])


@pytest.mark.backends("asyncpg", "psycopg")
async def test_pitfall_35_sslmode_is_understood(database_url: str) -> None:
    """`?sslmode=` works with both drivers."""
    async with Database(f"{database_url}?sslmode=disable", metadata=Base.metadata) as db:
        await db.ping()


async def test_pitfall_36_lifespans_compose(database_url: str) -> None:
    """Ours opens before the user's lifespan begins and closes after it has ended."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, int]]:
        await _count(db)
        seen.append("in")
        yield {"answer": 42}
        await _count(db)
        seen.append("out")

    app, db = FastAPI(lifespan=lifespan), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    async with app.router.lifespan_context(app) as state:
        assert state == {"answer": 42}
    assert seen == ["in", "out"]
    assert db._engines.current is None


def test_pitfall_36_no_lifespan_at_all(database_url: str) -> None:
    """Without a lifespan the first request opens the database, tables included."""
    app, _ = make(database_url)
    assert TestClient(app).get("/users").json() == 0


def test_pitfall_36_ignored_events_are_said(tmp_path: Path) -> None:
    """FastAPI ignores on_event handlers beside a lifespan in silence; we do not."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=lifespan)
    Database(f"sqlite:///{tmp_path}/x.db", metadata=Base.metadata).attach(app)
    app.router.on_startup.append(lambda: None)
    with pytest.warns(RuntimeWarning, match="ignores on_event"), TestClient(app):
        pass


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_pitfall_41_database_down_is_no_sqlalchemy_error(
    backend: Backend, database_url: str
) -> None:
    """A server that is down is a 503 within a second, and works again when it is back."""
    app, _ = make(database_url)
    async with client_of(app) as client:
        assert (await client.get("/users")).status_code == 200
        backend.server.stop()
        try:
            begin = time.monotonic()
            answers = [await client.get("/users"), await client.post("/users?name=a")]
            assert time.monotonic() - begin < 2
            assert {answer.json()["code"] for answer in answers} == {"database_unavailable"}
            assert {answer.headers["retry-after"] for answer in answers} == {"1"}
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).status_code == 503
        finally:
            backend.server.start()
        assert (await client.get("/users")).status_code == 200
