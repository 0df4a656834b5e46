"""Other routes beside those of a resource: who comes first in FastAPI comes first with doors."""

from __future__ import annotations

from functools import wraps
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Match, Mount, Route

from tests.fixtures.apps import client_of
from tests.web.doors import (
    ALL,
    ANSWERED,
    FINE,
    Passages,
    app_with,
    database,
    notes,
    pages,
    statuses,
    write_and_read,
)

pytestmark = pytest.mark.backends("sqlite")


async def own(_request: Request) -> PlainTextResponse:
    """A route of the program's own."""
    return PlainTextResponse("own")


OWN = Starlette(routes=[Route("/{rest:path}", own, methods=["GET", "POST", "PATCH", "DELETE"])])


# A route, the request that it is to take, and one that it is not to take.
EARLIER: list[tuple[BaseRoute, tuple[str, str], tuple[str, str] | None]] = [
    (Route("/notes/me", own), ("GET", "/notes/me"), ("GET", "/notes/1")),
    (Route("/notes/1", own), ("GET", "/notes/1"), ("GET", "/notes/2")),
    (Route("/notes/{name}", own), ("GET", "/notes/1"), ("DELETE", "/notes/1")),
    (Route("/notes/{name:int}", own), ("GET", "/notes/1"), ("GET", "/notes")),
    (Route("/{any:path}", own), ("GET", "/notes/1"), ("DELETE", "/notes/1")),
    (Route("/{any:path}", own), ("GET", "/notes"), ("POST", "/notes")),
    (Route("/notes", own), ("GET", "/notes"), ("POST", "/notes")),
    (Route("/notes", own, methods=["POST"]), ("POST", "/notes"), ("GET", "/notes")),
    (Route("/notes/{id}", OWN), ("PATCH", "/notes/1"), ("GET", "/notes")),
    (Mount("/notes", OWN), ("GET", "/notes/1"), ("GET", "/notes")),
    (Mount("/notes/1", OWN), ("GET", "/notes/1/"), ("GET", "/notes/1")),
    (Host("test", OWN), ("GET", "/notes"), None),
]


async def _stored(client: httpx2.AsyncClient) -> None:
    for text in "ab":
        await client.post("/notes", json={"text": text}, headers={"host": "other"})


@pytest.mark.parametrize(("route", "taken", "left"), EARLIER)
@pytest.mark.parametrize("is_included", [False, True])
async def test_earlier_route(
    database_url: str,
    passages: Passages,
    route: BaseRoute,
    taken: tuple[str, str],
    left: tuple[str, str] | None,
    *,
    is_included: bool,
) -> None:
    """It answers what it matches; the doors behind it answer the rest."""
    app, router = FastAPI(), APIRouter()
    database(database_url).attach(app)
    (router if is_included else app.router).routes.append(route)
    app.include_router(router)
    app.include_router(notes)
    async with client_of(app) as client:
        await _stored(client)
        passages.take()
        answer = await client.request(*taken)
        assert (answer.text, passages.take()) == ("own", [])
        if left is not None:
            answer = await client.request(*left, json={"text": "c"})
            assert answer.is_success
            assert passages.take() == [ANSWERED]


class Shouted(Route):
    """A route that matches in a way of its own."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        return super().matches({**scope, "path": scope["path"].upper()})


class Strict(BaseRoute):
    """A route that knows no more than it has to."""

    methods = ("GET",)

    def matches(self, scope: Any) -> tuple[Match, Any]:
        return Match.NONE, {}


@pytest.mark.parametrize("route", [Shouted("/NOTES", own), Mount("", OWN), Strict()])
async def test_earlier_route_that_matches_in_its_own_way(
    database_url: str, passages: Passages, route: BaseRoute
) -> None:
    """What it would match nobody knows but itself: there are no doors behind it."""
    app = FastAPI()
    database(database_url).attach(app)
    app.router.routes.append(route)
    app.include_router(notes)
    async with client_of(app) as client:
        answer = await client.get("/notes")
        assert (answer.text == "own") is not isinstance(route, Strict)
    assert passages.take() == []


async def test_later_routes(database_url: str, passages: Passages) -> None:
    """They come later in FastAPI too."""
    app = app_with(database_url)
    for route, _, _ in EARLIER:
        app.router.routes.append(route)
    app.mount("/static", OWN)
    app.include_router(notes, prefix="/again")
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
        assert passages.take() == [ANSWERED] * ALL
        assert (await client.get("/static/x")).text == "own"


async def test_websocket_at_the_same_path(database_url: str, passages: Passages) -> None:
    """Takes no request of HTTP."""
    app = FastAPI()
    database(database_url).attach(app)

    @app.websocket("/notes")
    async def talk(socket: WebSocket) -> None: ...

    app.include_router(notes)
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert passages.take() == [ANSWERED] * ALL


@pytest.mark.parametrize("redirects", [False, True])
async def test_methods_and_slashes(
    database_url: str, passages: Passages, *, redirects: bool
) -> None:
    """HEAD, OPTIONS, 405 and a slash too many are the routes' own, as ever."""
    app = app_with(database_url, redirect_slashes=redirects)
    async with client_of(app) as client:
        await client.post("/notes/", json={"text": "a"})
        assert passages.take() == [ANSWERED]
        for path, length in (("/notes", 52), ("/notes/1", 21), ("/notes/1/", 21)):
            head = await client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert int(head.headers["content-length"]) > length - 20
        options = await client.options("/notes/1")
        assert (options.status_code, "PATCH" in options.headers["allow"]) == (204, True)
        refused = await client.put("/notes/1", json={"text": "b"})
        assert (refused.status_code, refused.headers["allow"]) == (405, options.headers["allow"])
        assert (await client.get("/notes/1/")).json() == {"id": 1, "text": "a"}
        assert (await client.get("/notes//1")).status_code == 404
        assert passages.take() == []
        assert (await client.get("/notes/")).status_code == 200
    assert passages.take() == [ANSWERED]


async def _stored_one(client: httpx2.AsyncClient, passages: Passages) -> None:
    assert (await client.post("/notes", json={"text": "a"})).status_code == 201
    assert (await client.get("/notes/1")).status_code == 200
    assert passages.take() == [ANSWERED] * 2


@pytest.mark.parametrize("way", ["inserted", "in a router", "swapped", "deep"])
async def test_routes_that_come_after_the_first_request(
    database_url: str, passages: Passages, way: str
) -> None:
    """They are seen with the next request, wherever they are put."""
    app, router, deep = FastAPI(), APIRouter(), APIRouter()
    database(database_url).attach(app)
    router.include_router(deep)
    app.include_router(router)
    app.include_router(notes)
    app.add_route("/last", own)
    async with client_of(app) as client:
        await _stored_one(client, passages)
        if way == "inserted":
            app.add_route("/notes/{id}", own)
            app.router.routes.insert(0, app.router.routes.pop())
        elif way == "swapped":
            app.router.routes.pop()
            app.add_route("/notes/{id}", own)
            app.router.routes.insert(0, app.router.routes.pop())
        else:
            (router if way == "in a router" else deep).add_route("/notes/{id}", own)
        assert (await client.get("/notes/1")).text == "own"
        assert passages.take() == []
        assert (await client.patch("/notes/1", json={"text": "b"})).status_code == 200
    assert passages.take() == [ANSWERED]


async def test_resource_that_comes_after_the_first_request(
    database_url: str, passages: Passages
) -> None:
    """Has doors with its first request."""
    app = app_with(database_url)
    async with client_of(app) as client:
        await _stored_one(client, passages)
        app.include_router(pages, prefix="/late")
        assert (await client.post("/late/pages", json={"text": "a"})).status_code == 201
        assert passages.take() == [ANSWERED]


class Counted(APIRoute):
    """A class of routes that counts its requests."""

    seen = 0

    def get_route_handler(self) -> Any:
        handler = super().get_route_handler()

        async def count(request: Request) -> Any:
            Counted.seen += 1
            return await handler(request)

        return count


@pytest.mark.long
async def test_class_of_routes(database_url: str, passages: Passages) -> None:
    """That of the application has no part in a resource; one that was made of it has."""
    app = FastAPI()
    app.router.route_class = Counted
    database(database_url).attach(app)
    app.include_router(notes)
    router = APIRouter(route_class=Counted)
    for route in pages.routes:
        if isinstance(route, APIRoute):
            router.add_api_route(
                route.path, route.endpoint, methods=[*(route.methods or ())], response_model=None,
                status_code=route.status_code,
            )  # fmt: skip
    app.include_router(router)
    Counted.seen = 0
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
        assert (Counted.seen, passages.take()) == (0, [ANSWERED] * ALL)
        assert statuses(await write_and_read(client, "/pages")) == FINE
    assert (Counted.seen, passages.take()) == (ALL, [])


class Watching(APIRouter):
    """A class of routers that counts its requests."""

    seen = 0

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        Watching.seen += 1
        await super().handle(scope, receive, send)


async def test_class_of_routers(database_url: str, passages: Passages) -> None:
    """Doors would pass it by."""
    app, router = FastAPI(), Watching()
    database(database_url).attach(app)
    router.include_router(notes)
    app.include_router(router)
    Watching.seen = 0
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert (Watching.seen, passages.take()) == (ALL, [])


@pytest.mark.long
@pytest.mark.parametrize("way", ["endpoint", "dependant"])
async def test_wrapped_endpoints(database_url: str, passages: Passages, way: str) -> None:
    """What an endpoint is wrapped with runs for each request."""
    seen: list[str] = []
    router = APIRouter()

    def wrapped(function: Any) -> Any:
        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            seen.append(function.__name__)
            return await function(*args, **kwargs)

        return call

    app = FastAPI()
    database(database_url).attach(app)
    for route in notes.routes:
        if isinstance(route, APIRoute):
            endpoint = wrapped(route.endpoint) if way == "endpoint" else route.endpoint
            router.add_api_route(
                route.path, endpoint, methods=[*(route.methods or ())], response_model=None,
                status_code=route.status_code,
            )  # fmt: skip
    app.include_router(router)
    if way == "dependant":
        for context in iter_route_contexts(app.router.routes[-1:]):
            if getattr(context, "dependant", None) is None:
                continue
            context.dependant.call = wrapped(context.dependant.call)
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert (len(seen), passages.take()) == (ALL, [])


async def test_door_of_a_starlette_route(database_url: str, passages: Passages) -> None:
    """A plain route that carries a door is not one that a door stands for."""
    app = app_with(database_url)

    async def plain(request: Request) -> PlainTextResponse:
        return await own(request)

    plain.door = next(each.endpoint.door for each in notes.routes if hasattr(each.endpoint, "door"))  # type: ignore[attr-defined]
    app.add_route("/plain", plain)
    async with client_of(app) as client:
        assert (await client.get("/plain")).text == "own"
    assert passages.take() == []


@pytest.mark.backends("sqlite")
async def test_an_attribute_of_the_program_s_own_is_no_door(
    database_url: str, passages: Passages
) -> None:
    """An endpoint may have an attribute that is called `door`."""
    app = app_with(database_url)

    @app.get("/house")
    async def house() -> str:
        return "ok"

    house.door = "green"  # type: ignore[attr-defined]
    async with client_of(app) as client:
        assert (await client.get("/house")).json() == "ok"
        assert statuses(await write_and_read(client)) == FINE
    assert passages.take() == [ANSWERED] * ALL
