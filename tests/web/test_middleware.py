"""User middleware of every kind stays outside the gate, and works."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import SessionDep
from ormolu.web._gate import Gate
from tests.fixtures.apps import client_of
from tests.web.notes import Note, attached, texts


class Plain:
    """A middleware without a base class."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Based(BaseHTTPMiddleware):
    """A middleware of Starlette's base class, which runs the rest in another task."""

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers["x-based"] = "yes"
        return response


def add_route(app: FastAPI) -> None:
    """Add a route that stores a note, and answers a long text."""

    @app.post("/notes")
    async def create(text: str, session: SessionDep, status: int = 200) -> Response:
        session.add(Note(text=text))
        return PlainTextResponse("long " * 500, status_code=status)


def constructed() -> FastAPI:
    return FastAPI(middleware=[Middleware(Plain), Middleware(Based), Middleware(GZipMiddleware)])


def added_before() -> FastAPI:
    app = FastAPI()
    app.add_middleware(Based)
    app.add_middleware(GZipMiddleware)
    return app


@pytest.mark.parametrize("make", [FastAPI, constructed, added_before])
async def test_gate_is_innermost(make: Callable[[], FastAPI]) -> None:
    """Whenever middleware was added, the gate stands inside it, and commits."""
    app = make()
    db = attached(app)
    app.add_middleware(CORSMiddleware, allow_origins=["http://a"])
    app.add_middleware(Based)
    add_route(app)
    async with client_of(app) as client:
        answer = await client.post("/notes?text=a", headers={"origin": "http://a"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "http://a"
        assert answer.headers["x-based"] == "yes"
        bad = await client.post("/notes?text=b&status=400", headers={"origin": "http://a"})
        assert bad.headers["access-control-allow-origin"] == "http://a"
        clash = await client.post("/notes?text=a", headers={"origin": "http://a"})
        assert (clash.status_code, clash.headers["x-based"]) == (409, "yes")
        assert await texts(db) == ["a"]
    assert app.user_middleware[-1].cls is Gate  # type: ignore[comparison-overlap]


async def test_compressed_answer_is_committed() -> None:
    """GZip, which holds the first byte back, changes nothing."""
    app = FastAPI()
    db = attached(app)
    app.add_middleware(GZipMiddleware, minimum_size=10)
    add_route(app)
    async with client_of(app) as client:
        answer = await client.post("/notes?text=a")
        assert answer.headers["content-encoding"] == "gzip"
        assert await texts(db) == ["a"]


async def test_middleware_that_answers_itself_stores_nothing() -> None:
    """What a middleware refuses never reaches the gate."""
    app = FastAPI()
    db = attached(app)

    @app.middleware("http")
    async def refuse(request: Request, call_next: Any) -> Response:
        return PlainTextResponse("no", status_code=403)

    add_route(app)
    async with client_of(app) as client:
        assert (await client.post("/notes?text=a")).status_code == 403
        assert await texts(db) == []


async def test_middleware_timeout_is_a_rollback() -> None:
    """A deadline of a middleware cancels the request, and nothing of it is stored."""
    app = FastAPI()
    db = attached(app)

    class Deadline:
        def __init__(self, inner: ASGIApp) -> None:
            self.inner = inner

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                async with asyncio.timeout(0.2):
                    await self.inner(scope, receive, send)
            except TimeoutError:
                await PlainTextResponse("late", status_code=504)(scope, receive, send)

    app.add_middleware(Deadline)

    @app.post("/notes")
    async def create(session: SessionDep) -> None:
        session.add(Note(text="late"))
        await session.flush()
        await asyncio.sleep(10)

    async with client_of(app) as client:
        assert (await client.post("/notes")).status_code == 504
        assert await texts(db) == []
        pool = db.engine.sync_engine.pool
        assert pool.checkedout() == 0  # type: ignore[attr-defined]
