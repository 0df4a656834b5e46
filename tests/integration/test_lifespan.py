"""The database opens before the application's own lifespan and closes after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from sqlalchemy import text
from starlette.testclient import TestClient

from ormolu import Database, NoUnitOfWorkError
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, add_routes, make_app, make_database, texts_in


def is_open(db: Database) -> bool:
    """Tell whether the database is open on the running loop."""
    try:
        return db.engine is not None
    except NoUnitOfWorkError:
        return False


async def test_order(database_url: str) -> None:
    """Ours in, theirs in, theirs out, ours out; their lifespan may use the database."""
    seen: list[tuple[str, bool]] = []
    db = make_database(database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        seen.append(("in", is_open(db)))
        async with db.unit_of_work() as session:
            session.add(Note(text="first"))
        yield
        async with db.unit_of_work() as session:
            session.add(Note(text="last"))
        seen.append(("out", is_open(db)))

    async with client_of(make_app(db, lifespan=lifespan)) as client:
        assert (await client.get("/notes")).json() == ["first"]
    assert seen == [("in", True), ("out", True)]
    assert not is_open(db)
    assert await texts_in(database_url) == ["first", "last"]


@pytest.mark.backends("sqlite")
async def test_failing_lifespan_closes_the_database(database_url: str) -> None:
    """If their lifespan cannot start, its exception comes through and ours is closed."""
    db = make_database(database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise LookupError("theirs")
        yield

    with pytest.raises(LookupError, match="theirs"):
        async with client_of(make_app(db, lifespan=lifespan)):
            pass
    assert not is_open(db)


def test_lifespan_state() -> None:
    """What their lifespan yields is the request's state, beside the session."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"colour": "red"}

    app = make_app(make_database("sqlite://"), lifespan=lifespan)

    @app.get("/colour")
    async def colour(request: Request) -> str:
        return str(request.state.colour)

    with TestClient(app) as client:
        assert client.get("/colour").json() == "red"
        assert client.get("/notes").json() == []


def test_router_lifespans() -> None:
    """The lifespan of an included router runs, inside ours, included before or after attach."""
    seen: list[str] = []
    db = make_database("sqlite://")

    def router_of(name: str) -> APIRouter:
        @asynccontextmanager
        async def lifespan(_app: object) -> AsyncIterator[None]:
            assert is_open(db)
            seen.append(f"{name} in")
            yield
            assert is_open(db)
            seen.append(f"{name} out")

        return APIRouter(lifespan=lifespan)

    app = FastAPI()
    app.include_router(router_of("early"))
    db.attach(app)
    app.include_router(router_of("late"))
    add_routes(app)
    with TestClient(app) as client:
        assert client.get("/notes").json() == []
        assert sorted(seen) == ["early in", "late in"]
    assert sorted(seen) == ["early in", "early out", "late in", "late out"]


@pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated")
def test_on_event_handlers() -> None:
    """Handlers of the old kind run, inside ours."""
    seen: list[str] = []
    db = make_database("sqlite://")
    app = make_app(db)

    @app.on_event("startup")
    async def start() -> None:
        assert is_open(db)
        seen.append("startup")

    @app.on_event("shutdown")
    async def stop() -> None:
        assert is_open(db)
        seen.append("shutdown")

    with TestClient(app) as client:
        assert client.get("/notes").json() == []
    assert seen == ["startup", "shutdown"]


@pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated")
def test_on_event_beside_a_lifespan_is_warned_of() -> None:
    """FastAPI runs no on_event handler beside lifespan=, and Ormolu says which."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = make_app(make_database("sqlite://"), lifespan=lifespan)

    @app.on_event("startup")
    async def warm_up() -> None: ...

    with pytest.warns(RuntimeWarning, match="warm_up"), TestClient(app):
        pass


def test_application_starts_twice(database_url: str) -> None:
    """An application that was stopped starts again, with the rows of the first time."""
    app = make_app(make_database(database_url))
    for _ in range(2):
        with TestClient(app) as client:
            assert client.post("/notes?text=a").status_code == 201
    with TestClient(app) as client:
        assert client.get("/notes").json() == ["a", "a"]


@pytest.mark.long
def test_client_without_lifespan(database_url: str) -> None:
    """TestClient without `with` runs each request in a loop of its own; each just works."""
    client = TestClient(make_app(make_database(database_url)))
    for name in ("a", "b"):
        assert client.post(f"/notes?text={name}").status_code == 201
    assert client.get("/notes").json() == ["a", "b"]
    assert client.get("/readyz").status_code == 200


async def test_httpx_without_lifespan(database_url: str) -> None:
    """httpx's transport runs no lifespan; the first request opens the database."""
    db = make_database(database_url)
    transport = httpx2.ASGITransport(app=make_app(db))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.post("/notes?text=a")).status_code == 201
        assert (await client.get("/notes")).json() == ["a"]
    await db.close()
    assert not is_open(db)


async def test_two_databases_open_and_close_in_turn(database_url: str) -> None:
    """Both are open while the application's own lifespan runs, and closed afterwards."""
    first, second = make_database(database_url), make_database("sqlite://")
    seen: list[bool] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        seen.extend([is_open(first), is_open(second)])
        yield
        async with second.unit_of_work(read_only=True) as session:
            await session.execute(text("SELECT 1"))
        seen.extend([is_open(first), is_open(second)])

    app = make_app(first, lifespan=lifespan)
    second.attach(app)
    async with client_of(app):
        pass
    assert seen == [True] * 4
    assert not is_open(first)
    assert not is_open(second)
