"""What keeps `/readyz` from saying that a database can serve, and what it says of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Text, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, SessionDep, resource
from ormolu.backends import BACKENDS, Unreadiness
from ormolu.engines import _condition
from ormolu.web import _health
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)


SERVERS = pytest.mark.backends("asyncpg", "psycopg", "mariadb")


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask at each probe, not once a second."""
    monkeypatch.setattr(_health, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(_health, "_TIMEOUT", 30.0)


def served(db: Database) -> FastAPI:
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(Note, path="/notes"))

    @app.post("/hand")
    async def write(session: SessionDep, text: str) -> None:
        session.add(Note(text=text))

    return app


async def reason_of(client: httpx2.AsyncClient) -> str | None:
    """Return what `/readyz` says is wrong; None if it is ready."""
    answer = await client.get("/readyz")
    assert answer.status_code == (503 if "reason" in answer.json() else 200)
    reason: str | None = answer.json().get("reason")
    return reason


class ReadOnly:
    """Makes new connections, and with PostgreSQL those of now, lead to what takes no changes."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_postgresql = self.url.get_backend_name() == "postgresql"

    async def switch(self, *, on: bool) -> None:
        name = f'"{self.url.database}"'
        engine = create_async_engine(self.url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            if not self.is_postgresql:
                await connection.execute(text(f"SET GLOBAL read_only = {int(on)}"))
            else:
                await connection.execute(text("SET default_transaction_read_only = off"))
                setting = "SET default_transaction_read_only = on" if on else "RESET ALL"
                await connection.execute(text(f"ALTER DATABASE {name} {setting}"))
        await engine.dispose()


@pytest.fixture
async def read_only(database_url: str) -> AsyncIterator[ReadOnly]:
    found = ReadOnly(database_url)
    yield found
    await found.switch(on=False)


async def test_far_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lets a server be silent for longer lets it answer a probe as late."""
    monkeypatch.setattr(_health, "_TIMEOUT", 0.0)
    async with client_of(served(Database(database_url, connect_timeout=30.0))) as client:
        assert await reason_of(client) is None


@SERVERS
async def test_demoted(database_url: str, read_only: ReadOnly) -> None:
    """A server that takes no changes any more is not ready; once it does, it is."""
    db = Database(database_url, metadata=Base.metadata)
    async with client_of(served(db)) as client:
        assert await reason_of(client) is None
        await read_only.switch(on=True)
        await db.engine.dispose()
        assert await reason_of(client) == "read_only"
        await read_only.switch(on=False)
        await reason_of(client)
        assert await reason_of(client) is None


@SERVERS
async def test_standby_for_reports(database_url: str, read_only: ReadOnly) -> None:
    """One that never took changes is ready for reading, until a write asks for more."""
    async with Database(database_url, metadata=Base.metadata):
        pass
    await read_only.switch(on=True)
    db = Database(database_url, metadata=Base.metadata, schema="verify")
    async with client_of(served(db)) as client:
        assert await reason_of(client) is None
        if read_only.is_postgresql:
            assert (await client.post("/hand?text=a")).status_code == 503
            assert await reason_of(client) == "read_only"


PROVIDER = [("read_only", "OFF"), ("wsrep_provider", "/usr/lib/galera/libgalera_smm.so")]


class Answers:
    """A connection to a server that says this."""

    def __init__(self, *answers: list[tuple[str, str]]) -> None:
        self._answers = list(answers)

    async def execute(self, _statement: object) -> list[tuple[str, str]]:
        return self._answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([PROVIDER, [("wsrep_ready", "OFF")]], "cluster_not_ready"),
        ([PROVIDER, [("wsrep_ready", "ON")]], None),
        ([[("wsrep_provider", "none"), ("read_only", "OFF")]], None),
        ([[("read_only", "OFF"), ("tx_read_only", "ON")]], "read_only"),
        ([[("transaction_read_only", "OFF"), ("read_only", "NO_LOCK_NO_ADMIN")]], "read_only"),
    ],
)
async def test_nodes(answers: list[list[tuple[str, str]]], reason: Unreadiness | None) -> None:
    """A node of Galera without its cluster answers SHOW alone."""
    connection: AsyncConnection = Answers(*answers)  # type: ignore[assignment]
    assert await BACKENDS["mariadb"].why_not_ready(connection) == reason


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
def db(path: Path) -> Database:
    return Database(f"sqlite:///{path}", metadata=Base.metadata)


def fill(connection: Any, _record: object) -> None:
    """Let the file grow no more over a connection, as on a disk that is full."""
    connection.execute("PRAGMA max_page_count = 1")


@pytest.mark.parametrize("way", ["/notes", "/hand"])
async def test_full_disk(db: Database, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not ready after a write that found no space, until one succeeds or some time later."""
    large = "x" * 20_000

    async def post(words: str) -> int:
        asked = {"json": {"text": words}} if way == "/notes" else {"params": {"text": words}}
        return (await client.post(way, **asked)).status_code  # type: ignore[arg-type]

    async with Database(db.url, metadata=Base.metadata):
        pass
    db.listens_for("connect")(fill)
    async with client_of(served(db)) as client:
        assert await post("a") in {200, 201}
        assert await reason_of(client) is None
        assert await post(large) == 507
        assert await reason_of(client) == "disk_full"
        monkeypatch.setattr(_condition, "_LASTING", 0.0)
        assert await reason_of(client) is None
        monkeypatch.undo()
        monkeypatch.setattr(_health, "_FRESH_SECONDS", 0.0)
        assert await reason_of(client) == "disk_full"
        assert await post("b") in {200, 201}
        assert await reason_of(client) is None


def move(path: Path, to: Path) -> None:
    path.rename(to)


def remove(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


async def test_file_gone(db: Database, path: Path) -> None:
    """It says that the file is gone; put back, it serves again."""
    async with client_of(served(db)) as client:
        kept = path.with_name("kept.db")
        await db.engine.dispose()
        await db.reader_engine.dispose()
        move(path, kept)
        assert await reason_of(client) == "file_gone"
        move(kept, path)
        assert await reason_of(client) is None


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("notes (id INTEGER PRIMARY KEY, text VARCHAR(9) NOT NULL)", None),
        ("others (id INTEGER)", "file_replaced"),
    ],
)
async def test_file_replaced(db: Database, path: Path, table: str, reason: str | None) -> None:
    """A restored backup serves; a file without the tables does not."""
    async with client_of(served(db)) as client:
        remove(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE {table}")
        for _ in range(2):
            assert await reason_of(client) == reason


async def test_verbose(backend: Backend, database_url: str) -> None:
    """It lists what was looked at, and what is in use: no place, no name, no password."""
    db = Database(database_url, metadata=Base.metadata)
    async with client_of(served(db)) as client:
        assert (await client.get("/readyz")).json() == {"status": "ok"}
        answer = await client.get("/readyz?verbose")
        (found,) = answer.json()["databases"]
        assert set(found["checks"].values()) == {"ok"}
        assert found["pools"]["reader"]["max"] == 15
        assert found["schema"] == "create"
        assert (found["lanes"] == "ok") is (backend.name in {"sqlite", "asyncpg"})
        url = db.url
        for secret in (url.host, url.password, url.database, str(url.port or "")):
            assert not secret or secret not in answer.text


async def test_verbose_when_it_is_down(db: Database, path: Path) -> None:
    """The answer that says why lists the rest, too."""
    async with client_of(served(db)) as client:
        remove(path)
        answer = (await client.get("/readyz?verbose")).json()
        assert answer["databases"][0]["checks"] == {"file": "file_gone"}
        assert str(path.parent) not in str(answer)


async def test_all_connections_in_use(database_url: str) -> None:
    """A probe waits in no line of those who write: that they work is no reason to be restarted."""
    db = Database(database_url, metadata=Base.metadata, pool_size=1, max_overflow=0)
    async with client_of(served(db)) as client, db.engine.connect():
        answers = await asyncio.gather(*(client.get("/readyz?verbose") for _ in range(20)))
        assert {each.status_code for each in answers} == {200}
