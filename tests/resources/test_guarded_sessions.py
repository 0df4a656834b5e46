"""What dependencies do to the session of a request, and to their route, is not passed by."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from sqlalchemy import MetaData, String, event, select
from sqlalchemy.orm import Mapped, mapped_column, with_loader_criteria
from sqlalchemy.util import immutabledict

from ormolu import Database, Model, Policy, SessionDep, resource
from ormolu.web import answers_in
from ormolu.web._questions import Answers
from tests.fixtures.apps import client_of
from tests.lanes.things import execute

pytestmark = pytest.mark.backends("sqlite", "asyncpg")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Crate(Base):
    __tablename__ = "session_crates"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    code: Mapped[str] = mapped_column(String(20))


async def own(x_tenant: Annotated[int, Header()]) -> Policy:
    return Policy(visible=Crate.tenant <= x_tenant)


def app_of(url: str, dependency: Any) -> tuple[FastAPI, Database]:
    app, db = FastAPI(), Database(url, metadata=Base.metadata)
    db.attach(app)
    crates = resource(Crate, path="/crates", policy=own, writable={"id"})
    app.include_router(crates, dependencies=[Depends(dependency)])
    return app, db


async def fill(db: Database) -> None:
    async with db.unit_of_work() as session:
        session.add_all([Crate(id=n, tenant=n % 3, code=f"c{n}") for n in range(1, 7)])


async def narrow(session: SessionDep) -> None:
    """Let this session find less, as SQLAlchemy's recipe for tenants does."""

    def add(state: Any) -> None:
        state.statement = state.statement.options(with_loader_criteria(Crate, Crate.tenant == 1))

    event.listen(session.sync_session, "do_orm_execute", add)


async def test_conditions_of_a_session(database_url: str) -> None:
    """What a listener adds to the statements of the request's session is in each of them."""
    app, db = app_of(database_url, narrow)
    async with client_of(app) as client:
        await fill(db)
        headers = {"X-Tenant": "2"}
        for _ in range(2):
            listed = await client.get("/crates", headers=headers)
            assert [each["id"] for each in listed.json()["items"]] == [1, 4]
            assert (await client.get("/crates/1", headers=headers)).status_code == 200
            assert (await client.get("/crates/2", headers=headers)).status_code == 404


async def test_flushes_of_a_session(database_url: str) -> None:
    """What listens to the flush of the request's session hears of a write."""
    heard: list[str] = []

    async def listen(session: SessionDep) -> None:
        event.listen(session.sync_session, "before_flush", lambda *_: heard.append("flush"))

    app, _ = app_of(database_url, listen)
    async with client_of(app) as client:
        body = {"id": 1, "tenant": 1, "code": "a"}
        made = await client.post("/crates", json=body, headers={"X-Tenant": "1"})
        assert made.status_code == 201
    assert heard == ["flush"]


async def of_tenant(session: SessionDep) -> None:
    """Send what this session sends to the schema of a tenant."""
    schemas = {"schema_translate_map": {None: "apart"}}
    session.sync_session.execution_options = immutabledict(schemas)


@pytest.mark.backends("asyncpg")
async def test_options_of_a_session(database_url: str) -> None:
    """They are those of what a resource reads and writes with it: the schema of a tenant, say."""
    app, db = app_of(database_url, of_tenant)
    async with client_of(app) as client:
        await fill(db)
        copy = "CREATE TABLE apart.session_crates (LIKE public.session_crates INCLUDING ALL)"
        await execute(database_url, "CREATE SCHEMA apart", copy)
        headers, body = {"X-Tenant": "1"}, {"id": 9, "tenant": 1, "code": "new"}
        assert (await client.get("/crates", headers=headers)).json()["items"] == []
        assert (await client.get("/crates/1", headers=headers)).status_code == 404
        assert (await client.post("/crates", json=body, headers=headers)).status_code == 201
        assert await execute(database_url, "SELECT code FROM apart.session_crates") == [("new",)]


async def lose(session: SessionDep) -> None:
    session.add(Crate(id=9, tenant=1, code="lost"))
    await session.close()


async def test_session_that_is_closed(database_url: str) -> None:
    """Nothing is stored past a session that was closed with changes that were not committed."""
    app, db = app_of(database_url, lose)
    async with client_of(app) as client:
        body = {"id": 1, "tenant": 1, "code": "a"}
        refused = await client.post("/crates", json=body, headers={"X-Tenant": "1"})
        assert refused.status_code == 500
    async with db.unit_of_work(read_only=True) as session:
        assert (await session.scalars(select(Crate))).all() == []


async def test_route_of_the_program_s_own_behind_a_resource(database_url: str) -> None:
    """Nobody asks for it what the resource depends on, nor takes its path for a key."""
    asked: list[str] = []

    async def refuse(request: Request) -> None:
        asked.append(request.url.path)
        raise HTTPException(403)

    app, _ = app_of(database_url, refuse)

    @app.get("/crates/summary")
    async def summary(request: Request) -> dict[str, Any]:
        return request.path_params

    async with client_of(app) as client:
        assert (await client.get("/crates/summary")).json() == {}
        assert (await client.get("/crates/1", headers={"X-Tenant": "1"})).status_code == 403
    assert asked == ["/crates/1"]


async def test_status_that_is_not_known_yet(database_url: str) -> None:
    """A dependency finds the response as FastAPI gives it."""
    seen: list[Any] = []

    async def look(response: Response) -> None:
        seen.append((response.status_code, response.headers.get("content-length")))

    app, db = app_of(database_url, look)
    async with client_of(app) as client:
        await fill(db)
        found = await client.get("/crates/1", headers={"X-Tenant": "1"})
        assert found.status_code == 200
    assert seen == [(None, None)]


def test_answers_of_another_route() -> None:
    """What the dependencies of one route returned is nothing to another one."""

    async def first() -> None: ...

    async def second() -> None: ...

    answers = Answers(first, {}, [])
    assert answers_in({"ormolu.answers": answers, "endpoint": first}) is answers
    assert answers_in({"ormolu.answers": answers, "endpoint": second}) is None


async def test_names_that_are_hidden_later(database_url: str) -> None:
    """A program may keep a policy, and change the set of names that it has."""
    hidden: set[str] = set()
    kept = Policy(visible=True, hidden=hidden)
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Crate, path="/crates", policy=lambda: kept))
    async with client_of(app) as client:
        await fill(db)
        assert (await client.get("/crates/1")).json() == {"id": 1, "tenant": 1, "code": "c1"}
        hidden.add("code")
        assert (await client.get("/crates/1")).json() == {"id": 1, "tenant": 1}
        assert "code" not in (await client.get("/crates")).text
