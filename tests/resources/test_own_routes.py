"""Routes that a program writes at the paths of a resource, before or after it, or in it."""

from __future__ import annotations

import logging
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, mapped_column
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ormolu import Database, Model, resource
from ormolu.resources import Resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Parcel(Base):
    __tablename__ = "parcels"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(20), default="none")


class Tagged(Base):
    __tablename__ = "tagged_parcels"
    tag: Mapped[str] = mapped_column(String(20), primary_key=True)
    label: Mapped[str] = mapped_column(String(20), default="none")


def app_of(url: str, *, is_shut: bool = False, **options: Any) -> FastAPI:
    app = FastAPI(**options)
    Database(url, metadata=Base.metadata, pool_timeout=5.0).attach(app)
    if is_shut:
        # While anything at all is overridden there are no doors.
        app.dependency_overrides[str] = str
    return app


def write_own(router: FastAPI | APIRouter, path: str = "/parcels") -> None:
    """Write what the resource leaves out."""

    @router.post(path, status_code=202)
    async def create() -> str:
        return "own"

    @router.delete(f"{path}/{{id}}")
    async def archive(id: int) -> str:  # noqa: A002 -- the resource's own name for it
        return f"archived {id}"


WAYS = ["before", "after", "inside", "in a router"]


def app_with_own(url: str, way: str, *, prefix: str = "", is_shut: bool = False) -> FastAPI:
    app, parcels = app_of(url, is_shut=is_shut), resource(Parcel, operations={"list", "read"})
    if way == "before":
        write_own(app, f"{prefix}/parcels")
    app.include_router(parcels, prefix=prefix)
    if way == "after":
        write_own(app, f"{prefix}/parcels")
    elif way == "inside":
        write_own(parcels)
    elif way == "in a router":
        router = APIRouter(prefix=prefix)
        write_own(router)
        app.include_router(router)
    return app


@pytest.mark.long
@pytest.mark.parametrize("is_shut", [False, True], ids=["door", "session"])
@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("way", WAYS)
async def test_operation_that_is_left_out(
    database_url: str, way: str, prefix: str, *, is_shut: bool
) -> None:
    """Is the program's own; what is there is told, and the rest is refused."""
    app = app_with_own(database_url, way, prefix=prefix, is_shut=is_shut)
    rows, row = f"{prefix}/parcels", f"{prefix}/parcels/7"
    async with client_of(app) as client:
        for _ in range(2):
            created = await client.post(rows)
            assert (created.status_code, created.json()) == (202, "own")
            assert (await client.delete(row)).json() == "archived 7"
            assert (await client.get(rows)).json()["items"] == []
            assert (await client.head(rows)).status_code == 200
            assert (await client.get(row)).status_code == 404
        await _check_refusals(client, rows, {"GET", "HEAD", "OPTIONS", "POST", "QUERY"})
        await _check_refusals(client, row, {"DELETE", "GET", "HEAD", "OPTIONS"})
        document = (await client.get("/openapi.json")).json()["paths"]
    assert set(document[rows]) == {"get", "post"}
    assert set(document[f"{rows}/{{id}}"]) == {"get", "delete"}


async def _check_refusals(client: httpx2.AsyncClient, path: str, allowed: set[str]) -> None:
    options, refused = await client.options(path), await client.put(path, json={})
    assert (options.status_code, options.content) == (204, b"")
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    for answer in (options, refused):
        assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("redirects", [True, False])
async def test_a_slash_too_many(database_url: str, *, redirects: bool) -> None:
    """Is the resource's own affair; for the program's routes it is FastAPI's."""
    app, parcels = (
        app_of(database_url, redirect_slashes=redirects),
        resource(Parcel, operations={"list", "read"}),
    )
    app.include_router(parcels)
    write_own(parcels)
    async with client_of(app) as client:
        assert (await client.get("/parcels/")).status_code == 200
        answer = await client.post("/parcels/")
        assert answer.status_code == (307 if redirects else 405)
        if redirects:
            assert answer.headers["location"] == "http://test/parcels"
        assert (await client.options("/parcels/")).headers["allow"] == "GET, HEAD, OPTIONS, QUERY"


@pytest.mark.parametrize("model", [Parcel, Tagged])
@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("is_shut", [False, True], ids=["door", "session"])
async def test_paths_that_are_spelled_out_in_a_resource(
    database_url: str, model: Any, *, is_late: bool, is_shut: bool
) -> None:
    """Are no keys of rows, whenever they are added: before the include, or after a request."""
    app, router = (
        app_of(database_url, is_shut=is_shut),
        resource(model, path="/rows", writable={"id"} if model is Parcel else {"tag"}),
    )
    first = {"id": 7} if model is Parcel else {"tag": "stats"}
    path = f"/rows/{7 if model is Parcel else 'stats'}"

    async def stats() -> str:
        return "stats"

    if not is_late:
        router.get(path)(stats)
    app.include_router(router)
    async with client_of(app) as client:
        assert (await client.post("/rows", json=first)).status_code == 201
        if is_late:
            for _ in range(2):
                assert (await client.get(path)).json()["label"] == "none"
            router.get(path)(stats)
        for _ in range(2):
            assert (await client.get(path)).json() == "stats"
            assert (await client.patch(path, json={"label": "new"})).json()["label"] == "new"
        assert (await client.get("/rows/8")).status_code == 404


async def test_all_that_can_be_added_comes_first(database_url: str) -> None:
    """In the order in which it is added, before the resource's own."""
    parcels, inner = resource(Parcel), APIRouter()

    @inner.get("/parcels/included")
    async def included() -> str:
        return "included"

    async def plain(_request: Request) -> Response:
        return PlainTextResponse("plain")

    parcels.include_router(inner)
    parcels.add_route("/parcels/plain", plain)
    parcels.mount("/parcels/mounted", PlainTextResponse("mounted"))
    parcels.get("/parcels/{name}")(included)
    app = app_of(database_url)
    app.include_router(parcels)
    async with client_of(app) as client:
        found = [(await client.get(f"/parcels/{each}")).text
                 for each in ("included", "plain", "mounted/", "7")]  # fmt: skip
    assert found == ['"included"', "plain", "mounted", '"included"']


async def test_two_resources_share_a_path(database_url: str) -> None:
    """Each answers what the other leaves out."""
    app = app_of(database_url)
    app.include_router(resource(Parcel, operations={"list"}))
    app.include_router(resource(Parcel, operations={"create", "read"}))
    async with client_of(app) as client:
        made = await client.post("/parcels", json={})
        assert made.status_code == 201
        assert (await client.get(made.headers["location"])).status_code == 200
        await _check_refusals(client, "/parcels", {"GET", "HEAD", "OPTIONS", "POST", "QUERY"})


async def test_a_frontend_behind_a_resource(database_url: str) -> None:
    """What is mounted below everything does not take what a resource refuses."""
    app = app_of(database_url)
    app.include_router(resource(Parcel, operations={"list"}))
    app.mount("/", PlainTextResponse("page"))
    async with client_of(app) as client:
        assert (await client.delete("/parcels")).status_code == 405
        assert (await client.get("/about")).text == "page"


async def test_resource_that_is_mounted_itself(database_url: str) -> None:
    """Says what it has, and refuses the rest."""
    app = app_of(database_url)
    app.mount("/in", resource(Parcel, operations={"list"}))
    async with client_of(app) as client:
        assert (await client.get("/in/parcels")).json()["items"] == []
        await _check_refusals(client, "/in/parcels", {"GET", "HEAD", "OPTIONS", "QUERY"})


def _sentences(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "never gets" in each.getMessage()]


@pytest.mark.parametrize(
    ("path", "options"),
    [("/docs", {}), ("/redoc", {}), ("/openapi.json", {}), ("/api", {"docs_url": "/api"}),
     ("/healthz", {})],
)  # fmt: skip
async def test_resource_at_a_page_is_warned_about(
    database_url: str, caplog: pytest.LogCaptureFixture, path: str, options: dict[str, Any]
) -> None:
    """Once, with what to write; its other requests are served."""
    app = app_of(database_url, **options)
    app.include_router(resource(Parcel, path=path))
    with caplog.at_level(logging.WARNING, "ormolu"):
        async with client_of(app) as client:
            assert (await client.post(path, json={})).status_code == 201
            app.include_router(resource(Tagged))
            assert (await client.get(f"{path}/1")).status_code == 200
    (sentence,) = _sentences(caplog)
    assert sentence.startswith(f"resource(Parcel) at {path} never gets GET {path}: ")
    assert "path=..." in sentence


def _colliding(app: FastAPI, number: int) -> None:
    both: list[Resource] = [resource(Parcel), resource(Tagged, path="/parcels")]
    if number == 1:
        both = [both[0]] * 2
    elif number == 2:
        both = [resource(Parcel, path="/a"), resource(Tagged, path="/a/old")]
    for each in both:
        app.include_router(each)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "resource(Parcel) at /parcels comes first. Give one of them another path"),
     (1, "it is included twice here"),
     (2, "resource(Parcel) at /a comes first, and takes it for a key")],
)  # fmt: skip
async def test_resources_at_one_path_are_warned_about(
    database_url: str, caplog: pytest.LogCaptureFixture, number: int, words: str
) -> None:
    """Whichever comes last is told what it never gets."""
    app = app_of(database_url)
    _colliding(app, number)
    with caplog.at_level(logging.WARNING, "ormolu"):
        async with client_of(app):
            pass
    (sentence,) = _sentences(caplog)
    assert words in sentence


async def test_what_does_not_collide_is_not_warned_about(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Prefixes, mounts, and routes of the program's own that are meant to come first."""
    app, parcels, inner = app_of(database_url), resource(Parcel), FastAPI()
    write_own(app)
    app.include_router(parcels, prefix="/docs")
    app.include_router(parcels)
    inner.include_router(resource(Parcel, path="/docs-of-parcels"))
    app.mount("/docs2", inner)
    with caplog.at_level(logging.WARNING, "ormolu"):
        async with client_of(app):
            pass
    assert _sentences(caplog) == []


@pytest.mark.long
@pytest.mark.parametrize("is_shut", [False, True], ids=["door", "session"])
@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_a_later_path_that_is_no_key(
    database_url: str, prefix: str, *, is_shut: bool
) -> None:
    """Is reached by the methods that it has; what may be a key is one, as it comes first."""
    app = app_of(database_url, is_shut=is_shut)
    app.include_router(resource(Parcel), prefix=prefix)
    app.include_router(resource(Tagged, path="/tagged", writable={"tag"}), prefix=prefix)

    async def stats() -> str:
        return "stats"

    for path in ("/parcels/stats", "/parcels/7", "/tagged/stats", "/parcels"):
        app.get(prefix + path)(stats)
    async with client_of(app) as client:
        for _ in range(2):
            assert (await client.get(f"{prefix}/parcels/stats")).json() == "stats"
            assert (await client.delete(f"{prefix}/parcels/stats")).status_code == 422
            assert (await client.get(f"{prefix}/parcels/other")).status_code == 422
            for path in ("/parcels/7", "/tagged/stats"):
                assert (await client.get(prefix + path)).json()["code"] == "not_found"
            assert (await client.get(f"{prefix}/parcels")).json()["items"] == []
