"""One tag per representation, and what answers under a policy tell caches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Cookie, Depends, FastAPI, Header, Request, Response
from fastapi.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPBearer,
    OAuth2PasswordBearer,
)
from pydantic import AliasChoices, BaseModel, Field
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship
from starlette.types import Receive, Scope, Send

from ormolu import Database, Model, Policy, resource
from ormolu.web import Privacy
from tests.fixtures.apps import client_of
from tests.fixtures.kept import KeptApp, keep_running

# What a request says is read before any backend is asked; SQL is where the others differ.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

BOSS, STAFF, GUEST = ({"X-Role": role} for role in ("boss", "staff", "guest"))
HIDDEN = {"boss": frozenset[str](), "staff": frozenset({"pay"}), "guest": frozenset({"name"})}
PRIVATE = "private, no-cache"


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), default="Ann")
    pay: Mapped[int] = mapped_column(default=5)
    edition: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": edition}  # noqa: RUF012


class Task(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    member: Mapped[Member] = relationship()


class Ground(Model):
    """Tables that MariaDB cannot have."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Stone(Ground):
    """On another one, as of the COMMIT."""

    __tablename__ = "stones"
    id: Mapped[int] = mapped_column(primary_key=True)
    below: Mapped[int | None] = mapped_column(
        ForeignKey("stones.id", deferrable=True, initially="DEFERRED")
    )


async def by_stone(stone: Annotated[str, Cookie()] = "") -> Policy:
    return Policy(visible=True)


async def role(x_role: Annotated[str, Header()] = "guest") -> str:
    return x_role


async def by_role(
    role: Annotated[str, Depends(role)], lang: Annotated[str, Cookie()] = ""
) -> Policy:
    writable = Member.id < 3 if role == "staff" else True
    return Policy(visible=Member.id < 9, writable=writable, hidden=HIDDEN[role])


members = resource(Member, policy=by_role, writable={"id"})
tasks = resource(Task, includes={"member": members})


def make_app(db: Database) -> FastAPI:
    app = FastAPI()
    db.attach(app)
    app.include_router(members)
    app.include_router(tasks)
    return app


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    db = Database(module_url, metadata=Base.metadata)
    async with keep_running(make_app(db), db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client, who has made a member and a task."""
    async with served.client() as found:
        await found.post("/members", json={}, headers=BOSS)
        await found.post("/tasks", json={"member_id": 1})
        yield found


@pytest.mark.long
async def test_who_is_shown_other_columns_gets_another_tag(client: httpx2.AsyncClient) -> None:
    """All of a row has the bare version; GET and HEAD have the same."""
    tags = []
    for who in (BOSS, STAFF, GUEST):
        found = await client.get("/members/1", headers=who)
        head = await client.head("/members/1", headers=who)
        assert head.headers["ETag"] == found.headers["ETag"]
        tags.append(found.headers["ETag"])
    assert tags[0] == '"1"'
    assert len(set(tags)) == 3


@pytest.mark.long
@pytest.mark.parametrize("who", [STAFF, GUEST])
async def test_a_tag_holds_for_its_own_form_alone(
    client: httpx2.AsyncClient, who: dict[str, str]
) -> None:
    """Nobody is told to keep another's copy."""
    own = (await client.get("/members/1", headers=who)).headers["ETag"]
    boss = (await client.get("/members/1", headers=BOSS)).headers["ETag"]
    for tag, status in ((own, 304), (boss, 200)):
        found = await client.get("/members/1", headers={**who, "If-None-Match": tag})
        assert found.status_code == status
    part = await client.get("/members/1?fields=id", headers=who)
    assert part.headers["ETag"] not in {own, boss}


async def test_writes_answer_with_the_tag_of_what_they_show(client: httpx2.AsyncClient) -> None:
    """The tag of a form is good for If-Match, of whoever has it."""
    made = await client.post("/members", json={"id": 2}, headers=STAFF)
    assert made.headers["ETag"].startswith('"1;')
    for headers in ({}, {"Prefer": "return=minimal"}):
        tag = (await client.get("/members/2", headers=STAFF)).headers["ETag"]
        changed = await client.patch(
            "/members/2", json={"name": "Bo"}, headers={**STAFF, **headers, "If-Match": tag}
        )
        read = await client.get("/members/2", headers=STAFF)
        assert changed.headers["ETag"] == read.headers["ETag"] != tag
    body = {"operations": [{"op": "update", "id": 2, "data": {"name": "Cy"}}]}
    done = (await client.post("/members:batch", json=body, headers=STAFF)).json()["results"][0]
    assert done["etag"] == (await client.get("/members/2", headers=STAFF)).headers["ETag"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/members", 200), ("HEAD", "/members/1", 200), ("GET", "/members/1/", 200),
        ("GET", "/members/8", 404), ("GET", "/members/x", 422), ("DELETE", "/members/3", 403),
        ("QUERY", "/members", 200), ("PATCH", "/members/1", 200), ("DELETE", "/members/1", 409),
    ],
)  # fmt: skip
async def test_answers_under_a_policy_are_private(
    client: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    """Errors too; and they vary with the headers that the policy declares."""
    await client.post("/members", json={"id": 3}, headers=BOSS)
    body: dict[str, Any] = {} if method in {"GET", "HEAD", "DELETE"} else {"json": {}}
    found = await client.request(method, path, headers=STAFF, **body)
    assert found.status_code == status
    assert (found.headers["Cache-Control"], found.headers["Vary"]) == (PRIVATE, "Cookie, X-Role")


async def test_304_says_it_as_well(client: httpx2.AsyncClient) -> None:
    """A cache updates what it keeps by it."""
    found = await client.get("/members/1", headers={**BOSS, "If-None-Match": "*"})
    assert (found.status_code, found.headers["ETag"]) == (304, '"1"')
    assert (found.headers["Cache-Control"], found.headers["Vary"]) == (PRIVATE, "Cookie, X-Role")


@pytest.mark.parametrize(
    ("query", "is_private"),
    [
        ("", False), ("?sort=-member_id&member_id__ge=1", False), ("?include=member", True),
        ("?sort=member.name", True), ("?member.id=1", True),
        ("?include=member&fields=member.id", True),
        ('?where={"not":{"or":[{"id":9},{"member":{"any":{"id":4}}}]}}', True),
    ],
)  # fmt: skip
async def test_what_leads_to_a_guarded_model_is_private(
    client: httpx2.AsyncClient, query: str, *, is_private: bool
) -> None:
    """The rest depends on nobody, by a door or not."""
    for headers in (BOSS, {**BOSS, "If-None-Match": '"x"'}):
        found = await client.get(f"/tasks{query}", headers=headers)
        assert found.status_code == 200
        assert (found.headers.get("Cache-Control") == PRIVATE) is is_private
    for query in ("", "?include=member"):
        found = await client.get(f"/tasks/1{query}", headers=BOSS)
        assert ("Vary" in found.headers) is bool(query)


async def test_what_the_program_says_wins(database_url: str) -> None:
    """A dependency's headers are kept, and those of Vary joined; none is there twice."""

    async def guard(response: Response) -> None:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Accept, x-role"
        response.set_cookie("seen", "yes")

    app = FastAPI(dependencies=[Depends(guard)])
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(members)
    async with client_of(app) as client:
        found = await client.get("/members", headers=BOSS)
    assert found.headers.get_list("Cache-Control") == ["no-store"]
    assert found.headers.get_list("Vary") == ["Accept, x-role, Cookie"]
    assert found.cookies["seen"] == "yes"


async def test_middleware_has_the_last_word(database_url: str) -> None:
    """It stands outside."""
    app = make_app(Database(database_url, metadata=Base.metadata))

    @app.middleware("http")
    async def publish(request: Request, call_next: Callable[..., Any]) -> Response:
        response: Response = await call_next(request)
        response.headers["Cache-Control"] = "public"
        return response

    async with client_of(app) as client:
        found = await client.get("/members", headers=BOSS)
    assert found.headers.get_list("Cache-Control") == ["public"]


@pytest.mark.backends("sqlite", "asyncpg")
async def test_a_failed_commit_is_private_too(database_url: str) -> None:
    """What it answers comes from the gate itself."""
    app = FastAPI()
    Database(database_url, metadata=Ground.metadata).attach(app)
    app.include_router(resource(Stone, policy=by_stone))
    async with client_of(app) as client:
        found = await client.post("/stones", json={"below": 7})
    assert found.status_code == 409
    assert (found.headers["Cache-Control"], found.headers["Vary"]) == (PRIVATE, "Cookie")


async def test_a_copy_of_the_scope_is_no_way_around(database_url: str) -> None:
    """As middleware between two applications makes one."""
    app, inner = FastAPI(), FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    inner.include_router(members)

    async def copying(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(dict(scope), receive, send)

    app.mount("/inner", copying)
    async with client_of(app) as client:
        found = await client.get("/inner/members", headers=BOSS)
    assert (found.status_code, found.headers["Cache-Control"]) == (200, PRIVATE)


class Own(HTTPBearer):
    """A scheme of the program's own."""


class Headers(BaseModel):
    """Several headers at once."""

    x_tenant: str = ""
    other: str = Field("", alias="Accept-Language")


class Checker:
    def __call__(self, key: Annotated[str, Depends(APIKeyHeader(name="X-KEY"))]) -> str:
        return key


@pytest.mark.parametrize(
    ("parameter", "headers"),
    [
        (Annotated[str, Header()], ["X-User-Id"]),
        (Annotated[str, Header(alias="x_User")], ["X_User"]),
        (Annotated[str, Header(convert_underscores=False)], ["X_User_Id"]),
        (Annotated[str, Header(validation_alias=AliasChoices("a-one", "b"))], ["A-One", "B"]),
        (Annotated[Headers, Header()], ["Accept-Language", "X-Tenant"]),
        (Annotated[str, Cookie()], ["Cookie"]),
        (Annotated[Any, Depends(HTTPBearer())], ["Authorization"]),
        (Annotated[Any, Depends(Own(auto_error=False))], ["Authorization"]),
        (Annotated[Any, Depends(OAuth2PasswordBearer("token"))], ["Authorization"]),
        (Annotated[Any, Depends(APIKeyCookie(name="session"))], ["Cookie"]),
        (Annotated[Any, Depends(APIKeyQuery(name="key"))], []),
        (Annotated[Any, Depends(Checker())], ["X-Key"]),
        (Request, []),
    ],
)  # fmt: skip
def test_vary_names_what_dependencies_declare(parameter: Any, headers: list[str]) -> None:
    """At whatever depth, in whatever way; what one reads from the whole request nobody knows."""

    def inner(x_user_id: Any) -> None:
        """Be asked for."""

    inner.__annotations__["x_user_id"] = parameter

    async def policy(found: Any) -> Policy:
        return Policy()

    policy.__annotations__["found"] = Annotated[Any, Depends(inner)]
    assert Privacy([policy]).vary == headers
