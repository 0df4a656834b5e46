"""Middleware of every kind works with doors as without them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fixtures.apps import client_of
from tests.web.doors import (
    ALL,
    ANSWERED,
    FINE,
    HANDED_OVER,
    Exchange,
    Next,
    Passages,
    Plain,
    app_with,
    database,
    notes,
    part,
    statuses,
    write_and_read,
)

pytestmark = pytest.mark.backends("sqlite")


class Dispatching(BaseHTTPMiddleware):
    """A middleware of Starlette's class: refuses those without a token, marks the others."""

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        if request.headers.get("authorization") != "Bearer ann":
            return JSONResponse({"own": "who are you?"}, status_code=401)
        response = await call_next(request)
        response.headers["x-seen"] = "dispatching"
        return response


class Authorizing:
    """The same as a pure ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"authorization", b"Bearer ann") not in scope["headers"]:
            await JSONResponse({"own": "who are you?"}, status_code=401)(scope, receive, send)
            return

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-seen", b"authorizing")]
            await send(message)

        await self._app(scope, receive, mark)


def _decorate(app: FastAPI) -> None:
    @app.middleware("http")
    async def dispatch(request: Request, call_next: Next) -> Response:
        return await Dispatching(app).dispatch(request, call_next)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        *((kind, place) for kind in (Dispatching, Authorizing)
          for place in ("constructor", "before", "after")),
        ("decorated", "before"),
        ("decorated", "after"),
    ],
)  # fmt: skip
async def test_middleware_may_refuse(
    database_url: str, passages: Passages, kind: Any, place: str
) -> None:
    """Wherever it is added: who is refused reaches no door, and others are answered by them."""
    app = FastAPI(middleware=[Middleware(kind)] if place == "constructor" else [])
    add = _decorate if kind == "decorated" else lambda app: app.add_middleware(kind)
    if place == "before":
        add(app)
    database(database_url).attach(app)
    if place == "after":
        add(app)
    app.include_router(notes)
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == [401] * ALL
        assert passages.take() == []
        answers = await write_and_read(client, headers={"authorization": "Bearer ann"})
    assert statuses(answers) == FINE
    assert all("x-seen" in answer.headers for answer in answers)
    assert passages.take() == [ANSWERED] * ALL


async def test_middleware_may_change_path_and_method(database_url: str, passages: Passages) -> None:
    """A door answers where the changed path leads, whatever the path was that was sent."""

    def change(scope: Scope) -> None:
        scope["path"] = scope["path"].replace("/v1/", "/").replace("/mine", "/notes/1")
        if scope["query_string"] == b"delete":
            scope["method"], scope["query_string"] = "DELETE", b""

    app = app_with(database_url, middleware=[Middleware(Plain, request=change)])
    async with client_of(app) as client:
        created = await client.post("/v1/notes", json={"text": "a"})
        assert (created.status_code, created.headers["location"]) == (201, "/notes/1")
        assert (await client.get("/v1/notes/1")).json() == {"id": 1, "text": "a"}
        assert (await client.get("/mine")).json() == {"id": 1, "text": "a"}
        assert (await client.patch("/mine", json={"text": "b"})).json()["text"] == "b"
        assert (await client.get("/mine?fields=text")).json() == {"text": "b"}
        assert (await client.post("/mine?delete")).status_code == 204
    assert passages.take() == [ANSWERED] * 4 + [HANDED_OVER, ANSWERED]


@pytest.mark.parametrize("raw", ["", "/notes/7", None])
async def test_path_as_it_was_sent_may_be_left_out(
    database_url: str, passages: Passages, raw: str | None
) -> None:
    """ASGI does not promise `raw_path`; and the path alone leads to a route."""
    app = app_with(database_url)
    async with client_of(app) as client:
        await client.post("/notes", json={"text": "a"})
        for path, expected in (("/notes/1", 200), ("/notes/x", 422)):
            done = Exchange(app, "PATCH", path, part(b'{"text":"b"}'))
            done.scope["raw_path"] = raw and raw.encode()
            if raw is None:
                del done.scope["raw_path"]
            await done.run()
            assert done.status == expected, done.body
        assert (await client.get("/notes/1")).json()["text"] == "b"
    assert passages.take() == [ANSWERED, ANSWERED, HANDED_OVER, ANSWERED]


async def test_middleware_may_change_headers_and_body(
    database_url: str, passages: Passages
) -> None:
    """What it sends on is what counts."""

    class Upper:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def upper() -> Message:
                message = await receive()
                return {**message, "body": message.get("body", b"").replace(b'"a"', b'"A"')}

            if scope["type"] == "http":
                scope["headers"] = [*scope["headers"], (b"content-type", b"application/json")]
            await self._app(scope, upper, send)

    async with client_of(app_with(database_url, middleware=[Middleware(Upper)])) as client:
        created = await client.post("/notes", content=b'{"text":"a"}')
        assert (created.status_code, created.json()["text"]) == (201, "A")
        changed = await client.patch("/notes/1", content=b'{"text":"b"}')
        assert (changed.status_code, changed.json()["text"]) == (200, "b")
    assert passages.take() == [ANSWERED] * 2


@pytest.mark.parametrize("kind", ["pure", "dispatching"])
async def test_middleware_may_read_the_body_first(
    database_url: str, passages: Passages, kind: str
) -> None:
    """A door, and the route after it, read it again."""
    seen: list[bytes] = []

    class Reading:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await self._app(scope, receive, send)
                return
            messages = [await receive()]
            while messages[-1].get("more_body"):
                messages.append(await receive())
            seen.append(b"".join(message["body"] for message in messages))

            async def replay() -> Message:
                return messages.pop(0) if messages else await receive()

            await self._app(scope, replay, send)

    app = app_with(database_url, middleware=[Middleware(Reading)] if kind == "pure" else [])
    if kind != "pure":

        @app.middleware("http")
        async def read(request: Request, call_next: Next) -> Response:
            seen.append(await request.body())
            return await call_next(request)

    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
        assert (await client.post("/notes", json={"text": 7})).status_code == 422
    assert seen == [b'{"text":"a"}', b'{"text":"b"}', b"", b"", b"", b'{"text":7}']
    assert passages.take() == [ANSWERED] * ALL + [HANDED_OVER]


async def test_middleware_may_change_the_answer(database_url: str, passages: Passages) -> None:
    """Status, headers and body are the middleware's to change, pure or dispatching."""

    def change(_scope: Scope, message: Message) -> Message:
        if message["type"] == "http.response.start":
            headers = [each for each in message["headers"] if each[0] != b"content-length"]
            return {**message, "status": message["status"] + 1, "headers": headers}
        return {**message, "body": message["body"].upper()}

    app = app_with(database_url, middleware=[Middleware(Plain, message=change)])

    @app.middleware("http")
    async def replace(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        return JSONResponse({"was": response.status_code}, status_code=218)

    async with client_of(app) as client:
        answers = await write_and_read(client)
    assert statuses(answers) == [218] * ALL
    # The decorated one is outside, as it was added later.
    assert answers[0].json() == {"was": 202}
    assert passages.take()[0] == ANSWERED


async def test_pure_middleware_may_change_the_body(database_url: str, passages: Passages) -> None:
    """Part by part, as it leaves."""

    def change(_scope: Scope, message: Message) -> Message:
        if message["type"] == "http.response.start":
            return {**message, "headers": [(b"x-own", b"1")]}
        return {**message, "body": message["body"].upper()}

    middleware = [Middleware(Plain, message=change)]
    async with client_of(app_with(database_url, middleware=middleware)) as client:
        created = await client.post("/notes", json={"text": "a"})
        assert created.json() == {"ID": 1, "TEXT": "A"}
        assert created.headers.raw == [(b"x-own", b"1")]
        assert (await client.get("/notes")).text.startswith('{"ITEMS":[{"ID":1,"TEXT":"A"}]')
    assert passages.take() == [ANSWERED] * 2


async def test_compression_of_a_list(database_url: str, passages: Passages) -> None:
    """A long list is compressed, a short answer is not."""
    app = app_with(database_url)
    app.add_middleware(GZipMiddleware, minimum_size=500)
    async with client_of(app) as client:
        created = await client.post("/notes", json={"text": "a" * 1000})
        assert created.headers["content-encoding"] == "gzip"
        answer = await client.get("/notes")
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.json()["items"] == [{"id": 1, "text": "a" * 1000}]
        short = await client.get("/notes?limit=1&sort=-id&text=b")
        assert "content-encoding" not in short.headers
        raw = Exchange(app, "GET", "/notes", headers=[(b"accept-encoding", b"gzip")])
        assert json.loads(gzip.decompress((await raw.run()).body))["next_cursor"] is None
    assert passages.take() == [ANSWERED, ANSWERED, HANDED_OVER, ANSWERED]


async def test_cors(database_url: str, passages: Passages) -> None:
    """A preflight never comes to a door, and answers carry what a browser asks for."""
    app = app_with(database_url)
    app.add_middleware(
        CORSMiddleware, allow_origins=["http://page.example"], allow_methods=["PATCH"],
        expose_headers=["Location"],
    )  # fmt: skip
    origin = {"origin": "http://page.example"}
    async with client_of(app) as client:
        asking = {**origin, "access-control-request-method": "PATCH"}
        asked = await client.options("/notes/1", headers=asking)
        assert (asked.status_code, passages.take()) == (200, [])
        answers = await write_and_read(client, headers=origin)
        allowed = [each.headers["access-control-allow-origin"] for each in answers]
        assert allowed == ["http://page.example"] * ALL
        assert answers[0].headers["access-control-expose-headers"] == "Location"
    assert passages.take() == [ANSWERED] * ALL


async def test_hosts_and_https(database_url: str, passages: Passages) -> None:
    """Who comes by another host or without TLS is not answered by a door."""
    app = app_with(database_url)
    app.add_middleware(HTTPSRedirectMiddleware)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["test"])
    async with client_of(app) as client:
        assert (await client.get("/notes", headers={"host": "evil"})).status_code == 400
        redirected = await client.post("/notes", json={"text": "a"})
        assert redirected.headers["location"] == "https://test/notes"
        assert passages.take() == []
        assert statuses(await write_and_read(client, "https://test/notes")) == FINE
    assert passages.take() == [ANSWERED] * ALL


async def test_session_of_a_middleware(database_url: str, passages: Passages) -> None:
    """A middleware that keeps a session in a cookie sets it with each answer."""

    def begin(scope: Scope) -> None:
        scope["session"] = {"visits": 1}

    def keep(scope: Scope, message: Message) -> Message:
        if message["type"] == "http.response.start":
            cookie = f"session={scope['session']['visits']}".encode()
            message["headers"] = [*message["headers"], (b"set-cookie", cookie)]
        return message

    middleware = [Middleware(Plain, request=begin, message=keep)]
    async with client_of(app_with(database_url, middleware=middleware)) as client:
        answers = await write_and_read(client)
    assert [answer.headers["set-cookie"] for answer in answers] == ["session=1"] * ALL
    assert passages.take() == [ANSWERED] * ALL
