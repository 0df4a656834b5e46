"""Every error answer is a problem, unless the application has an answer of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Route

from ormolu import Database, SessionDep
from tests.errors._problem import assert_problem
from tests.errors._shop import Shop, User
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend


class Body(BaseModel):
    """What a client sends."""

    age: int
    address: dict[str, int]


def raise_routes(app: FastAPI) -> None:
    """Add a route for each way to fail."""

    @app.get("/http/{status}")
    async def http(status: int, detail: str | None = None) -> None:
        raise HTTPException(status, detail, headers={"X-Kept": "yes"})

    @app.get("/dict")
    async def with_dict() -> None:
        raise HTTPException(409, {"reason": "taken", "type": "mine"})

    @app.get("/starlette")
    async def starlette() -> None:
        raise StarletteHTTPException(418)

    @app.get("/crash")
    async def crash() -> None:
        message = "secret 42"
        raise RuntimeError(message)

    @app.post("/valid/{number}")
    async def valid(number: int, body: Body, limit: int = 5) -> None: ...

    @app.post("/unique")
    async def unique(session: SessionDep) -> None:
        session.add_all([User(email="same"), User(email="same")])
        await session.flush()

    @app.post("/commit")
    async def at_commit(session: SessionDep) -> None:
        session.add_all([User(email="same"), User(email="same")])


@asynccontextmanager
async def failing(
    url: str = "sqlite://",
    *,
    prepare: Callable[[FastAPI], None] | None = None,
    is_late: bool = False,
    **options: Any,
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the application, prepared before or after the database is attached."""
    app = FastAPI()
    if prepare is not None and not is_late:
        prepare(app)
    Database(url, metadata=Shop.metadata).attach(app, **options)
    if prepare is not None and is_late:
        prepare(app)
    raise_routes(app)
    async with client_of(app) as client:
        yield client


@pytest.mark.parametrize(
    ("status", "code", "title"),
    [
        (400, "bad_request", "Bad Request"),
        (401, "unauthorized", "Unauthorized"),
        (403, "forbidden", "Forbidden"),
        (404, "not_found", "Not Found"),
        (418, "i_m_a_teapot", "I'm a Teapot"),
        (429, "too_many_requests", "Too Many Requests"),
        (503, "service_unavailable", "Service Unavailable"),
    ],
)
async def test_http_exception(status: int, code: str, title: str) -> None:
    """An HTTPException keeps its status, its detail and its headers."""
    async with failing() as client:
        response = await client.get(f"/http/{status}?detail=As+said")
        plain = await client.get(f"/http/{status}")
    assert_problem(response, status, code, "As said")
    assert response.headers["x-kept"] == "yes"
    assert_problem(plain, status, code, title)


async def test_http_exception_with_a_dict() -> None:
    """What is no text goes into a member of its own, and overrides none of ours."""
    async with failing() as client:
        body = assert_problem(await client.get("/dict"), 409, "conflict", "Conflict")
    assert body["info"] == {"reason": "taken", "type": "mine"}


async def test_starlettes_http_exception() -> None:
    """Starlette's own HTTPException is answered like FastAPI's."""
    async with failing() as client:
        assert_problem(await client.get("/starlette"), 418, "i_m_a_teapot", "I'm a Teapot")


async def test_unknown_http_status() -> None:
    """A status that nobody has named is answered too."""
    async with failing() as client:
        response = await client.get("/http/499?detail=Gone+away")
    body = response.json()
    assert (response.status_code, body["title"], body["code"]) == (499, "Error", "error")


@pytest.mark.parametrize("status", [204, 304])
async def test_status_without_a_body(status: int) -> None:
    """An HTTPException that is no error has headers, and no body."""
    async with failing() as client:
        response = await client.get(f"/http/{status}")
    assert (response.status_code, response.content) == (status, b"")
    assert response.headers["x-kept"] == "yes"
    assert "content-type" not in response.headers


async def test_route_that_is_not_there() -> None:
    """Unknown paths and methods are problems; 405 says what is allowed."""
    async with failing() as client:
        assert_problem(await client.get("/nowhere"), 404, "not_found", "Not Found")
        response = await client.delete("/crash")
    assert_problem(response, 405, "method_not_allowed", "Method Not Allowed")
    assert response.headers["allow"] == "GET"


async def test_crash() -> None:
    """An unexpected error tells nothing."""
    async with failing() as client:
        response = await client.get("/crash")
    assert_problem(response, 500, "internal_error", "Internal Server Error")
    assert "secret" not in response.text


async def test_invalid_request() -> None:
    """Each entry keeps Pydantic's loc, type and msg; one of the body has a JSON pointer."""
    async with failing() as client:
        content = {"age": "x", "address": {"a/b~c": "y"}}
        response = await client.post("/valid/one?limit=many", json=content)
    body = assert_problem(response, 422, "validation_error")
    kind, message = "int_parsing", "Input should be a valid integer"
    assert body["detail"].startswith("path.number: ")
    assert [(e["loc"], e.get("pointer"), e["type"]) for e in body["errors"]] == [
        (["path", "number"], None, kind),
        (["query", "limit"], None, kind),
        (["body", "age"], "/age", kind),
        (["body", "address", "a/b~c"], "/address/a~1b~0c", kind),
    ]
    assert all(entry["msg"].startswith(message) for entry in body["errors"])
    assert all(set(entry) <= {"loc", "pointer", "type", "msg"} for entry in body["errors"])


@pytest.mark.parametrize("content", ["{", '{"age": ', "\x00", '{"age": 1e999}'])
async def test_body_that_is_no_json(content: str) -> None:
    """A broken body is the client's error."""
    async with failing() as client:
        response = await client.post("/valid/1", content=content)
    assert_problem(response, 422, "validation_error")


async def test_base_url() -> None:
    """`type` can be a page of the user's own."""
    base = "https://shop.example/problems#"
    async with failing(problem_base_url=base) as client:
        assert_problem(await client.get("/http/404"), 404, "not_found", base_url=base)
        response = await client.post("/unique")
    assert_problem(response, 409, "unique_violation", fields=("email",), base_url=base)


# The user's own handlers

_OWN: Mapping[type[Exception] | int, tuple[str, str]] = {
    HTTPException: ("GET", "/http/404"),
    StarletteHTTPException: ("GET", "/nowhere"),
    404: ("GET", "/nowhere"),
    RequestValidationError: ("POST", "/valid/x"),
    IntegrityError: ("POST", "/unique"),
    Exception: ("GET", "/crash"),
    500: ("GET", "/crash"),
}


def handle(kind: type[Exception] | int, status: int = 444) -> Callable[[FastAPI], None]:
    """Return what gives an application a handler of its own."""

    def prepare(app: FastAPI) -> None:
        @app.exception_handler(kind)
        async def own(_request: Request, _error: Exception) -> Response:
            return JSONResponse({"mine": True}, status)

    return prepare


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", _OWN)
async def test_own_handler_wins(kind: type[Exception] | int, is_late: bool) -> None:
    """A handler of the user's own answers, registered before or after the attachment."""
    method, path = _OWN[kind]
    async with failing(prepare=handle(kind), is_late=is_late) as client:
        response = await client.request(method, path)
    assert (response.status_code, response.json()) == (444, {"mine": True})


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
async def test_own_handler_of_a_base_class_wins(is_late: bool) -> None:
    """A handler for all of SQLAlchemy's errors answers what ours would answer."""
    async with failing(prepare=handle(SQLAlchemyError), is_late=is_late) as client:
        assert (await client.post("/unique")).status_code == 444


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
async def test_own_handler_of_everything_leaves_the_rest(is_late: bool) -> None:
    """A handler for Exception is Starlette's last resort: what is mapped stays mapped."""
    async with failing(prepare=handle(Exception), is_late=is_late) as client:
        response = await client.post("/unique")
    assert_problem(response, 409, "unique_violation", fields=("email",))


async def test_own_handler_of_a_failed_commit(backend: Backend, database_url: str) -> None:
    """An error at COMMIT is given to the handler that the user has for it."""
    async with failing(database_url, prepare=handle(IntegrityError)) as client:
        response = await client.post("/commit")
    assert (response.status_code, response.json()) == (444, {"mine": True})


async def test_plain_handler_of_a_failed_commit() -> None:
    """A handler that is no coroutine runs in a thread, as FastAPI does it."""

    def prepare(app: FastAPI) -> None:
        @app.exception_handler(IntegrityError)
        def own(_request: Request, _error: Exception) -> Response:
            return JSONResponse({"mine": True}, 444)

    async with failing(prepare=prepare) as client:
        assert (await client.post("/commit")).status_code == 444


class Answerer:
    """A handler that is an object."""

    async def __call__(self, _request: Request, _error: Exception) -> Response:
        return JSONResponse({"mine": True}, 444)


@pytest.mark.parametrize("kind", [IntegrityError, SQLAlchemyError])
@pytest.mark.parametrize("path", ["/unique", "/commit"])
async def test_handler_that_is_an_object(kind: type[Exception], path: str) -> None:
    """Whatever Starlette takes for a handler is one at COMMIT too."""

    def prepare(app: FastAPI) -> None:
        app.add_exception_handler(kind, Answerer())

    async with failing(prepare=prepare) as client:
        assert (await client.post(path)).status_code == 444


async def test_commit_that_fails_for_a_reason_of_its_own() -> None:
    """An error at COMMIT that nothing handles is a plain 500."""

    def fail(_session: Session, _context: object, _objects: object) -> None:
        raise RuntimeError

    def prepare(app: FastAPI) -> None:
        @app.post("/listener")
        async def listen(session: SessionDep) -> None:
            event.listen(session.sync_session, "before_flush", fail)
            session.add(User(email="new"))

    async with failing(prepare=prepare) as client:
        assert_problem(await client.post("/listener"), 500, "internal_error")


@pytest.mark.parametrize("status", [200, 201, 204, 303])
async def test_success_for_a_failed_commit_does_not_get_through(
    status: int, backend: Backend, database_url: str
) -> None:
    """A handler cannot tell that something is stored which is not."""
    async with failing(database_url, prepare=handle(IntegrityError, status)) as client:
        response = await client.post("/commit")
    assert_problem(response, 409, "unique_violation", fields=("email",))


async def test_handler_that_crashes() -> None:
    """An error inside the user's handler is a plain 500."""

    def prepare(app: FastAPI) -> None:
        @app.exception_handler(IntegrityError)
        async def own(_request: Request, _error: Exception) -> Response:
            raise RuntimeError

    async with failing(prepare=prepare) as client:
        assert_problem(await client.post("/unique"), 500, "internal_error")
        assert_problem(await client.post("/commit"), 500, "internal_error")


# Mounted applications


async def _crash(_request: Request) -> Response:
    raise RuntimeError


@pytest.mark.long
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
async def test_mounted_fastapi_answers_problems(is_late: bool) -> None:
    """A mounted application, and one mounted in it, have the same problems and session."""
    outer, inner = FastAPI(), FastAPI()
    raise_routes(outer)
    raise_routes(inner)
    outer.mount("/inner", inner)

    def prepare(app: FastAPI) -> None:
        app.mount("/outer", outer)

    async with failing(prepare=prepare, is_late=is_late) as client:
        for prefix in ("/outer", "/outer/inner"):
            assert_problem(await client.get(f"{prefix}/nowhere"), 404, "not_found")
            assert_problem(await client.get(f"{prefix}/http/403"), 403, "forbidden")
            assert_problem(await client.get(f"{prefix}/crash"), 500, "internal_error")
            assert_problem(await client.post(f"{prefix}/valid/x"), 422, "validation_error")
            for path in ("unique", "commit"):
                response = await client.post(f"{prefix}/{path}")
                assert_problem(response, 409, "unique_violation", fields=("email",))


async def test_mounted_application_keeps_its_own_handlers() -> None:
    """A handler of the mounted application wins there, and only there."""
    inner = FastAPI()
    handle(IntegrityError)(inner)
    raise_routes(inner)
    async with failing(prepare=lambda app: app.mount("/inner", inner)) as client:
        assert (await client.post("/inner/unique")).status_code == 444
        assert (await client.post("/unique")).status_code == 409


async def test_mounted_starlette_answers_problems() -> None:
    """A plain Starlette application does so too."""
    inner = Starlette(routes=[Route("/crash", _crash)])
    async with failing(prepare=lambda app: app.mount("/inner", inner)) as client:
        assert_problem(await client.get("/inner/nowhere"), 404, "not_found")
        assert_problem(await client.get("/inner/crash"), 500, "internal_error")


# OpenAPI


async def test_openapi_documents_problems() -> None:
    """The validation answer is documented as what it is, and FastAPI's own schema is gone."""
    async with failing() as client:
        document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    assert "ValidationError" not in schemas
    members = {"type", "title", "status", "code", "detail", "instance"}
    assert set(schemas["Problem"]["required"]) == members
    answer = document["paths"]["/valid/{number}"]["post"]["responses"]["422"]
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    assert answer["content"] == {"application/problem+json": reference}


async def test_openapi_is_the_same_the_second_time() -> None:
    """The document is made once and keeps its shape."""
    async with failing() as client:
        first, second = [(await client.get("/openapi.json")).json() for _ in range(2)]
    assert first == second


async def test_openapi_keeps_a_422_of_the_users_own() -> None:
    """A documented answer of the user's own stays."""

    def prepare(app: FastAPI) -> None:
        @app.get("/own/{number}", responses={422: {"model": Body}})
        async def own(number: int) -> None: ...

    async with failing(prepare=prepare) as client:
        document = (await client.get("/openapi.json")).json()
    content = document["paths"]["/own/{number}"]["get"]["responses"]["422"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Body"}


async def test_database_that_is_away_is_503() -> None:
    """A session that gets no connection is answered, with the time to try again."""
    app = FastAPI()
    db = Database("postgresql://nobody@127.0.0.1:1/none", metadata=Shop.metadata, schema="ignore")
    db.attach(app)

    @app.get("/")
    async def read(session: SessionDep) -> None:
        await session.execute(text("SELECT 1"))

    async with client_of(app) as client:
        response = await client.get("/")
    assert_problem(response, 503, "database_unavailable")
    assert response.headers["retry-after"] == "1"
