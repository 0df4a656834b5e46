"""Requests that are run again, with more around them: databases, handlers, applications."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import Database, OverloadedError, SessionDep, after_commit, resource, retry
from ormolu.taps import FAULTS
from ormolu.testing import fail_nth_statement
from tests.fixtures.apps import client_of
from tests.reliability.crowd import Base, Crowd, Thing, names_in, store

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Loss:
    """A COMMIT of one database that fails once, of those that a test has."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.is_struck = False

    def before_statement(self, cursor: Any, sql: str, connection: Connection) -> None:
        """Let it pass."""

    def before_commit(self, connection: Connection) -> None:
        if not self.is_struck and connection.engine is self.db.engine.sync_engine:
            self.is_struck = True
            error = OSError("database is locked")
            error.sqlite_errorcode, error.sqlite_errorname = 5, "SQLITE_BUSY"  # type: ignore[attr-defined]
            raise DBAPIError("COMMIT", None, error)


@contextmanager
def losing(db: Database) -> Iterator[None]:
    """Let a COMMIT of the database fail once."""
    loss = Loss(db)
    FAULTS.append(loss)
    try:
        yield
    finally:
        FAULTS.remove(loss)


class Pair:
    """An application with two databases, of which the second one commits first."""

    def __init__(self, url: str, folder: Path) -> None:
        self.first = Database(url, metadata=Base.metadata)
        self.second = Database(f"sqlite:///{folder}/second.db", metadata=Base.metadata)
        self.crowd = crowd = Crowd()
        self.app = app = FastAPI()
        self.first.attach(app)
        self.second.attach(app)
        second = Depends(self.second.session)

        @app.post("/both")
        @retry
        async def store_both(request: Request, one: SessionDep, two: AsyncSession = second) -> int:
            crowd.begin()
            for session in (one, two):
                after_commit(session, crowd.seen.append, "committed")
                await store(session, (await request.body()).decode())
            return crowd.runs

        @app.post("/outer")
        @retry
        async def store_in_first(request: Request, one: SessionDep) -> None:
            crowd.begin()
            await store(one, (await request.body()).decode())

        app.include_router(resource(Thing, session=self.second.session))

    async def names(self) -> list[list[str]]:
        return [await names_in(db) for db in (self.first, self.second)]


@pytest.fixture
async def pair(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Pair, httpx2.AsyncClient]]:
    pair = Pair(database_url, tmp_path)
    async with client_of(pair.app) as client:
        yield pair, client


@pytest.mark.long
@pytest.mark.parametrize("number", [1, 2])
async def test_both_are_done_again(pair: tuple[Pair, httpx2.AsyncClient], number: int) -> None:
    """A statement of either loses what both have written."""
    both, client = pair
    with fail_nth_statement(number):
        answer = await client.post("/both", content=b"a")
    assert (answer.status_code, both.crowd.runs) == (200, 2)
    assert both.crowd.seen == ["committed"] * 2
    assert await both.names() == [["a"], ["a"]]


@pytest.mark.long
async def test_both_are_done_again_while_none_is_committed(
    pair: tuple[Pair, httpx2.AsyncClient],
) -> None:
    """The COMMIT that comes first may fail."""
    both, client = pair
    with losing(both.second):
        answer = await client.post("/both", content=b"a")
    assert (answer.status_code, both.crowd.runs) == (200, 2)
    assert await both.names() == [["a"], ["a"]]


@pytest.mark.long
async def test_nothing_is_done_again_once_one_is_committed(
    pair: tuple[Pair, httpx2.AsyncClient],
) -> None:
    """After the second COMMIT has failed, what the first has stored would be stored twice."""
    both, client = pair
    with losing(both.first):
        answer = await client.post("/both", content=b"a")
    assert (answer.status_code, both.crowd.runs) == (503, 1)
    assert await both.names() == [[], ["a"]]


@pytest.mark.long
async def test_a_database_that_is_not_used_keeps_nobody(
    pair: tuple[Pair, httpx2.AsyncClient],
) -> None:
    """The unit of work of the other one has stored nothing."""
    both, client = pair
    with losing(both.first):
        assert (await client.post("/outer", content=b"a")).status_code == 200
    assert (both.crowd.runs, await both.names()) == (2, [["a"], []])


@pytest.mark.long
async def test_a_resource_of_the_inner_database(pair: tuple[Pair, httpx2.AsyncClient]) -> None:
    """Its door reads the body before the request has a route."""
    both, client = pair
    with fail_nth_statement(1) as lost:
        assert (await client.post("/things", json={"name": "a"})).status_code == 201
    assert (lost.count, await both.names()) == (1, [[], ["a"]])


def app_with(db: Database, crowd: Crowd) -> FastAPI:
    """Return an application with a route that is not marked."""
    app = FastAPI()
    db.attach(app)

    @app.post("/stored")
    async def store_one(request: Request, session: SessionDep) -> None:
        crowd.begin()
        await store(session, (await request.body()).decode())

    return app


@pytest.mark.parametrize(("option", "runs"), [("all", 2), ("marked", 1), ("never", 1)])
async def test_an_option_says_it_of_all(database_url: str, option: Any, runs: int) -> None:
    """`retry="all"` needs no mark; "never" heeds none."""
    db, crowd = Database(database_url, metadata=Base.metadata, retry=option), Crowd()
    app = app_with(db, crowd)

    async def begin(_session: AsyncSession, values: Any) -> Any:
        crowd.begin()
        return values

    # An operation without hooks is done once more by itself.
    app.include_router(resource(Thing, hooks={"before_create": begin}))
    async with client_of(app) as client:
        with fail_nth_statement(1):
            answer = await client.post("/stored", content=b"a")
        assert (answer.status_code, crowd.runs) == (200 if runs == 2 else 503, runs)
        crowd.forget()
        with fail_nth_statement(1):
            answer = await client.post("/things", json={"name": "b"})
        is_once = option == "never"
        assert (answer.status_code, crowd.runs) == ((503, 1) if is_once else (201, 2))


async def test_handlers_of_the_program_answer_the_last_run(database_url: str) -> None:
    """What they say of an earlier one is thrown away, with its background tasks."""
    db, crowd = Database(database_url, metadata=Base.metadata, retry="all"), Crowd()
    app = app_with(db, crowd)

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        task = BackgroundTask(crowd.seen.append, "task")
        return JSONResponse({"of": type(error).__name__}, status_code=418, background=task)

    for kind in (SQLAlchemyError, DBAPIError, OverloadedError):
        app.exception_handler(kind)(answer)
    async with client_of(app) as client:
        with fail_nth_statement(1):
            assert (await client.post("/stored", content=b"a")).status_code == 200
        assert crowd.seen == []
        crowd.forget()
        with ExitStack() as faults:
            crowd.before = lambda _number: faults.enter_context(fail_nth_statement(1))
            answered = await client.post("/stored", content=b"b")
        assert (answered.status_code, crowd.runs, crowd.seen) == (418, 4, ["task"])
        assert await names_in(db) == ["a"]


async def test_functions_in_wrappers(database_url: str) -> None:
    """A mark is found on a partial function; a wrapped function of a resource has none."""
    db, crowd = Database(database_url, metadata=Base.metadata), Crowd()
    app = app_with(db, crowd)

    @retry
    async def store_named(session: SessionDep, name: str) -> None:
        crowd.begin()
        await store(session, name)

    router = APIRouter(prefix="/included")
    router.post("/partial")(functools.partial(store_named, name="a"))
    app.include_router(router)
    things = resource(Thing)
    create: Any = next(each.endpoint for each in things.routes if "POST" in each.methods)  # type: ignore[attr-defined]

    @functools.wraps(create)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        crowd.begin()
        return await create(*args, **kwargs)

    app.post("/wrapped")(wrapped)
    async with client_of(app) as client:
        with fail_nth_statement(1):
            assert (await client.post("/included/partial")).status_code == 200
        assert crowd.runs == 2
        with fail_nth_statement(1):
            assert (await client.post("/wrapped", json={"name": "b"})).status_code == 503
        assert crowd.runs == 3


class AskingAgain:
    """Middleware that asks again after an error, while it handles that."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            raise DBAPIError("x", None, _busy())
        except DBAPIError:
            await self.app(scope, receive, send)


def _busy() -> OSError:
    error = OSError("database is locked")
    error.sqlite_errorcode, error.sqlite_errorname = 5, "SQLITE_BUSY"  # type: ignore[attr-defined]
    return error


async def test_an_error_outside_is_not_of_the_request(database_url: str) -> None:
    """A 404 is an answer, though middleware is handling a deadlock around it."""
    db, crowd = Database(database_url, metadata=Base.metadata, retry="all"), Crowd()
    app = app_with(db, crowd)
    app.add_middleware(AskingAgain)

    @app.get("/missing")
    async def miss() -> JSONResponse:
        crowd.begin()
        return JSONResponse({}, status_code=404)

    async with client_of(app) as client:
        assert (await client.get("/missing")).status_code == 404
        assert crowd.runs == 1


async def test_a_mounted_application_is_run_again(database_url: str) -> None:
    """The scope that the mount has changed is as it was."""
    db, crowd = Database(database_url, metadata=Base.metadata, retry="all"), Crowd()
    inner, app = FastAPI(), FastAPI()
    db.attach(app)

    @inner.post("/paths/{name}")
    async def store_path(name: str, request: Request, session: SessionDep) -> str:
        crowd.begin()
        await store(session, name)
        return str(request.scope["root_path"])

    app.mount("/inner", inner)
    async with client_of(app) as client:
        with fail_nth_statement(1):
            answer = await client.post("/inner/paths/a")
        assert (answer.json(), crowd.runs) == ("/inner", 2)
