"""Errors behind a door reach the application's own handlers, as without one."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, field_validator
from sqlalchemy.exc import IntegrityError

from ormolu import resource
from ormolu.errors import OutcomeUnknownError, OverloadedError, RefusedError
from ormolu.web import Reply, raise_failure, request_session
from tests.fixtures.apps import client_of
from tests.web.doors import (
    ANSWERED,
    HANDED_OVER,
    Note,
    Passages,
    app_with,
    database,
    notes,
)

pytestmark = pytest.mark.backends("sqlite")


def handled(app: FastAPI, *kinds: type[Exception]) -> FastAPI:
    """Answer these errors with 418 and their names."""
    for kind in kinds:

        @app.exception_handler(kind)
        async def answer(_request: Request, error: Exception) -> JSONResponse:
            return JSONResponse({"own": type(error).__name__}, status_code=418)

    return app


@pytest.mark.parametrize(
    ("kind", "request_", "name"),
    [
        (IntegrityError, ("POST", "/notes", {"text": "taken"}), "IntegrityError"),
        (RefusedError, ("GET", "/notes/77", None), "RefusedError"),
        (RefusedError, ("PATCH", "/notes/77", {"text": "a"}), "RefusedError"),
        (RefusedError, ("DELETE", "/notes/77", None), "RefusedError"),
        (RefusedError, ("POST", "/notes", {"text": 7}), "RefusedError"),
        (Exception, ("POST", "/notes", {"text": "\ud800"}), None),
    ],
)
async def test_handlers_answer_what_a_door_handed_over(
    database_url: str, passages: Passages, kind: type[Exception], request_: Any, name: str | None
) -> None:
    """A handler of the application's own answers an error of the database and a refusal."""
    method, path, body = request_
    async with client_of(handled(app_with(database_url), kind)) as client:
        assert (await client.post("/notes", json={"text": "taken"})).status_code == 201
        assert passages.take() == [ANSWERED]
        content = None if body is None else json.dumps(body)
        answer = await client.request(
            method, path, content=content, headers={"content-type": "application/json"}
        )
        assert passages.take() == [HANDED_OVER]
    if name is not None:
        assert (answer.status_code, answer.json()) == (418, {"own": name})
    else:
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("path", ["/nothing", "/notes/1/2"])
async def test_handler_of_404(database_url: str, passages: Passages, path: str) -> None:
    """A handler for a status is asked where there is no route, as ever."""
    app = app_with(database_url)

    @app.exception_handler(404)
    async def answer(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"own": 404}, status_code=404)

    async with client_of(app) as client:
        assert (await client.get(path)).json() == {"own": 404}
    assert passages.take() == []


class Strict(BaseModel):
    """What a client sends, checked in ways that Pydantic does not foresee."""

    text: str

    @field_validator("text")
    @classmethod
    def check(cls, value: str) -> str:
        if value == "http":
            raise HTTPException(402)
        if value == "bug":
            raise ZeroDivisionError
        return value


strict = resource(Note, path="/strict", create_model=Strict, update_model=Strict)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("text", "name"), [("http", "HTTPException"), ("bug", "ZeroDivisionError")]
)
async def test_what_a_validator_raises_reaches_the_handlers(
    database_url: str, passages: Passages, method: str, text: str, name: str
) -> None:
    """A validator that raises an error of the application's own is answered by its handler."""
    app = handled(FastAPI(), HTTPException, ZeroDivisionError)
    database(database_url).attach(app)
    app.include_router(strict)
    async with client_of(app) as client:
        assert (await client.post("/strict", json={"text": "a"})).status_code == 201
        assert passages.take() == [ANSWERED]
        path = "/strict" if method == "POST" else "/strict/1"
        answer = await client.request(method, path, json={"text": text})
        assert (answer.status_code, answer.json()) == (418, {"own": name})
        assert passages.take() == [HANDED_OVER]


class Failing:
    """A door, and what makes it: its lane has failed."""

    is_ormolu = True
    subject = "failures"
    reads_body = False
    is_outdated = False
    session = staticmethod(request_session)

    def __init__(self, error: Exception, *, is_read: bool) -> None:
        self._error = error
        self.is_read = is_read

    def check(self, _app: Any, _dialect: Any) -> None:
        """Find nothing."""

    def make(self, _app: Any, _engines: Any, _lanes: Any) -> Failing:
        """Return the door."""
        return self

    is_open, is_guarded, is_outdated = True, False, False

    async def answer(self, _scope: Any, _body: Any, _given: Any) -> Reply | None:
        """Fail."""
        raise self._error


class Unmade(Failing):
    """A maker with a mistake in it."""

    def make(self, _app: Any, _engines: Any, _lanes: Any) -> Failing:
        """Fail."""
        raise self._error


def failing(
    url: str, error: Exception, *, is_read: bool, kind: type[Failing] = Failing
) -> tuple[FastAPI, list[str]]:
    """Return an application with a door that fails, and the requests that its route did."""
    done: list[str] = []
    app, router = app_with(url), APIRouter()

    async def work(request: Request) -> str:
        raise_failure(request.scope)
        done.append(request.method)
        return "done"

    work.door = kind(error, is_read=is_read)  # type: ignore[attr-defined]
    work.door.function = work  # type: ignore[attr-defined]
    router.add_api_route("/work", work, methods=["GET" if is_read else "POST"])
    app.include_router(router)
    return app, done


@pytest.mark.parametrize(("method", "is_read"), [("GET", True), ("POST", False)])
@pytest.mark.parametrize("error", [OverloadedError("busy"), OutcomeUnknownError("broken")])
async def test_failure_of_a_lane_reaches_the_handlers(
    database_url: str, passages: Passages, error: Exception, method: str, *, is_read: bool
) -> None:
    """What is not to be tried again is raised in the route, and not done there."""
    app, done = failing(database_url, error, is_read=is_read)
    async with client_of(app) as client:
        answer = await client.request(method, "/work")
        assert (answer.status_code, answer.json()["code"]) == (503, error.error_code)  # type: ignore[attr-defined]
    app, done = failing(database_url, error, is_read=is_read)
    async with client_of(handled(app, type(error))) as client:
        assert (await client.request(method, "/work")).json() == {"own": type(error).__name__}
    assert done == []
    assert passages.take() == [HANDED_OVER] * 2


async def test_unknown_error_of_a_write_is_not_tried_again(
    database_url: str, passages: Passages
) -> None:
    """Nobody knows what became of it: the application's handler answers."""
    app, done = failing(database_url, ZeroDivisionError(), is_read=False)
    async with client_of(handled(app, ZeroDivisionError)) as client:
        assert (await client.post("/work")).json() == {"own": "ZeroDivisionError"}
    assert (done, passages.take()) == ([], [HANDED_OVER])


async def test_unknown_error_of_a_read_is_the_routes(database_url: str, passages: Passages) -> None:
    """It changes nothing: the route does it."""
    app, done = failing(database_url, ZeroDivisionError(), is_read=True)
    async with client_of(app) as client:
        assert (await client.get("/work")).json() == "done"
    assert (done, passages.take()) == (["GET"], [HANDED_OVER])


@pytest.mark.parametrize(("method", "is_read"), [("GET", True), ("POST", False)])
async def test_unknown_error_is_logged_once(
    database_url: str, caplog: pytest.LogCaptureFixture, method: str, *, is_read: bool
) -> None:
    """Not for each request, and without a value; what stands in the log leads to its place."""
    app, _ = failing(database_url, ZeroDivisionError("secret"), is_read=is_read)
    async with client_of(handled(app, ZeroDivisionError)) as client:
        for _ in range(3):
            await client.request(method, "/work")
    (told,) = [each.getMessage() for each in caplog.records if each.name == "ormolu"]
    assert told.startswith(f"{method} /work: its door failed with ZeroDivisionError (")
    assert "test_door_errors.py, line " in told
    assert "secret" not in told


async def test_mistake_of_a_maker_is_logged(
    database_url: str, passages: Passages, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, without a value; the route answers all requests."""
    mistake = ZeroDivisionError("secret")
    app, done = failing(database_url, mistake, is_read=True, kind=Unmade)
    async with client_of(app) as client:
        assert [(await client.get("/work")).json() for _ in range(3)] == ["done"] * 3
        assert (await client.get("/notes")).status_code == 200
    assert (done, passages.take()) == (["GET"] * 3, [ANSWERED])
    told = [each.getMessage() for each in caplog.records if each.name == "ormolu"]
    assert told == ["GET /work: its door cannot be made (ZeroDivisionError)."]


async def test_locked_file_reaches_the_handlers(database_url: str, passages: Passages) -> None:
    """A write that waits too long for its lock is overloaded, and its handler answers."""
    app = handled(FastAPI(), OverloadedError)
    database(database_url, lock_timeout=0.2).attach(app)
    app.include_router(notes)
    async with client_of(app) as client:
        assert (await client.post("/notes", json={"text": "a"})).status_code == 201
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = await client.post("/notes", json={"text": "b"})
        other.close()
        assert (answer.status_code, answer.json()) == (418, {"own": "OverloadedError"})
    assert passages.take() == [ANSWERED, HANDED_OVER]
