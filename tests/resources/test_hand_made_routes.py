"""Routes that a program makes by hand of a resource's functions, beside the resource itself."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of
from tests.lanes.things import execute, until

pytestmark = pytest.mark.backends("sqlite", "asyncpg")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Jar(Base):
    __tablename__ = "hand_jars"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    label: Mapped[str] = mapped_column(String(20))


async def own(x_tenant: Annotated[int, Header()]) -> Policy:
    return Policy(visible=Jar.tenant == x_tenant)


def app_of(url: str, *, is_included: bool, policy: Any = None, before: Any = None) -> FastAPI:
    """Return an application with the routes of a resource, and the same by hand at /mine."""
    app, by_hand = FastAPI(), APIRouter()
    Database(url, metadata=Base.metadata).attach(app)
    jars = resource(Jar, path="/jars", policy=policy, writable={"id"})
    for route in jars.routes:
        made: Any = route
        if getattr(made.endpoint, "door", None) is not None:
            (by_hand if is_included else app).add_api_route(
                made.path.replace("/jars", "/mine"), made.endpoint, methods=[*made.methods],
                response_model=None, dependencies=[] if before is None else [Depends(before)],
            )  # fmt: skip
    app.include_router(jars)
    app.include_router(by_hand)
    return app


@pytest.mark.parametrize("is_included", [True, False])
async def test_they_ask_once(database_url: str, *, is_included: bool) -> None:
    """They are answered, and what they depend on is called once, whatever comes of it."""
    asked: list[int] = []

    async def admit(x_tenant: Annotated[int, Header()]) -> None:
        asked.append(x_tenant)
        if x_tenant == 3:
            raise HTTPException(403)

    app = app_of(database_url, is_included=is_included, policy=own, before=admit)
    async with client_of(app) as client:
        body = {"id": 1, "tenant": 1, "label": "plum"}
        made = await client.post("/mine", json=body, headers={"X-Tenant": "1"})
        assert made.status_code == 201
        for tenant, status in ((1, 200), (2, 404), (3, 403)):
            found = await client.get("/mine/1", headers={"X-Tenant": str(tenant)})
            assert found.status_code == status
    assert asked == [1, 1, 2, 3]


_SLOW = (
    "CREATE SEQUENCE tries",
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM nextval('tries'), pg_sleep(30); RETURN new; END $$",
    "CREATE TRIGGER slow BEFORE INSERT ON hand_jars FOR EACH ROW EXECUTE FUNCTION slow()",
)
_KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event = 'PgSleep'"
)


@pytest.mark.backends("asyncpg")
async def test_a_write_is_not_sent_again(database_url: str) -> None:
    """One whose outcome nobody knows is answered so, and is not tried once more."""
    app = app_of(database_url, is_included=True)
    async with client_of(app) as client:
        await execute(database_url, *_SLOW)
        body = {"id": 1, "tenant": 1, "label": "plum"}
        task = asyncio.create_task(client.post("/mine", json=body))
        await until(lambda: execute(database_url, _KILL))
        async with asyncio.timeout(20):
            answer = await task
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
        assert await execute(database_url, "SELECT last_value FROM tries") == [(1,)]
