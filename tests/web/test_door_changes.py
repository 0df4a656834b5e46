"""What a program changes of what FastAPI keeps, before the first request or between two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.routing import iter_route_contexts
from starlette.types import Receive, Scope, Send

from tests.fixtures.apps import client_of
from tests.web.doors import ANSWERED, Passages, app_with

pytestmark = pytest.mark.backends("sqlite")


def deny() -> None:
    raise HTTPException(401)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(401)


def contexts_of(app: FastAPI) -> list[Any]:
    found = iter_route_contexts(app.router.routes)
    return [each for each in found if getattr(each, "path_format", "").startswith("/notes")]


def add_dependency(app: FastAPI) -> None:
    added = get_parameterless_sub_dependant(depends=Depends(deny), path="/")
    for each in contexts_of(app):
        if getattr(each, "dependant", None) is not None:
            each.dependant.dependencies.insert(0, added)


def replace_app(app: FastAPI) -> None:
    for each in contexts_of(app):
        if each._route_context is not None:
            each._route_context.app = refuse


def replace_stack(app: FastAPI) -> None:
    app.router.middleware_stack = refuse


CHANGES = [add_dependency, replace_app, replace_stack]


@pytest.mark.parametrize("change", CHANGES)
async def test_change_before_the_first_request(
    database_url: str, passages: Passages, change: Callable[[FastAPI], None]
) -> None:
    """No door passes it by."""
    app = app_with(database_url)
    change(app)
    async with client_of(app) as client:
        assert (await client.get("/notes")).status_code == 401
    assert ANSWERED not in passages.take()


@pytest.mark.parametrize("change", CHANGES)
async def test_change_between_two_requests(
    database_url: str, passages: Passages, change: Callable[[FastAPI], None]
) -> None:
    """A door that is open is shut by it."""
    app = app_with(database_url)
    async with client_of(app) as client:
        assert (await client.get("/notes")).status_code == 200
        assert passages.take() == [ANSWERED]
        change(app)
        assert (await client.get("/notes")).status_code == 401
    assert passages.take() == []


@pytest.mark.parametrize("is_open", [False, True])
async def test_method_of_one_route(
    database_url: str, passages: Passages, monkeypatch: pytest.MonkeyPatch, *, is_open: bool
) -> None:
    """FastAPI calls what an instance has, and not its class's."""
    app = app_with(database_url)
    async with client_of(app) as client:
        if is_open:
            assert (await client.get("/notes")).status_code == 200
            assert passages.take() == [ANSWERED]
        for each in contexts_of(app):
            monkeypatch.setitem(vars(each.original_route), "handle", refuse)
        assert (await client.get("/notes")).status_code == 401
    assert passages.take() == []


async def test_routes_replaced_by_as_many(database_url: str, passages: Passages) -> None:
    """What is taken away does not go on answering."""
    app, other = app_with(database_url), APIRouter()

    @other.get("/notes")
    async def listed() -> str:
        return "other"

    async with client_of(app) as client:
        assert (await client.get("/notes")).status_code == 200
        assert passages.take() == [ANSWERED]
        spare = FastAPI()
        spare.include_router(other)
        app.router.routes[-1:] = spare.router.routes[-1:]
        assert (await client.get("/notes")).json() == "other"
    assert passages.take() == []
