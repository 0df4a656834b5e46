"""What middleware finds in the scope after a door has answered: the same as after a route."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import Scope

from tests.fixtures.apps import client_of
from tests.web.doors import (
    ANSWERED,
    OPEN,
    SHUT,
    Next,
    Passages,
    Plain,
    app_with,
    database,
    pages,
    seats,
)

pytestmark = pytest.mark.backends("sqlite")


def traced(scope: Scope) -> dict[str, Any]:
    """Return what a tool that counts requests would look at."""
    context = scope["fastapi"]["effective_route_context"]
    return {
        "route": scope["route"].path,
        "endpoint": scope["endpoint"].__name__,
        "parameters": scope["path_params"],
        "path": context.path_format,
        "url": Request(scope).url_for("list_seats").path,
        "router": scope["router"] is scope["app"].router,
    }


REQUESTS: list[tuple[str, str, Any]] = [
    ("POST", "/api/seats", {"row": "a", "place": "1,2"}),
    ("GET", "/api/seats", None),
    ("GET", "/api/seats/a,1%2C2", None),
    ("GET", "/api/seats/a,1,2", None),
    ("PATCH", "/api/seats/a,1%2C2", {"text": "b"}),
    ("DELETE", "/api/seats/a,1%2C2", None),
]


@pytest.mark.long
@pytest.mark.parametrize("is_mounted", [False, True])
async def test_traces_are_those_of_the_route(
    database_url: str, passages: Passages, *, is_mounted: bool
) -> None:
    """Route, endpoint, parameters, full path, links: the same with a door and without."""
    seen: list[dict[str, Any]] = []
    app = FastAPI(middleware=[Middleware(Plain, after=lambda scope: seen.append(traced(scope)))])
    database(database_url).attach(app)
    app.include_router(seats, prefix="/api")
    outer = FastAPI(lifespan=app.router.lifespan_context)
    outer.mount("/{tenant}", app)
    prefix = "/acme" if is_mounted else ""
    found = []
    async with client_of(outer if is_mounted else app) as client:
        for overrides in (OPEN, SHUT):
            app.dependency_overrides = overrides
            for method, path, body in REQUESTS:
                assert (await client.request(method, prefix + path, json=body)).is_success
            found.append([*seen])
            seen.clear()
    assert found[0] == found[1]
    assert found[0][0]["route"] == "/seats"
    assert found[0][0]["path"] == "/api/seats"
    assert ("tenant" in found[0][0]["parameters"]) is is_mounted
    assert passages.take() == [ANSWERED] * len(REQUESTS)


async def test_decorated_middleware_finds_the_route(database_url: str, passages: Passages) -> None:
    """`request.scope` of @app.middleware("http") and of the pure one are the same."""
    seen: list[tuple[Any, ...]] = []
    app = app_with(database_url)

    @app.middleware("http")
    async def count(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        seen.append((request.scope["route"].path, response.status_code, dict(request.path_params)))
        return response

    async with client_of(app) as client:
        await client.post("/notes", json={"text": "a"})
        await client.get("/notes/1")
    assert seen == [("/notes", 201, {}), ("/notes/{id}", 200, {"id": "1"})]
    assert passages.take() == [ANSWERED] * 2


QUERIES = ("/1", "/1?&", "/1?&", "/1?fields=text", "/1?fields=text", "", "?&limit=1", "?limit=2")


@pytest.mark.long
async def test_headers_are_those_of_the_route(database_url: str, passages: Passages) -> None:
    """All headers in their order, and the body, are the same with a door and without."""
    app = app_with(database_url)
    app.include_router(APIRouter(prefix="/v1"))
    app.include_router(pages, prefix="/v1")
    found: list[list[Any]] = []
    async with client_of(app) as client:
        for text in "abc":
            await client.post("/v1/pages", json={"text": text})
        for overrides in (OPEN, SHUT):
            app.dependency_overrides = overrides
            answers = [await client.get(f"/v1/pages{query}") for query in QUERIES]
            found.append([(each.status_code, each.headers.raw, each.content) for each in answers])
    assert found[0] == found[1]
    assert passages.take().count(ANSWERED) == 3 + len(QUERIES) - 2


async def test_headers_of_writes_are_those_of_the_route(
    database_url: str, passages: Passages
) -> None:
    """A row that is created, changed and deleted by a door, and one by the route."""
    app = app_with(database_url)
    app.include_router(pages)
    found: list[list[Any]] = []
    async with client_of(app) as client:
        for overrides in (OPEN, SHUT):
            app.dependency_overrides = overrides
            answers = [
                await client.post("/pages", json={"text": "a"}),
                await client.patch("/pages/1", json={"text": "b"}),
                await client.delete("/pages/1"),
            ]
            found.append([(each.status_code, each.headers.raw, each.content) for each in answers])
    assert found[0] == found[1]
    assert passages.take() == [ANSWERED] * 3
