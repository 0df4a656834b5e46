"""The user's middleware stays outside the gate, whatever its kind, and works as without Ormolu."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu import SessionDep
from ormolu.web._gate import Gate
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, add_routes, make_app, make_database, texts_in

Next = Callable[[Request], Awaitable[Response]]


class Plain:
    """A pure ASGI middleware that notes its name in a header of the answer."""

    def __init__(self, app: ASGIApp, name: str = "plain") -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-seen", self.name.encode())]
            await send(message)

        await self.app(scope, receive, note)


class Dispatching(BaseHTTPMiddleware):
    """A middleware of Starlette's class, which runs the rest in a task of its own."""

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        response.headers.append("x-seen", "dispatching")
        return response


async def test_gate_is_innermost_whenever_the_others_come(database_url: str) -> None:
    """Middleware of the constructor, of before and of after attach wraps the gate, and commits."""
    db = make_database(database_url)
    app = FastAPI(middleware=[Middleware(Plain, name="constructor")])
    app.add_middleware(Plain, name="before")
    db.attach(app)
    app.add_middleware(Plain, name="after")
    app.add_middleware(Dispatching)
    add_routes(app)
    assert repr(app.user_middleware[-1].cls) == repr(Gate)
    async with client_of(app) as client:
        stored = await client.post("/notes?text=a")
        assert stored.status_code == 201
        order = ["constructor", "before", "after", "dispatching"]
        assert stored.headers.get_list("x-seen") == order
        assert (await client.get("/notes")).json() == ["a"]
    assert await texts_in(database_url) == ["a"]


async def test_decorated_middleware_sees_what_is_committed(database_url: str) -> None:
    """When `call_next` returns, the row is stored for everybody."""
    app = make_app(make_database(database_url))
    seen: list[list[str]] = []

    @app.middleware("http")
    async def look(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        seen.append(await texts_in(database_url))
        return response

    async with client_of(app) as client:
        await client.post("/notes?text=a")
    assert seen == [["a"]]


STANDARD = [
    Middleware(TrustedHostMiddleware, allowed_hosts=["test"]),
    Middleware(CORSMiddleware, allow_origins=["http://page.example"], allow_methods=["POST"]),
    Middleware(GZipMiddleware, minimum_size=10),
]


async def test_standard_middleware(database_url: str) -> None:
    """Compression, CORS and trusted hosts do their work on answers and on problems."""
    app = make_app(make_database(database_url), middleware=STANDARD)
    origin = {"origin": "http://page.example"}
    async with client_of(app) as client:
        await client.post(f"/notes?text={'a' * 200}")
        answer = await client.get("/notes", headers=origin)
        assert answer.json() == ["a" * 200]
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["access-control-allow-origin"] == origin["origin"]
        problem = await client.post("/notes", headers=origin)
        assert (problem.status_code, problem.json()["code"]) == (422, "validation_error")
        assert problem.headers["access-control-allow-origin"] == origin["origin"]
        asked = await client.options(
            "/notes", headers={**origin, "access-control-request-method": "POST"}
        )
        assert asked.status_code == 200
        assert (await client.get("/notes", headers={"host": "evil.example"})).status_code == 400


async def test_gzip_of_a_stream(database_url: str) -> None:
    """A compressed stream arrives whole, and what its route wrote is stored."""
    app = make_app(make_database(database_url), middleware=[Middleware(GZipMiddleware)])

    @app.post("/stream")
    async def stream(session: SessionDep) -> StreamingResponse:
        session.add(Note(text="streamed"))

        async def lines() -> AsyncIterator[str]:
            for number in range(1000):
                yield f"{number}\n"

        return StreamingResponse(lines(), media_type="text/plain")

    async with client_of(app) as client:
        answer = await client.post("/stream")
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.text.splitlines() == [f"{number}" for number in range(1000)]
    assert await texts_in(database_url) == ["streamed"]


async def test_middleware_that_changes_the_status(database_url: str) -> None:
    """The route's own status decides; a middleware outside cannot undo a COMMIT."""
    app = make_app(make_database(database_url))

    @app.middleware("http")
    async def change(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        response.status_code = 418
        return response

    async with client_of(app) as client:
        assert (await client.post("/notes?text=a")).status_code == 418
    assert await texts_in(database_url) == ["a"]


async def test_middleware_that_answers_itself(database_url: str) -> None:
    """Where the route does not run nothing is stored; where its answer is replaced, it is."""
    app = make_app(make_database(database_url))

    @app.middleware("http")
    async def answer(request: Request, call_next: Next) -> Response:
        if "early" in request.query_params:
            return PlainTextResponse("early")
        await call_next(request)
        return PlainTextResponse("late")

    async with client_of(app) as client:
        assert (await client.post("/notes?text=a&early=1")).text == "early"
        assert (await client.post("/notes?text=b")).text == "late"
        assert (await client.post("/notes?text=c")).text == "late"
    assert await texts_in(database_url) == ["b", "c"]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_exception_in_a_middleware(database_url: str, moment: str) -> None:
    """It is a 500 problem; before the route nothing is stored, after it the work is."""
    app = make_app(make_database(database_url))

    @app.middleware("http")
    async def fail(request: Request, call_next: Next) -> Response:
        if moment == "before":
            raise RuntimeError(moment)
        if request.method == "POST":
            await call_next(request)
            raise RuntimeError(moment)
        return await call_next(request)

    async with client_of(app) as client:
        failed = await client.post("/notes?text=a")
        assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    assert await texts_in(database_url) == (["a"] if moment == "after" else [])


async def test_exception_of_a_route_passes_every_middleware(database_url: str) -> None:
    """An exception that nobody handles rolls back and reaches the middleware as itself."""
    caught: list[BaseException] = []
    app = make_app(make_database(database_url))

    @app.middleware("http")
    async def watch(request: Request, call_next: Next) -> Response:
        try:
            return await call_next(request)
        except ZeroDivisionError as error:
            caught.append(error)
            raise

    @app.post("/fail")
    async def fail(session: SessionDep) -> float:
        session.add(Note(text="lost"))
        await session.flush()
        return 1 / 0

    async with client_of(app) as client:
        assert (await client.post("/fail")).status_code == 500
        assert len(caught) == 1
        assert (await client.get("/notes")).json() == []


async def test_pure_middleware_may_read_the_body(database_url: str) -> None:
    """A middleware that reads and replays the body disturbs nothing."""
    bodies: list[bytes] = []

    class Recording:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def record() -> Message:
                message = await receive()
                bodies.append(message.get("body", b""))
                return message

            await self.app(scope, record, send)

    app = make_app(make_database(database_url), middleware=[Middleware(Recording)])

    @app.post("/bodies")
    async def create(body: dict[str, Any], session: SessionDep) -> str:
        session.add(Note(text=body["text"]))
        return "stored"

    async with client_of(app) as client:
        assert (await client.post("/bodies", json={"text": "b"})).status_code == 200
    assert b'{"text":"b"}' in bodies
    assert await texts_in(database_url) == ["b"]
