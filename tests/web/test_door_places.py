"""Where an application and its resources are: mounts, prefixes, several databases, loops."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import resource
from ormolu.web._doors import Doors
from tests.fixtures.apps import client_of
from tests.web.doors import (
    ALL,
    ANSWERED,
    FINE,
    Exchange,
    Note,
    Passages,
    app_with,
    database,
    notes,
    part,
    statuses,
    texts,
    write_and_read,
)

pytestmark = pytest.mark.backends("sqlite")


@pytest.mark.parametrize("is_attached", [False, True])
async def test_resource_in_a_mounted_application(
    database_url: str, passages: Passages, *, is_attached: bool
) -> None:
    """The outer gate's unit of work serves it, and no door."""
    app, inner = FastAPI(), FastAPI()
    db = database(database_url)
    db.attach(app)
    if is_attached:
        db.attach(inner)
    inner.include_router(notes)
    app.mount("/inner", inner)
    async with client_of(app) as client:
        answers = await write_and_read(client, "/inner/notes")
    assert statuses(answers) == FINE
    assert answers[0].headers["location"] == "/inner/notes/1"
    assert passages.take() == []


async def test_mounted_application_alone_has_the_database(
    database_url: str, passages: Passages
) -> None:
    """The doors are those of the inner application, and know where it is."""
    inner = app_with(database_url)
    app = FastAPI(lifespan=inner.router.lifespan_context)
    app.mount("/inner", inner)
    async with client_of(app) as client:
        answers = await write_and_read(client, "/inner/notes")
        assert statuses(answers) == FINE
        assert answers[0].headers["location"] == "/inner/notes/1"
        assert passages.take() == [ANSWERED] * ALL
        assert (await client.get("/notes")).status_code == 404


@pytest.mark.long
async def test_mounted_application_with_another_database(
    database_url: str, passages: Passages, tmp_path: Path
) -> None:
    """The request's session is the outer application's, so the inner one's doors are shut."""
    app, inner = FastAPI(), FastAPI()
    outer_db, inner_db = database(database_url), database(f"sqlite:///{tmp_path}/inner.db")
    outer_db.attach(app)
    inner_db.attach(inner)
    inner.include_router(notes)
    inner.include_router(resource(Note, path="/own", session=inner_db.session))
    app.mount("/inner", inner)
    async with client_of(app) as client, client_of(inner):
        assert (await client.post("/inner/notes", json={"text": "outer"})).status_code == 201
        assert passages.take() == []
        assert (await client.post("/inner/own", json={"text": "inner"})).status_code == 201
        assert passages.take() == [ANSWERED]
        assert (await texts(outer_db), await texts(inner_db)) == (["outer"], ["inner"])


@pytest.mark.long
async def test_two_databases(database_url: str, passages: Passages, tmp_path: Path) -> None:
    """Each resource has doors to its own."""
    app = FastAPI()
    first, second = database(database_url), database(f"sqlite:///{tmp_path}/second.db")
    first.attach(app)
    second.attach(app)
    app.include_router(notes)
    app.include_router(resource(Note, path="/second", session=second.session))
    app.include_router(resource(Note, path="/first", session=first.session))
    async with client_of(app) as client:
        for path, text in (("/notes", "a"), ("/second", "b"), ("/first", "c")):
            assert (await client.post(path, json={"text": text})).status_code == 201
        assert (await texts(first), await texts(second)) == (["a", "c"], ["b"])
        assert (await client.get("/second/1")).json()["text"] == "b"
    assert passages.take() == [ANSWERED] * 4


async def test_session_of_a_database_that_is_not_attached(
    database_url: str, passages: Passages, tmp_path: Path
) -> None:
    """Is the route's to complain of."""
    app = app_with(database_url)
    stranger = database(f"sqlite:///{tmp_path}/stranger.db")
    app.include_router(resource(Note, path="/strange", session=stranger.session))
    async with client_of(app) as client:
        assert (await client.get("/strange")).status_code == 500
    assert passages.take() == []


async def test_router_mounted_as_an_application(database_url: str, passages: Passages) -> None:
    """Its routes are the mount's business."""
    app = FastAPI()
    database(database_url).attach(app)
    app.mount("/in", notes)
    async with client_of(app) as client:
        assert statuses(await write_and_read(client, "/in/notes")) == FINE
    assert passages.take() == []


async def test_routes_taken_out_of_their_router(database_url: str, passages: Passages) -> None:
    """Routes that are not included know no application, and are served without doors."""
    app = FastAPI()
    database(database_url).attach(app)
    app.router.routes.extend(notes.routes)
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert passages.take() == []


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
@pytest.mark.parametrize("is_in_path", [False, True])
@pytest.mark.parametrize("is_by_server", [False, True])
async def test_root_path(
    database_url: str, passages: Passages, *, is_by_server: bool, is_in_path: bool
) -> None:
    """Set by the application or the server, taken from the path or not: links have it once."""
    app = app_with(database_url, root_path="" if is_by_server else "/root")
    prefix = "/root" if is_in_path else ""
    root = "/root" if is_by_server else ""
    async with client_of(app):
        for text in (b'{"text":"a"}', b'{"text":"b"}'):
            path = f"{prefix}/notes"
            done = await Exchange(app, "POST", path, part(text), root_path=root).run()
        assert dict(done.sent[0]["headers"])[b"location"] == b"/root/notes/2"
        done = await Exchange(
            app, "GET", f"{prefix}/notes", root_path=root, query_string=b"limit=1"
        ).run()
        assert dict(done.sent[0]["headers"])[b"link"].startswith(b"</root/notes?limit=1&cursor=")
        done = await Exchange(app, "PATCH", f"{prefix}/notes/2", part(b'{"text":"c"}')).run()
        assert done.status == (404 if is_by_server and is_in_path else 200)
    assert passages.take()[:3] == [ANSWERED] * 3


class Noting:
    """A layer that a program has put inside the gate."""

    seen = 0

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        Noting.seen += 1
        await self.app(scope, receive, send)


def _append(app: FastAPI) -> None:
    app.user_middleware.append(Middleware(Noting))


def _wrap_router(app: FastAPI) -> None:
    app.router.middleware_stack = Noting(app.router.middleware_stack)


def _replace_router(app: FastAPI) -> None:
    class Router(APIRouter):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            Noting.seen += 1
            await super().__call__(scope, receive, send)

    app.router.__class__ = Router


@pytest.mark.parametrize("put", [_append, _wrap_router, _replace_router])
async def test_layers_inside_the_gate(database_url: str, passages: Passages, put: Any) -> None:
    """Doors would pass them by, so there are none."""
    app = app_with(database_url)
    put(app)
    Noting.seen = 0
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert (Noting.seen, passages.take()) == (ALL, [])


async def test_own_class_of_application(database_url: str, passages: Passages) -> None:
    """What it puts around all middleware is outside the gate."""

    class Own(FastAPI):
        def build_middleware_stack(self) -> ASGIApp:
            return Noting(super().build_middleware_stack())

    app = Own()
    database(database_url).attach(app)
    app.include_router(notes)
    Noting.seen = 0
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert (Noting.seen, passages.take()) == (ALL, [ANSWERED] * ALL)


@pytest.mark.long
async def test_lifespan_not_run(database_url: str, passages: Passages) -> None:
    """The first request opens the database, and finds no door; those after it do."""
    app, db = FastAPI(), database(database_url)
    db.attach(app)
    app.include_router(notes)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for _ in range(2):
            for expected in ([], [ANSWERED]):
                assert (await client.get("/notes")).status_code == 200
                assert passages.take() == expected
            await db.close()
        async with app.router.lifespan_context(app):
            assert (await client.get("/notes")).status_code == 200
            assert passages.take() == [ANSWERED]


def test_test_client(database_url: str, passages: Passages) -> None:
    """TestClient runs the lifespan on a loop of its own, each time another one."""
    app = app_with(database_url)
    for text in ("a", "b"):
        with TestClient(app) as client:
            assert client.post("/notes", json={"text": text}).status_code == 201
            assert client.get("/notes/1").json() == {"id": 1, "text": "a"}
    assert passages.take() == [ANSWERED] * 4


@pytest.mark.long
def test_two_loops_at_once(
    database_url: str, passages: Passages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event loop keeps its doors, while another one uses its own."""
    app, opened = app_with(database_url), []
    open_doors = Doors._open

    def count(doors: Doors, each: Any) -> Any:
        opened.append(each)
        return open_doors(doors, each)

    monkeypatch.setattr(Doors, "_open", count)
    barrier = threading.Barrier(2, timeout=20)

    def work(name: str) -> None:
        with TestClient(app) as client:
            barrier.wait()
            for number in range(20):
                assert client.post("/notes", json={"text": f"{name}{number}"}).status_code == 201
                assert client.get("/notes?limit=1").status_code == 200
            barrier.wait()

    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert passages.take() == [ANSWERED] * 80
    assert len(opened) == 2
