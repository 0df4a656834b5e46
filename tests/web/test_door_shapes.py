"""What the doors of reads and writes plan, and what they leave to the session."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import Scope

from ormolu import Database, resource
from ormolu.lanes import NotDoneError
from ormolu.resources.work._plan_cache import PlanCache
from ormolu.web import survey
from tests.fixtures.apps import client_of
from tests.resources.people import Base as People
from tests.resources.people import app_of
from tests.web.doors import (
    ANSWERED,
    HANDED_OVER,
    SHUT,
    Note,
    Passages,
    Plain,
    app_with,
    database,
    notes,
    pages,
)

pytestmark = pytest.mark.backends("sqlite")

TWICE = [HANDED_OVER, ANSWERED]


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/pages/1", {"if-none-match": '"1"'}, [ANSWERED] * 2),
        ("GET", "/pages/1", {"if-match": '"1"'}, [ANSWERED] * 2),
        ("GET", "/pages/1", {"if-match": '"7"'}, [HANDED_OVER] * 2),
        ("GET", "/pages/1", {"if-match": "7"}, [HANDED_OVER] * 2),
        ("GET", "/pages/1?fields=text", {}, TWICE),
        ("GET", "/pages/1?colour=red", {}, [HANDED_OVER] * 2),
        ("GET", "/pages/1?fields=text&fields=id", {}, [HANDED_OVER] * 2),
        ("GET", "/pages?count=exact", {}, TWICE),
        ("GET", "/pages?limit=1&limit=2", {}, [HANDED_OVER] * 2),
        ("GET", "/pages?limit=0", {}, [HANDED_OVER] * 2),
        ("GET", "/pages?cursor=a&cursor=b", {}, [HANDED_OVER] * 2),
        ("GET", "/pages?cursor=a", {}, [HANDED_OVER] * 2),
        ("DELETE", "/pages/1", {"if-match": '"7"'}, [HANDED_OVER] * 2),
        ("DELETE", "/pages/1?x=1", {}, [HANDED_OVER] * 2),
        ("PATCH", "/pages/1?x=1", {}, [HANDED_OVER] * 2),
        ("PATCH", "/pages/1", {"if-match": '"7"'}, [HANDED_OVER] * 2),
    ],
)
async def test_what_is_left_to_the_session(
    database_url: str, passages: Passages, method: str, path: str, headers: Any, expected: list[str]
) -> None:
    """A request that asks for more than a plan gives is answered as without a door."""
    app = app_with(database_url)
    app.include_router(pages)
    async with client_of(app) as client:
        await client.post("/pages", json={"text": "a"})
        passages.take()
        given: dict[str, Any] = {"json": {"text": "b"}} if method == "PATCH" else {}
        with_door = [await client.request(method, path, headers=headers, **given) for _ in "ab"]
        assert passages.take() == expected
        app.dependency_overrides = SHUT
        without = await client.request(method, path, headers=headers, **given)
    for answer in with_door:
        assert (answer.status_code, answer.headers.raw) == (
            without.status_code,
            without.headers.raw,
        )


async def test_changes_of_a_version(database_url: str, passages: Passages) -> None:
    """A door changes and deletes the row of the version that it should have, and no other."""
    app = app_with(database_url)
    app.include_router(pages)
    async with client_of(app) as client:
        await client.post("/pages", json={"text": "a"})
        passages.take()
        found = []
        for method, tags, more in (
            ("PATCH", '"1"', {}), ("PATCH", '"1"', {}), ("PATCH", '"1", "2"', {}),
            ("PATCH", "*", {"prefer": "return=minimal"}), ("DELETE", '"3"', {}),
            ("DELETE", '"4"', {}), ("DELETE", '"4"', {}),
        ):  # fmt: skip
            given: Any = {"json": {"text": tags}} if method == "PATCH" else {}
            headers = {"if-match": tags, **more}
            found.append(await client.request(method, "/pages/1", headers=headers, **given))
    assert [each.status_code for each in found] == [200, 412, 200, 204, 412, 204, 404]
    assert found[3].headers["etag"] == '"4"'
    expected = [ANSWERED, HANDED_OVER, HANDED_OVER, ANSWERED, HANDED_OVER, ANSWERED, HANDED_OVER]
    assert passages.take() == expected


@pytest.mark.long
@pytest.mark.parametrize("path", ["/people/1?include=team,pets", "/people?include=team,pets",
                                  "/people/1?include=team", "/people?include=team"])  # fmt: skip
async def test_relations(database_url: str, passages: Passages, path: str) -> None:
    """A row with what it refers to is the same with a door and without."""
    app = app_of(Database(database_url, metadata=People.metadata, pool_timeout=5.0))
    async with client_of(app) as client:
        await client.post("/teams", json={"name": "t"})
        assert (await client.post("/people", json={"name": "p", "team_id": 1})).status_code == 201
        await client.post("/pets", json={"name": "q", "owner_id": 1})
        passages.take()
        answers = [await client.get(path) for _ in range(3)]
        taken = passages.take()
        app.dependency_overrides = SHUT
        expected = await client.get(path)
    assert [answer.content for answer in answers] == [expected.content] * 3
    assert expected.status_code == 200
    assert taken == [HANDED_OVER, ANSWERED, ANSWERED]


async def test_shapes_are_kept_for_the_latest() -> None:
    """Neither what was seen once nor what was planned grows with what clients think of."""
    shapes: PlanCache[int] = PlanCache()
    for number in range(500):
        with pytest.raises(NotDoneError):
            shapes.find(number, lambda: 0, is_common=False)
        assert shapes.find(("common", number), lambda: 1, is_common=True) == 1
    assert (len(shapes._seen), len(shapes._plans)) == (200, 200)
    assert shapes.find(499, lambda: 2, is_common=False) == 2
    with pytest.raises(NotDoneError):
        shapes.find(0, lambda: 2, is_common=False)


async def test_resource_that_is_made_later(database_url: str, passages: Passages) -> None:
    """Its old doors are shut, and new ones are made: it may say what they are to show."""
    app = app_with(database_url)
    async with client_of(app) as client:
        await client.post("/notes", json={"text": "a"})
        later = [resource(Note, path="/later")]
        # One that had no door yet, and one that had.
        assert (await client.get("/notes/1")).json() == {"id": 1, "text": "a"}
        later.append(resource(Note, path="/last"))
        assert (await client.get("/notes/1")).json() == {"id": 1, "text": "a"}
    assert passages.take() == [ANSWERED] * 3


async def test_routes_of_another_resource_in_one(database_url: str, passages: Passages) -> None:
    """They have doors wherever they are."""
    app, again = FastAPI(), resource(Note, path="/again")
    database(database_url).attach(app)
    app.include_router(notes)
    kept = list(notes.routes)
    for route in again.routes:
        notes.routes.append(route)
    try:
        async with client_of(app) as client:
            assert (await client.post("/again", json={"text": "a"})).status_code == 201
            assert (await client.get("/again/1")).json() == {"id": 1, "text": "a"}
            assert passages.take() == [ANSWERED] * 2
    finally:
        notes.routes[:] = kept


async def test_application_that_is_none_of_fastapi(database_url: str, passages: Passages) -> None:
    """Whatever middleware calls the application, a request is served."""

    def rename(scope: Scope) -> None:
        scope["app"] = object()

    app = app_with(database_url, middleware=[Middleware(Plain, request=rename)])
    async with client_of(app) as client:
        assert (await client.get("/notes")).status_code == 200
    assert passages.take() == []


async def test_survey_tells_of_middleware_within_the_gate(database_url: str) -> None:
    """It looks at an application that is not running."""
    app, db = FastAPI(), database(database_url)
    db.attach(app)
    app.include_router(notes)
    assert next(each.reason for each in survey(app, db._engines)) is None
    app.user_middleware.append(Middleware(Plain))
    reasons = {each.reason for each in survey(app, db._engines)}
    assert reasons == {"middleware of the program's own is within the gate"}
