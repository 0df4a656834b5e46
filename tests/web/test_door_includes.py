"""Prefixes, dependencies, overrides and limits of applications and routers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from opentelemetry import trace

from ormolu import resource
from ormolu.web import request_session
from tests.fixtures.apps import client_of
from tests.web.doors import (
    ALL,
    ANSWERED,
    FINE,
    HANDED_OVER,
    Note,
    Passages,
    app_with,
    database,
    notes,
    pages,
    statuses,
    write_and_read,
)

pytestmark = pytest.mark.backends("sqlite")


class Guard:
    """A dependency that counts its requests, and refuses those without a token."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, token: Annotated[str | None, Header()] = None) -> None:
        self.seen += 1
        if token is None:
            raise HTTPException(403)


@pytest.mark.long
@pytest.mark.parametrize("level", ["application", "include", "router", "deep"])
async def test_dependencies(database_url: str, passages: Passages, level: str) -> None:
    """At whatever level one stands, it runs for each request, and may refuse it."""
    guard = Guard()
    given = {each: [Depends(guard)] if each == level else [] for each in
             ("application", "include", "router", "deep")}  # fmt: skip
    app = FastAPI(dependencies=given["application"])
    database(database_url).attach(app)
    deep = APIRouter(prefix="/c", dependencies=given["deep"])
    deep.include_router(notes)
    router = APIRouter(prefix="/b", dependencies=given["router"])
    router.include_router(deep)
    app.include_router(router, prefix="/a", dependencies=given["include"])
    async with client_of(app) as client:
        assert statuses(await write_and_read(client, "/a/b/c/notes")) == [403] * ALL
        answers = await write_and_read(client, "/a/b/c/notes", headers={"token": "t"})
    assert statuses(answers) == FINE
    # Of a door too, and once: what it raised is raised by the route.
    assert (guard.seen, passages.take()) == (2 * ALL, [HANDED_OVER] * ALL + [ANSWERED] * ALL)


async def test_dependencies_of_other_routers(database_url: str, passages: Passages) -> None:
    """Do not concern a resource that is included beside them."""
    app = app_with(database_url)
    app.include_router(pages, dependencies=[Depends(Guard())])
    async with client_of(app) as client:
        assert (await client.get("/pages")).status_code == 403
        assert passages.take() == [HANDED_OVER]
        assert statuses(await write_and_read(client)) == FINE
    assert passages.take() == [ANSWERED] * ALL


@pytest.mark.long
async def test_prefixes(database_url: str, passages: Passages) -> None:
    """Of three routers in each other, and twice the same resource: links have them all."""
    app = app_with(database_url)
    inner, middle = APIRouter(prefix="/c"), APIRouter(prefix="/b")
    inner.include_router(notes)
    middle.include_router(inner)
    app.include_router(middle, prefix="/a")
    async with client_of(app) as client:
        for path in ("/notes", "/a/b/c/notes"):
            answers = await write_and_read(client, path)
            assert statuses(answers) == FINE
            assert answers[0].headers["location"].startswith(f"{path}/")
            for text in "xy":
                await client.post(path, json={"text": path + text})
            listed = await client.get(f"{path}?limit=1")
            assert listed.headers["link"].startswith(f"<{path}?limit=1&cursor=")
    assert passages.take() == [ANSWERED] * 2 * (ALL + 3)


@pytest.mark.long
async def test_prefix_with_parameters(database_url: str, passages: Passages) -> None:
    """Who knows what they are for? There are no doors."""
    app = FastAPI()
    database(database_url).attach(app)
    app.include_router(notes, prefix="/{tenant}")
    async with client_of(app) as client:
        answers = await write_and_read(client, "/acme/notes")
    assert statuses(answers) == FINE
    assert answers[0].headers["location"] == "/acme/notes/1"
    assert passages.take() == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["request_session", "db.session", "other"])
async def test_overrides(database_url: str, passages: Passages, name: str) -> None:
    """While anything is overridden routes answer; before and afterwards doors do."""
    app, db = FastAPI(), database(database_url)
    db.attach(app)
    app.include_router(resource(Note, path="/notes", session=db.session))
    app.include_router(notes, prefix="/a")
    seen: list[int] = []

    async def replaced() -> Any:
        seen.append(1)
        async with db.unit_of_work() as session:
            yield session

    keys: dict[str, Any] = {
        "request_session": request_session,
        "db.session": db.session,
        "other": Guard(),
    }
    path = {"request_session": "/a/notes", "db.session": "/notes", "other": "/notes"}[name]
    app.dependency_overrides[keys[name]] = replaced
    async with client_of(app) as client:
        for expected in ([], [ANSWERED] * ALL, []):
            assert statuses(await write_and_read(client, path)) == FINE
            assert passages.take() == expected
            assert len(seen) == (0 if name == "other" else ALL * (not expected))
            seen.clear()
            if app.dependency_overrides:
                app.dependency_overrides.clear()
            else:
                app.dependency_overrides[keys[name]] = replaced


LIMIT = 30
SMALL, LARGE = {"text": "a"}, {"text": "a" * LIMIT}


@pytest.mark.parametrize("level", ["application", "include", "router"])
async def test_limit_of_bodies(database_url: str, passages: Passages, level: str) -> None:
    """FastAPI counts the bytes of a body: no door reads it, nor answers where it says no."""
    limits = {each: LIMIT if each == level else None for each in
              ("application", "include", "router")}  # fmt: skip
    app = FastAPI(max_body_size=limits["application"])
    database(database_url).attach(app)
    router = APIRouter(max_body_size=limits["router"])
    router.include_router(notes)
    app.include_router(router, max_body_size=limits["include"])
    async with client_of(app) as client:
        assert (await client.post("/notes", json=SMALL)).status_code == 201
        assert (await client.post("/notes", json=LARGE)).status_code == 413
        assert (await client.patch("/notes/1", json=LARGE)).status_code == 413
        if level != "application":
            # That one answers 413 as well, but outside the gate: the row would be gone.
            assert (await client.request("DELETE", "/notes/1", json=LARGE)).status_code == 413
        assert (await client.request("GET", "/notes/1", json=LARGE)).status_code == 413
        assert passages.take() == []
        assert (await client.get("/notes/1")).status_code == 200
        assert (await client.get("/notes")).json()["items"] == [{"id": 1, **SMALL}]
        assert (await client.delete("/notes/1")).status_code == 204
    assert passages.take() == [ANSWERED] * 3


async def test_limit_of_an_outer_application(database_url: str, passages: Passages) -> None:
    """What it counts is counted for a mounted application's doors too."""
    inner = app_with(database_url)
    app = FastAPI(lifespan=inner.router.lifespan_context, max_body_size=LIMIT)
    app.mount("/inner", inner)
    async with client_of(app) as client:
        assert (await client.post("/inner/notes", json=SMALL)).status_code == 201
        assert passages.take() == [ANSWERED]
        assert (await client.post("/inner/notes", json=LARGE)).status_code == 413
        assert (await client.get("/inner/notes")).json()["items"] == [{"id": 1, **SMALL}]


@pytest.mark.parametrize("is_strict", [False, True])
async def test_strictness_of_content_types(
    database_url: str, passages: Passages, *, is_strict: bool
) -> None:
    """A resource asks for JSON whatever FastAPI would let pass."""
    app = app_with(database_url, strict_content_type=is_strict)
    async with client_of(app) as client:
        assert (await client.post("/notes", content=b'{"text":"a"}')).status_code == 415
        assert statuses(await write_and_read(client)) == FINE
    assert passages.take()[1:] == [ANSWERED] * ALL


class Span(trace.NonRecordingSpan):
    """A span that keeps what is said of it."""

    def __init__(self) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.attributes: dict[str, Any] = {}

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)


class Tracing(trace.TracerProvider, trace.Tracer):
    """Traces requests into a list."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def get_tracer(self, *_arguments: Any, **_options: Any) -> trace.Tracer:
        return self

    def start_span(self, *_arguments: Any, **_options: Any) -> Span:
        self.spans.append(Span())
        return self.spans[-1]

    def start_as_current_span(self, *_arguments: Any, **_options: Any) -> Any:
        return trace.use_span(self.start_span())


@pytest.mark.long
async def test_telemetry_of_fastapi(database_url: str, passages: Passages) -> None:
    """It traces what the routes do, so that there are no doors: route and status are seen."""
    tracing = Tracing()
    app = app_with(
        database_url,
        telemetry={"tracer_provider": tracing, "operation_spans": False},
    )
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    seen = [(span.attributes["http.route"], span.attributes["http.response.status_code"])
            for span in tracing.spans]  # fmt: skip
    one = "/notes/{id}"
    assert seen == [("/notes", 201), (one, 200), (one, 200), ("/notes", 200), (one, 204)]
    assert passages.take() == []
