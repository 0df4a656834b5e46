"""An application whose statements last until they are cancelled, on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

from fastapi import Depends, FastAPI
from sqlalchemy import MetaData, String, text
from sqlalchemy.orm import Mapped, mapped_column
from starlette.types import Message, Scope

from ormolu import Database, Model, SessionDep, deadline, resource
from ormolu.sqlite import _mailbox
from tests.fixtures.apps import client_to
from tests.fixtures.backends import Backend
from tests.fixtures.kept import KeptApp, keep_running
from tests.reliability._observer import Observer, observer_of
from tests.resources.twins import by_the_session

# Seconds for what takes milliseconds on an idle machine.
PATIENCE = 20.0

_ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000000000)"
    " SELECT count(*) AS id, 'x' AS name FROM n"
)

# What makes the view that is read slowly, and the rows that are stored slowly.
_SLOW = {
    "sqlite": (
        f"CREATE VIEW slow_jobs AS {_ENDLESS}",
        "CREATE TRIGGER slow BEFORE INSERT ON jobs WHEN NEW.name = 'slow'"
        " BEGIN SELECT id FROM slow_jobs; END",
    ),
    "postgresql": (
        "CREATE VIEW slow_jobs AS SELECT 1 AS id, pg_sleep(60)::text AS name",
        "CREATE FUNCTION sleep() RETURNS trigger AS"
        " $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER slow BEFORE INSERT ON jobs FOR EACH ROW"
        " WHEN (NEW.name = 'slow') EXECUTE FUNCTION sleep()",
    ),
    "mysql": (
        "CREATE VIEW slow_jobs AS SELECT 1 AS id, CAST(SLEEP(60) AS CHAR(9)) AS name",
        "CREATE TRIGGER slow BEFORE INSERT ON jobs FOR EACH ROW"
        " BEGIN IF NEW.name = 'slow' THEN DO SLEEP(60); END IF; END",
    ),
}

_RUNNING = {
    "postgresql": (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
        " AND datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    ),
    "mysql": (
        "SELECT count(*) FROM information_schema.processlist"
        " WHERE db = DATABASE() AND command IN ('Query', 'Execute') AND id <> CONNECTION_ID()"
    ),
}


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Job(Base):
    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class SlowJob(Base):
    """Becomes a view."""

    __tablename__ = "slow_jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


def kind_of(backend: Backend) -> str:
    return "postgresql" if backend.is_postgresql else "mysql" if backend.is_mariadb else "sqlite"


def add_routes(app: FastAPI, seconds: float) -> None:
    """Add routes that read and write, by hand and by resources, on lanes and by sessions."""
    # For all that has to be answered, however busy the machine is.
    app.include_router(resource(Job, path="/free/jobs", deadline=inf))
    app.include_router(resource(Job, deadline=seconds))
    app.include_router(resource(SlowJob, path="/slow", deadline=seconds))
    session = [Depends(by_the_session)]
    app.include_router(resource(Job, path="/s/jobs", deadline=seconds), dependencies=session)
    app.include_router(resource(SlowJob, path="/s/slow", deadline=seconds), dependencies=session)
    limit = [Depends(deadline(seconds))]

    @app.get("/read", dependencies=limit)
    async def read(session: SessionDep) -> str:
        return str(await session.scalar(text("SELECT name FROM slow_jobs")))

    @app.post("/free/write")
    async def add(session: SessionDep) -> None:
        session.add(Job(name="quick"))

    @app.post("/write", dependencies=limit)
    async def write(session: SessionDep) -> str:
        session.add(Job(name="quick"))
        await session.flush()
        return str(await session.scalar(text("SELECT name FROM slow_jobs")))


class Slow(KeptApp):
    """The application, and eyes on its database."""

    def __init__(self, kept: KeptApp, backend: Backend, observer: Observer) -> None:
        super().__init__(kept.app, kept.db)
        self.observer = observer
        self._kind = kind_of(backend)

    async def running(self) -> int:
        """Return how many statements run."""
        if self._kind == "sqlite":
            return sum(not mailbox.is_idle for mailbox in list(_mailbox._OPEN))
        return await self.observer.scalar(_RUNNING[self._kind])

    async def wait_for(self, wanted: int, seconds: float = PATIENCE) -> None:
        """Wait until so many run."""
        async with asyncio.timeout(seconds):
            # No database has an event for it.
            while await self.running() != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def stored(self) -> int:
        """Return how many rows there are, once nobody is within a transaction."""
        assert await self.observer.is_quiet()
        return await self.observer.scalar("SELECT count(*) FROM jobs")

    async def assert_well(self) -> None:
        """Check that all connections are there, and that reads and writes go on."""
        pair = self.db._engines.current
        assert pair is not None
        before = await self.stored()
        async with client_to(self.app) as client:
            made = await client.post("/free/jobs", json={"name": "next"})
            assert made.status_code == 201, made.text
            assert (await client.get(f"/free/jobs/{made.json()['id']}")).status_code == 200
            assert (await client.get("/free/jobs?count=exact")).status_code == 200
            assert (await client.post("/free/write")).status_code == 200
        assert await self.stored() == before + 2


@asynccontextmanager
async def slow_app(
    backend: Backend,
    url: str,
    add: Callable[[FastAPI], None],
    *,
    through: str | None = None,
    **options: Any,
) -> AsyncIterator[Slow]:
    """Run the application for the tests of a module, on another URL if one is given."""
    # A busy machine is no outage.
    db = Database(through or url, metadata=Base.metadata, **{"connect_timeout": 10.0, **options})
    app = FastAPI()
    db.attach(app)
    add(app)
    async with keep_running(app, db) as kept, observer_of(backend, url) as observer:
        await observer.execute("DROP TABLE slow_jobs", *_SLOW[kind_of(backend)])
        yield Slow(kept, backend, observer)


class Client:
    """Sends one request, and may leave before it is answered."""

    def __init__(self, app: Any, method: str, path: str, body: bytes = b"") -> None:
        self.sent: list[Message] = []
        # Whether it is asked for more than its body, and by how many.
        self.asked_twice = asyncio.Event()
        self.receiving = 0
        self._app = app
        self._body = body
        self._left = asyncio.Event()
        headers = [(b"host", b"test")]
        if body:
            headers.append((b"content-length", str(len(body)).encode()))
            headers.append((b"content-type", b"application/json"))
        path, _, query = path.partition("?")
        self._scope: Scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "root_path": "", "headers": headers, "scheme": "http", "server": ("test", 80),
        }  # fmt: skip

    @property
    def status(self) -> int | None:
        """Return the status that was answered, to nobody maybe."""
        return self.sent[0]["status"] if self.sent else None

    def leave(self) -> None:
        self._left.set()

    async def run(self) -> int | None:
        """Send the request, and return the status of its answer."""
        messages = [{"type": "http.request", "body": self._body, "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            self.asked_twice.set()
            self.receiving += 1
            try:
                await self._left.wait()
            finally:
                self.receiving -= 1
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        async with asyncio.timeout(PATIENCE):
            await self._app(self._scope, receive, send)
        return self.status
