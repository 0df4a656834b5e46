"""Where a resource is served: under a prefix, when mounted, behind a proxy; and keys."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.routing import iter_route_contexts
from sqlalchemy import Enum, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, resource

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Level(enum.Enum):
    """Whose values are no text."""

    LOW = 1
    HIGH = 2


class Seat(Base):
    __tablename__ = "seats"
    row: Mapped[str] = mapped_column(String(9), primary_key=True)
    level: Mapped[Level] = mapped_column(Enum(Level, name="level"), primary_key=True)


seats = resource(Seat)


def _included(app: FastAPI) -> None:
    app.include_router(seats)


def _prefixed(app: FastAPI) -> None:
    inner = APIRouter(prefix="/a")
    inner.include_router(seats)
    app.include_router(inner, prefix="/b")


def _mounted(app: FastAPI) -> None:
    inner = FastAPI()
    inner.include_router(seats, prefix="/d")
    app.mount("/c", inner)


@asynccontextmanager
async def _served(url: str, place: Any, root: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    place(app)
    transport = httpx2.ASGITransport(app=app, root_path=root, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


@pytest.mark.long
@pytest.mark.parametrize(
    ("place", "base", "root", "shown"),
    [
        (_included, "", "", ""),
        (_prefixed, "/b/a", "", "/b/a"),
        (_mounted, "/c/d", "", "/c/d"),
        (_included, "", "/api", "/api"),
        (_included, "/api", "/api", "/api"),
        (_mounted, "/api/c/d", "/api", "/api/c/d"),
    ],
)
async def test_links_lead_back(
    database_url: str, place: Any, base: str, root: str, shown: str
) -> None:
    """Location and Link are what a client asks for, wherever the resource and the proxy stand."""
    async with _served(database_url, place, root) as client:
        for number, path in enumerate(("/seats", "/seats/")):
            made = await client.post(f"{base}{path}", json={"row": f"r{number}", "level": 1})
            assert made.headers["Location"] == f"{shown}/seats/r{number},1"
        step = {"op": "create", "data": {"row": "r2", "level": 2}}
        done = await client.post(f"{base}/seats:batch/", json={"operations": [step]})
        assert done.json()["results"][0]["location"] == f"{shown}/seats/r2,2"
        for path in ("/seats", "/seats/"):
            page = await client.get(f"{base}{path}?limit=2&row__ne=a%26b%2B")
            query = f"limit=2&row__ne=a%26b%2B&cursor={page.json()['next_cursor']}"
            assert page.headers["Link"] == f'<{shown}{path}?{query}>; rel="next"'
            rest = (await client.get(f"{base}{path}?{query}")).json()
            assert [seat["row"] for seat in rest["items"]] == ["r2"]


@pytest.mark.long
@pytest.mark.parametrize("row", ["a,b", "a b", "é", "a?b#c", "a%2Cb", ":query", "a;b+c", "\t", "~"])
async def test_odd_keys_have_a_path(database_url: str, row: str) -> None:
    """What can be created can be read, changed and deleted at its Location."""
    async with _served(database_url, _included) as client:
        made = await client.post("/seats", json={"row": row, "level": 2})
        for path in (made.headers["Location"], f"{made.headers['Location']}/"):
            assert (await client.get(path)).json() == {"row": row, "level": 2}
            assert (await client.patch(path, json={})).status_code == 200
        assert (await client.get("/seats", params={"row": row, "level": 2})).json()["items"]
        assert (await client.get("/seats?level=LOW")).status_code == 422
        assert (await client.get(f"{made.headers['Location'][:-1]}3")).status_code == 422
        assert (await client.delete(made.headers["Location"])).status_code == 204


async def test_an_operation_has_one_route() -> None:
    """FastAPI builds each route where it is included, so HEAD, a slash and 405 have none."""
    app = FastAPI()
    app.include_router(seats, prefix="/a")
    found = [each for each in iter_route_contexts(app.routes) if "seats" in str(each.path)]
    assert len(found) == len(seats.explain()) == len(seats.routes)
    assert all(len(each.methods or ()) == 1 for each in found)


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("path", ["/seats", "/seats/", "/seats/a,1", "/seats/a,1/"])
async def test_no_way_passes_the_dependencies_of_the_include(database_url: str, path: str) -> None:
    """HEAD and a slash too many are answered by the documented route, with all that guards it."""

    def refuse() -> None:
        raise HTTPException(401)

    def include(app: FastAPI) -> None:
        app.include_router(seats, dependencies=[Depends(refuse)])

    async with _served(database_url, include) as client:
        for method in ("GET", "HEAD", "DELETE" if "," in path else "POST"):
            assert (await client.request(method, path)).status_code == 401
        assert (await client.options(path)).status_code == 204


@pytest.mark.parametrize("path", ["/seats", "/seats/", "/seats:query", "/seats/a,1", "/seats/a,1/"])
async def test_other_methods_are_told_which_there_are(database_url: str, path: str) -> None:
    """405 names what OPTIONS names, with and without a slash."""
    async with _served(database_url, _prefixed) as client:
        options = await client.options(f"/b/a{path}")
        assert (options.status_code, options.content) == (204, b"")
        for method in ("TRACE", "BREW", "PUT" if "," not in path else "POST"):
            refused = await client.request(method, f"/b/a{path}")
            assert refused.status_code == 405
            assert refused.json()["code"] == "method_not_allowed"
            assert refused.headers["Allow"] == options.headers["Allow"]
