"""What follows from a column: who makes its values, the client or the server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import (
    Column,
    DateTime,
    FetchedValue,
    Integer,
    MetaData,
    Sequence,
    String,
    Uuid,
    false,
    func,
    literal,
    null,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, Model, resource
from ormolu.resources._resource import Resource
from ormolu.resources.declare._columns import _is_generated
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Flag(Base):
    __tablename__ = "flags"
    name: Mapped[str] = mapped_column(String(9), primary_key=True)
    is_on: Mapped[bool] = mapped_column(server_default=true())
    is_old: Mapped[bool] = mapped_column(server_default=false())
    level: Mapped[int] = mapped_column(server_default=text("3"))


class Plain(DeclarativeBase):
    """Without the types of `Model`."""


class Event(Plain):
    __tablename__ = "events"
    code: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    noted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


flags = resource(Flag)
events = resource(Event)
CODE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def serve(url: str, router: Resource, metadata: MetaData) -> Any:
    app = FastAPI()
    Database(url, metadata=metadata).attach(app)
    app.include_router(router)
    return client_of(app)


@pytest.mark.parametrize(
    "default", ["x", true(), null(), literal("x"), text("'x'"), text("'lower(x)'"), text("1")]
)
def test_constant_defaults_may_be_chosen_otherwise(default: Any) -> None:
    """However they are written, in the program or in the table."""
    assert not _is_generated(Column("a", String(9), server_default=default))
    assert not _is_generated(Column("a", String(9), default=default))


@pytest.mark.parametrize("default", [func.random(), text("gen_random_uuid()"), text("(uuid())")])
def test_functions_of_the_database_are_the_server_s(default: Any) -> None:
    """However they are written, in the program or in the table."""
    assert _is_generated(Column("a", String(40), server_default=default))
    assert _is_generated(Column("a", String(40), default=default))


def test_triggers_and_sequences_are_the_server_s() -> None:
    """Their values are fetched."""
    assert _is_generated(Column("a", Integer, FetchedValue()))
    assert _is_generated(Column("a", Integer, Sequence("counts")))


async def test_flags_that_the_table_sets_can_be_sent(database_url: str) -> None:
    """A constant of the table's is a default, which comes back with a PUT."""
    made = {"name": "a", "is_on": True, "is_old": False, "level": 3}
    sent = {"name": "a", "is_on": False, "is_old": True, "level": 4}
    async with serve(database_url, flags, Base.metadata) as client:
        assert (await client.post("/flags", json=sent)).json() == sent
        assert (await client.put("/flags/a", json={})).json() == made
        assert (await client.put("/flags/a", json={"level": 4, **sent})).json() == sent


async def test_uuids_may_be_text(database_url: str) -> None:
    """A column that reads UUIDs as text is written, found and filtered by them."""
    async with serve(database_url, events, Plain.metadata) as client:
        made = await client.post("/events", json={"code": CODE.upper()})
        assert (made.status_code, made.json()["code"]) == (201, CODE)
        assert (await client.get(f"/events/{CODE}")).status_code == 200
        page = await client.get(f"/events?code={CODE.upper()}")
        assert [row["code"] for row in page.json()["items"]] == [CODE]


async def test_instants_of_any_base_have_an_offset(database_url: str) -> None:
    """Also where the backend stores none, so that what was read can be sent again."""
    async with serve(database_url, events, Plain.metadata) as client:
        sent = {"code": CODE, "at": "2026-01-31T12:00:00+02:00"}
        made = (await client.post("/events", json=sent)).json()
        assert (made["at"], made["noted_at"][-1]) == ("2026-01-31T10:00:00Z", "Z")
        assert (await client.get("/events")).json()["items"] == [made]
        again = await client.patch(f"/events/{CODE}", json={"at": made["at"]})
        assert again.json() == made
