"""Applications that no route leads to: the policies of the application around them hold there."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Host, Mount
from starlette.types import Receive, Scope, Send

from ormolu import Database, Model, Policy, SessionDep, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Chest(Base):
    __tablename__ = "behind_chests"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(9))
    memo: Mapped[str] = mapped_column(String(9))
    room_id: Mapped[int] = mapped_column(ForeignKey("behind_rooms.id"))


class Room(Base):
    __tablename__ = "behind_rooms"
    id: Mapped[int] = mapped_column(primary_key=True)
    chests: Mapped[list[Chest]] = relationship()


async def own(x_user: Annotated[str, Header()]) -> Policy:
    return Policy(visible=Chest.owner == x_user, hidden={"memo"})


class Opaque:
    """An ASGI application that keeps another one under a name of its own."""

    def __init__(self, app: Any) -> None:
        self.inside: Any = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self.inside(scope, receive, send)


def in_middleware(app: FastAPI, inner: Any) -> None:
    app.mount("/in", CORSMiddleware(CORSMiddleware(inner)))


def in_middleware_of_the_mount(app: FastAPI, inner: Any) -> None:
    app.router.routes.append(Mount("/in", app=inner, middleware=[Middleware(CORSMiddleware)]))


def in_a_host(app: FastAPI, inner: Any) -> None:
    outer = FastAPI()
    outer.mount("/in", inner)
    app.router.routes.append(Host("test", app=outer))


def in_code(app: FastAPI, inner: Any) -> None:
    app.mount("/in", Opaque(inner))


def in_code_of_another(app: FastAPI, inner: Any) -> None:
    middle = FastAPI()
    middle.mount("/in", Opaque(inner))
    app.mount("", Opaque(middle))


WAYS = [in_middleware, in_middleware_of_the_mount, in_a_host, in_code, in_code_of_another]


@pytest.mark.long
@pytest.mark.parametrize("mount", WAYS)
@pytest.mark.parametrize("is_attached", [False, True])
@pytest.mark.parametrize("is_guard_inside", [False, True])
async def test_a_policy_holds_whatever_is_between(
    database_url: str, mount: Any, *, is_attached: bool, is_guard_inside: bool
) -> None:
    """Behind middleware, a host, or code of the program's own; and so do hidden columns."""
    app, inner = FastAPI(), FastAPI()
    db = Database(database_url, metadata=Base.metadata)
    db.attach(app)
    if is_attached:
        db.attach(inner)
    guarded, rooms = app, inner
    if is_guard_inside:
        guarded, rooms = inner, app
    chests = resource(Chest, path="/chests", policy=own)
    guarded.include_router(chests)
    rooms.include_router(resource(Room, path="/rooms", includes={"chests"}))
    mount(app, inner)
    prefix = "" if is_guard_inside else "/in"
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Room(id=1, chests=[Chest(owner=name, memo="m") for name in "ab"]))
        client.headers["x-user"] = "a"
        guarded_path = "/in/chests" if is_guard_inside else "/chests"
        if is_guard_inside:
            # What only code leads to is known once a request has come that way.
            await client.get(guarded_path)
        for _ in range(2):
            answer = await client.get(f"{prefix}/rooms?include=chests")
            (room,) = answer.json()["items"]
            assert room["chests"] == [{"id": 1, "owner": "a", "room_id": 1}]
            assert (await client.get(f"{prefix}/rooms?chests.owner=b")).json()["items"] == []
            assert len((await client.get(guarded_path)).json()["items"]) == 1


@pytest.mark.parametrize("mount", WAYS)
async def test_errors_are_problems_behind_middleware(database_url: str, mount: Any) -> None:
    """As in applications that are mounted without any; with the first request, too."""
    app, inner = FastAPI(), FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    inner.include_router(resource(Room, path="/rooms"))

    @inner.get("/own/{key}")
    async def read(key: int, session: SessionDep) -> int:
        return (await session.get_one(Room, key)).id

    mount(app, inner)
    async with client_of(app) as client:
        for path, status, code in (
            ("/rooms?nothing=1", 422, "validation_error"),
            ("/rooms?limit=x", 422, "validation_error"),
            ("/rooms/9", 404, "not_found"), ("/own/9", 404, "not_found"),
        ):  # fmt: skip
            answer = await client.get(f"/in{path}")
            assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("mount", WAYS)
@pytest.mark.parametrize("path", ["/rooms/9", "/own/9"])
async def test_the_first_request_is_answered_by_a_problem(
    database_url: str, mount: Any, path: str
) -> None:
    """It leads to the application, whose layers are made by then; its own handlers stay."""
    app, inner = FastAPI(), FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    inner.include_router(resource(Room, path="/rooms"))

    @inner.exception_handler(RequestValidationError)
    async def answer_own(_request: Request, _error: Exception) -> Response:
        return Response(status_code=418)

    @inner.get("/own/{key}")
    async def read(key: int, session: SessionDep) -> int:
        return (await session.get_one(Room, key)).id

    mount(app, inner)
    async with client_of(app) as client:
        answer = await client.get(f"/in{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await client.get("/in/own/x")).status_code == 418


@pytest.mark.long
async def test_a_resource_behind_middleware_is_one_of_the_application(database_url: str) -> None:
    """Although it is no application itself."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Room, path="/rooms", includes={"chests"}))
    app.mount("/in", CORSMiddleware(resource(Chest, path="/chests", policy=own)))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Room(id=1, chests=[Chest(owner=name, memo="m") for name in "ab"]))
        client.headers["x-user"] = "a"
        assert len((await client.get("/in/chests")).json()["items"]) == 1
        (room,) = (await client.get("/rooms?include=chests")).json()["items"]
        assert [each["owner"] for each in room["chests"]] == ["a"]
