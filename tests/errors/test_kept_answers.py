"""`attach(problems="resources")`: routes that are no resource's answer as they did before."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from starlette.applications import Starlette

from ormolu import ConfigurationError, Database, RefusedError, SessionDep, resource
from tests.errors._problem import assert_problem
from tests.errors._shop import Shop, User
from tests.errors.test_problems import handle, raise_routes
from tests.fixtures.apps import client_of

_BODY = {"age": "x", "address": {}}

# Requests of hand-written routes, each with what goes wrong in it.
_REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/http/401", None),
    ("GET", "/http/404?detail=As+said", None),
    ("GET", "/http/304", None),
    ("GET", "/dict", None),
    ("GET", "/starlette", None),
    ("GET", "/crash", None),
    ("POST", "/valid/one?limit=many", _BODY),
    ("GET", "/nowhere", None),
    ("DELETE", "/crash", None),
]


def attached(app: FastAPI, **options: Any) -> FastAPI:
    Database("sqlite://", metadata=Shop.metadata).attach(app, **options)
    return app


def add_inner(app: FastAPI) -> None:
    """Add the routes, and below /inner and /plain applications that have them or none."""
    raise_routes(app)
    inner = FastAPI()
    raise_routes(inner)
    app.mount("/inner", inner)
    app.mount("/plain", Starlette())


def what(response: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    return response.status_code, response.text, dict(response.headers)


@pytest.mark.parametrize("prefix", ["", "/inner"])
@pytest.mark.parametrize(("method", "path", "body"), _REQUESTS)
async def test_own_route_answers_as_fastapi_does(
    method: str, path: str, body: Any, prefix: str
) -> None:
    """Status, headers and body are those of the same application without a database."""
    answers = []
    for app in (FastAPI(), attached(FastAPI(), problems="resources")):
        add_inner(app)
        async with client_of(app) as client:
            answers.append(what(await client.request(method, prefix + path, json=body)))
    assert answers[0] == answers[1]


async def test_mounted_starlette_answers_as_it_does() -> None:
    """An application of Starlette's keeps its own text."""
    app = attached(FastAPI(), problems="resources")
    add_inner(app)
    async with client_of(app) as client:
        response = await client.get("/plain/nowhere")
    assert (response.status_code, response.text) == (404, "Not Found")


async def test_error_of_the_database_is_a_problem_in_an_own_route() -> None:
    """What would be a crash without us has its status: at the statement and at COMMIT."""
    app = attached(FastAPI(), problems="resources")
    raise_routes(app)

    @app.get("/missing")
    async def missing(session: SessionDep) -> None:
        await session.get_one(User, 5)

    @app.get("/refused")
    async def refused() -> None:
        raise RefusedError("forbidden", "Not today")

    async with client_of(app) as client:
        for path in ("/unique", "/commit"):
            response = await client.post(path)
            assert_problem(response, 409, "unique_violation", fields=("email",))
        assert_problem(await client.get("/missing"), 404, "not_found", "User not found")
        assert_problem(await client.get("/refused"), 403, "forbidden", "Not today")


async def ask(fail: int = 0) -> None:
    """Stand for what asks who calls, in a resource's routes and in others."""
    if fail:
        raise HTTPException(fail, {"reason": "expired"}, headers={"X-Kept": "yes"})


def with_resource(app: FastAPI) -> None:
    """Add a resource with a dependency, in a router with a prefix, and an own route beside it."""
    router = APIRouter(prefix="/api")
    router.include_router(resource(User), dependencies=[Depends(ask)])

    @router.get("/own")
    async def own(number: int, session: SessionDep) -> None: ...

    app.include_router(router)


@pytest.mark.long
@pytest.mark.parametrize("prefix", ["", "/inner"])
async def test_route_of_a_resource_answers_problems(prefix: str) -> None:
    """Whatever goes wrong there, be it in a dependency; a route beside it keeps its answers."""
    app, inner = FastAPI(), FastAPI()
    with_resource(app)
    with_resource(inner)
    app.mount("/inner", inner)
    async with client_of(attached(app, problems="resources")) as client:
        path = f"{prefix}/api/users"
        denied = await client.get(f"{path}?fail=401")
        assert assert_problem(denied, 401, "unauthorized")["info"] == {"reason": "expired"}
        assert denied.headers["x-kept"] == "yes"
        assert_problem(await client.get(f"{path}?fail=x"), 422, "validation_error")
        assert_problem(await client.get(f"{path}?nonsense=1"), 422, "validation_error")
        assert_problem(await client.get(f"{path}/7"), 404, "not_found")
        assert_problem(await client.put(path), 405, "method_not_allowed")
        own = await client.get(f"{prefix}/api/own?number=x")
        assert set(own.json()) == {"detail"}
        assert own.headers["content-type"] == "application/json"


async def test_own_handler_wins() -> None:
    """A handler of the program's answers in routes of both kinds."""
    app = FastAPI()
    handle(HTTPException)(app)
    with_resource(app)
    async with client_of(attached(app, problems="resources")) as client:
        assert (await client.get("/api/users?fail=401")).status_code == 444


@pytest.mark.long
async def test_document_tells_both_shapes() -> None:
    """OpenAPI has FastAPI's validation answer where that is kept, and problems elsewhere."""
    app = FastAPI()
    raise_routes(app)
    with_resource(app)
    async with client_of(attached(app, problems="resources")) as client:
        document = (await client.get("/openapi.json")).json()
    answers = {
        path: document["paths"][path][method]["responses"]["422"]["content"]
        for path, method in (
            ("/valid/{number}", "post"),
            ("/api/own", "get"),
            ("/api/users", "get"),
        )
    }
    kept = {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert list(answers.values()) == [kept, kept, problem]
    assert {"HTTPValidationError", "ValidationError", "Problem"} <= set(
        document["components"]["schemas"]
    )


async def test_first_database_decides() -> None:
    """A second one, attached without a word, changes nothing."""
    app = attached(attached(FastAPI(), problems="resources"))
    async with client_of(app) as client:
        assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}


def test_unknown_reach_is_refused() -> None:
    """The message has both values."""
    with pytest.raises(ConfigurationError, match='"all", or "resources"'):
        attached(FastAPI(), problems="none")
