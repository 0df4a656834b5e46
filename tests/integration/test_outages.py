"""The database goes away: short answers with 503 while it is away, none once it is back."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import LiteralString

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql
from sqlalchemy import make_url, text

from ormolu import Database, DatabaseDownError, resource
from ormolu.engines import _first_connection
from tests.backends import PostgreSQL, stopped
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.integration.notes import Note, make_app, make_database, texts_in

SERVERS = pytest.mark.backends("asyncpg", "psycopg", "mariadb")

LONGEST = 2.0

_TO_DISK = (
    "SET GLOBAL innodb_flush_log_at_trx_commit = 1; "
    "CREATE OR REPLACE TABLE mysql.to_disk (id INT) ENGINE = InnoDB"
)


@contextmanager
def outage(backend: Backend, how: str) -> Iterator[None]:
    """Stop or kill the server for the time of the block."""
    server = backend.server
    # The servers of the tests do not wait for their disk at COMMIT, which a kill would show.
    server.execute(_TO_DISK if backend.is_mariadb else sql.SQL("CHECKPOINT").format())
    getattr(server, how)()
    try:
        yield
    finally:
        server.start()


async def check_refusal(client: httpx2.AsyncClient, method: str = "GET") -> None:
    """Ask, and be refused with a problem that says to come again, soon."""
    began = time.monotonic()
    answer = await client.request(method, "/notes?text=refused")
    assert time.monotonic() - began < LONGEST
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/problem+json"


@SERVERS
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_server_goes_and_comes_back(backend: Backend, database_url: str, how: str) -> None:
    """Requests get 503 at once, health tells the truth, and afterwards everything works."""
    async with client_of(make_app(make_database(database_url))) as client:
        assert (await client.post("/notes?text=before")).status_code == 201
        assert (await client.get("/notes")).json() == ["before"]
        with outage(backend, how):
            for method in ("GET", "POST", "GET", "POST"):
                await check_refusal(client, method)
            assert (await client.get("/healthz")).status_code == 200
            await asyncio.sleep(1.0)
            assert (await client.get("/readyz")).status_code == 503
        answers = [await client.post("/notes?text=after"), await client.get("/notes")]
        assert [answer.status_code for answer in answers] == [201, 200]
        await asyncio.sleep(1.0)
        assert (await client.get("/readyz")).status_code == 200
    assert await texts_in(database_url) == ["before", "after"]


async def fill_pools(client: httpx2.AsyncClient) -> list[int]:
    """Have five requests of each kind at once, so that the pools hold all their connections."""
    reads = [client.get("/notes") for _ in range(5)]
    writes = [client.post("/notes?text=x") for _ in range(5)]
    return [answer.status_code for answer in await asyncio.gather(*reads, *writes)]


ALL_WELL = [200] * 5 + [201] * 5


@SERVERS
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_restart_while_idle_is_not_noticed(
    backend: Backend, database_url: str, how: str
) -> None:
    """A pooled connection that idled over a second is asked before it serves: no error at all."""
    async with client_of(make_app(make_database(database_url))) as client:
        assert await fill_pools(client) == ALL_WELL
        with outage(backend, how):
            await asyncio.sleep(1.1)
        assert await fill_pools(client) == ALL_WELL


@SERVERS
async def test_fast_restart_costs_at_most_one_answer_per_connection(
    backend: Backend, database_url: str
) -> None:
    """Connections broken a moment ago give a 503 each at most, never a 500, then all work."""
    async with client_of(make_app(make_database(database_url))) as client:
        assert await fill_pools(client) == ALL_WELL
        with outage(backend, "kill"):
            pass
        statuses = [status for _ in range(4) for status in await fill_pools(client)]
        assert set(statuses) <= {200, 201, 503}
        assert statuses.count(503) <= 10
        assert await fill_pools(client) == ALL_WELL


@SERVERS
async def test_one_broken_connection_tells_of_all(backend: Backend, database_url: str) -> None:
    """After a fast restart one answer at most is lost, to whomever: the others are looked at."""
    async with client_of(make_app(make_database(database_url))) as client:
        assert await fill_pools(client) == ALL_WELL
        with outage(backend, "kill"):
            pass
        statuses = []
        for _ in range(6):
            statuses.append((await client.post("/notes?text=y")).status_code)
            statuses.append((await client.get("/notes")).status_code)
        assert statuses[0] in {201, 503}
        assert statuses[1:] == [200, *[201, 200] * 5]


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of a listener that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


NOWHERE = ["postgresql+asyncpg", "postgresql+psycopg", "mariadb+asyncmy"]


@pytest.mark.parametrize("scheme", NOWHERE)
async def test_black_hole_is_no_long_wait(scheme: str, black_hole: int) -> None:
    """A host that never answers costs a request its `connect_timeout`, alone or with others."""
    url = f"{scheme}://me:s3cret@127.0.0.1:{black_hole}/name"
    db = make_database(url, schema="ignore", connect_timeout=0.3)
    async with client_of(make_app(db)) as client:
        await check_refusal(client)
        answers = await asyncio.gather(*[client.post("/notes?text=x") for _ in range(8)])
        assert {answer.status_code for answer in answers} == {503}
        await check_refusal(client)
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200


async def test_door_into_a_black_hole_is_no_long_wait(black_hole: int) -> None:
    """A lane, too, waits for its connection as long as a session: the driver would for a minute."""
    url = f"postgresql://me:s3cret@127.0.0.1:{black_hole}/name"
    db = make_database(url, schema="ignore", connect_timeout=0.3)
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(Note))
    async with client_of(app) as client, asyncio.timeout(20):
        calls = [client.get("/notes/1"), client.get("/notes"), client.post("/notes", json={})]
        for path in ("/notes/1", "/notes"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert {answer.status_code for answer in await asyncio.gather(*calls)} <= {422, 503}


async def ask(db: Database) -> int:
    """Ask for 1 in a unit of work of its own."""
    async with db.unit_of_work() as session:
        return int(await session.scalar(text("SELECT 1")))


@SERVERS
async def test_line_before_a_frozen_server_is_no_long_wait(
    backend: Backend, database_url: str
) -> None:
    """The one connection is in use, and the server answers nobody: those in line are told so."""
    async with make_database(database_url, pool_size=1, max_overflow=0) as db:
        async with db.unit_of_work() as slow:
            await slow.scalar(text("SELECT 1"))
            with stopped(backend.server._process.pid), pytest.raises(DatabaseDownError):
                await asyncio.wait_for(ask(db), 20)
        assert await ask(db) == 1


@asynccontextmanager
async def started(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Start the application with the looking at its tables."""
    async with client_of(make_app(make_database(url))) as client:
        yield client


@pytest.mark.parametrize("scheme", NOWHERE)
async def test_start_without_server_says_so(scheme: str) -> None:
    """Starting where nothing listens fails soon, with one sentence that asks for the URL."""
    url = f"{scheme}://me:s3cret@127.0.0.1:1/name"
    with pytest.raises(DatabaseDownError, match=r"Is it running|Is the URL right") as caught:
        async with started(url):
            raise AssertionError
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", NOWHERE)
async def test_start_into_a_black_hole_says_so(
    scheme: str, black_hole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting where nothing answers fails when the time for it is over."""
    monkeypatch.setattr(_first_connection, "_CONNECT_TIMEOUT", 0.5)
    with pytest.raises(DatabaseDownError, match=r"did not answer within 0\.5 s"):
        async with started(f"{scheme}://me:s3cret@127.0.0.1:{black_hole}/name"):
            raise AssertionError


def execute(server: PostgreSQL, statement: LiteralString) -> None:
    """Execute a statement as the superuser."""
    server.execute(sql.SQL(statement).format())


@pytest.fixture
def guarded_role(postgresql: PostgreSQL) -> Iterator[str]:
    """A role of PostgreSQL that has to give its password."""
    rules = postgresql.data / "pg_hba.conf"
    before = rules.read_text()
    execute(postgresql, "CREATE ROLE guarded LOGIN PASSWORD 'right'")
    rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{before}")
    execute(postgresql, "SELECT pg_reload_conf()")
    _wait_for_refusal(postgresql.url("postgres", "x").replace("+x", ""))
    yield "guarded"
    rules.write_text(before)
    execute(postgresql, "SELECT pg_reload_conf()")
    execute(postgresql, "DROP ROLE guarded")


def _wait_for_refusal(url: str) -> None:
    for _ in range(100):
        try:
            psycopg.connect(url.replace("postgres@", "guarded:wrong@")).close()
        except psycopg.OperationalError:
            return
        time.sleep(0.05)
    pytest.fail("pg_hba.conf was not read again")


def wrong_urls(backend: Backend, url: str, role: str) -> list[str]:
    """Return URLs that a server refuses: by the password, and by the name of the database."""
    given = make_url(url)
    refused = [given.set(username=role, password="s3cret"), given.set(database="no_such_place")]
    return [wrong.render_as_string(hide_password=False) for wrong in refused]


async def check_refused_login(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Answer with 503 and without the URL; refuse to start with a sentence."""
    async with client_of(make_app(make_database(url, schema="ignore"))) as client:
        await check_refusal(client)
        await check_refusal(client, "POST")
        body = (await client.get("/notes")).text
    with pytest.raises(DatabaseDownError, match="Is the URL right") as caught:
        async with started(url):
            raise AssertionError
    for shown in (body, str(caught.value), caplog.text):
        assert "s3cret" not in shown
    for word in ("no_such_place", "guarded", "127.0.0.1"):
        assert word not in body


@pytest.mark.backends("asyncpg", "psycopg")
async def test_refused_postgresql_login_is_unavailable(
    backend: Backend, database_url: str, guarded_role: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong password or database is 503 to the client, and tells it nothing of the URL."""
    for url in wrong_urls(backend, database_url, guarded_role):
        await check_refused_login(url, caplog)


@pytest.mark.backends("mariadb")
async def test_refused_mariadb_login_is_unavailable(
    backend: Backend, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong password or database is 503 to the client, and tells it nothing of the URL."""
    for url in wrong_urls(backend, database_url, "root"):
        await check_refused_login(url, caplog)
