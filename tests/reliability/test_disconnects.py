"""Clients that leave a real server in the middle of a request or of a stream."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import insert, select
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu import Database, SessionDep, resource
from tests.fixtures.backends import Backend
from tests.reliability._bank import User, app_of, database_of
from tests.reliability._observer import Observer, checked_out, observer_of
from tests.reliability._serving import served

_ROWS = 5000


async def leave(port: int, request: str, seconds: float, read: int = 0) -> None:
    """Send a request, read a part of the answer, and hang up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n".encode())
    if read:
        await reader.read(read)
    await asyncio.sleep(seconds)
    writer.transport.abort()


async def is_returned(db: Database) -> bool:
    """Tell whether all connections come back, give or take a moment."""
    for _ in range(150):
        if not checked_out(db):
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.long
async def test_clients_that_hang_up_leave_whole_rows(backend: Backend, database_url: str) -> None:
    """Requests whose clients are gone end whole or not at all, and give their connection back."""
    db = database_of(database_url, pool_size=2, max_overflow=0, pool_timeout=5.0)
    async with observer_of(backend, database_url) as observer:
        # The end of the server waits for the requests that still run.
        async with served(app_of(db)) as port:
            clients = (leave(port, f"POST /users/?name=n{n:02}", n * 0.001) for n in range(40))
            await asyncio.gather(*clients)
            await asyncio.sleep(0.1)
            assert await is_returned(db)
        assert await observer.is_quiet()
        state = await observer.state()
    assert tuple(name for name, _ in state.users) == state.events


class Watch:
    """Stands before the whole application, where a server does: what it answers and raises."""

    def __init__(self, app: ASGIApp) -> None:
        self.seen: list[object] = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.seen.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, note if scope["type"] == "http" else send)
        except Exception as error:
            self.seen.append(error)
            raise


async def ask() -> None:
    """Stand for a dependency of the program's own."""


def reading_app(db: Database) -> FastAPI:
    """An application whose routes read bodies: by a door, by a session, by hand."""
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(User, path="/door"))
    # FastAPI has to solve a dependency, so that there is no door.
    app.include_router(resource(User, path="/session"), dependencies=[Depends(ask)])

    @app.post("/whole")
    async def whole(request: Request, session: SessionDep) -> int:
        session.add(User(name="lost"))
        await session.flush()
        return len(await request.body())

    @app.post("/parts")
    async def parts(request: Request, session: SessionDep) -> int:
        session.add(User(name="lost"))
        await session.flush()
        return sum([len(part) async for part in request.stream()])

    return app


async def leave_in_body(port: int, path: str) -> None:
    """Send a part of a body, and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    writer.write(f'{head}Content-Length: 100\r\n\r\n{{"name":'.encode())
    await asyncio.sleep(0.1)
    writer.transport.abort()


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("path", ["/door", "/door:batch", "/session", "/whole", "/parts"])
async def test_client_that_leaves_while_its_body_comes_is_no_error(
    backend: Backend, database_url: str, path: str, middleware: bool
) -> None:
    """The server has nothing to log, nothing counts as a 500, and nothing is stored."""
    db = database_of(database_url, pool_timeout=5.0)
    app = reading_app(db)
    if middleware:
        # Starlette's own wrapper, in which an application that answers nothing is an error.
        app.middleware("http")(lambda request, call_next: call_next(request))
    watch = Watch(app)
    async with served(watch) as port, observer_of(backend, database_url) as observer:
        await leave_in_body(port, path)
        while not watch.seen:  # noqa: ASYNC110 -- the test's own limit ends it
            await asyncio.sleep(0.01)
        assert watch.seen == [400]
        assert await is_returned(db)
        assert await observer.is_quiet()
        assert await observer.scalar("SELECT count(*) FROM users") == 0


def add_streams(app: FastAPI, db: Database) -> None:
    """Add a stream that reads page by page, and one that is written to as it goes."""

    async def rows() -> AsyncIterator[str]:
        async with db.unit_of_work(read_only=True) as session:
            async for user in await session.stream_scalars(select(User)):
                yield user.name * 50

    async def writes() -> AsyncIterator[str]:
        async with db.unit_of_work() as session:
            for number in range(_ROWS):
                session.add(User(name=f"written{number}"))
                await session.flush()
                yield "x" * 5000

    @app.get("/rows")
    async def stream_rows() -> StreamingResponse:
        return StreamingResponse(rows())

    @app.get("/writes")
    async def stream_writes() -> StreamingResponse:
        return StreamingResponse(writes())


# psycopg says so of a cursor whose connection was closed in the middle of a fetch.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*ServerCursor.* was deleted while still open:ResourceWarning")
@pytest.mark.parametrize("path", ["/rows", "/writes"])
async def test_streams_whose_clients_leave_release_all(
    backend: Backend, database_url: str, path: str
) -> None:
    """A stream that nobody reads any more ends its unit of work; nothing of it is stored."""
    db = database_of(database_url, pool_size=2, max_overflow=0, pool_timeout=5.0)
    app = app_of(db)
    add_streams(app, db)
    async with served(app) as port, observer_of(backend, database_url) as observer:
        async with db.unit_of_work() as session:
            await session.execute(insert(User), list(_users()))
        for read in (1, 1000, 100_000):
            await leave(port, f"GET {path}", 0.01, read)
        assert await is_returned(db)
        await assert_unchanged(observer)
    gc.collect()


def _users() -> Iterator[dict[str, str]]:
    yield from ({"name": f"user{number}"} for number in range(_ROWS))


async def assert_unchanged(observer: Observer) -> None:
    """Check that the first rows are the only ones and nobody is inside a transaction."""
    assert await observer.is_quiet()
    assert await observer.scalar("SELECT count(*) FROM users") == _ROWS
