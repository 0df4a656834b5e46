"""Routers of Starlette's own beside a resource leave its doors and its answers as they are."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from ormolu import Database, Model, resource
from ormolu.web import _doors
from tests.fixtures.apps import client_of
from tests.resources.twins import Observer

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Leaf(Base):
    __tablename__ = "router_leaves"
    id: Mapped[int] = mapped_column(primary_key=True)


async def page(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("page")


def add_mount(app: FastAPI) -> None:
    app.router.routes.append(Mount("/files", routes=[Route("/", page)]))


def add_router(app: FastAPI) -> None:
    app.mount("/files", Router([Route("/", page)]))


def add_host(app: FastAPI) -> None:
    app.host("x.test", Router([Route("/files/", page)]))
    app.mount("/files", Router([Route("/", page)]))


async def _check(url: str, add: Any) -> int:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    add(app)
    app.include_router(resource(Leaf, path="/leaves"))
    observer = Observer(app)
    async with client_of(app) as client:
        client._transport.app = observer  # type: ignore[attr-defined]
        assert (await client.post("/leaves", json={})).status_code == 201
        assert (await client.get("/leaves/1")).json() == {"id": 1}
        assert (await client.get("/files/")).text == "page"
    return observer.count


@pytest.mark.parametrize("add", [add_mount, add_router])
async def test_routers_without_handlers(database_url: str, add: Any) -> None:
    """Whether they are mounted with routes or as they are."""
    assert await _check(database_url, add) == 2


async def test_routers_of_hosts(database_url: str) -> None:
    """Which only their own hosts reach."""
    await _check(database_url, add_host)


async def test_a_survey_that_fails(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Leaves each request to FastAPI's route, and is told once."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(_doors, "survey_route", fail)
    assert await _check(database_url, lambda app: add_mount(app)) == 0
    told = [each for each in caplog.messages if "door cannot be made (ZeroDivisionError)" in each]
    assert len(told) == 2
