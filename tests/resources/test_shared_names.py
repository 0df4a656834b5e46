"""A column that clients may write may have the name of one that they may not: theirs is meant."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import MetaData, String, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Stall(Base):
    __tablename__ = "shared_stalls"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    display_name: Mapped[str | None] = mapped_column(String(20), unique=True)
    name: Mapped[str | None] = mapped_column(String(20), default="inner")
    noteText: Mapped[str | None] = mapped_column(String(20))  # noqa: N815 -- the clients' name
    note_text: Mapped[str | None] = mapped_column(String(20), default="inner")


class Shown(BaseModel):
    """Shows one column by the name of another."""

    model_config = ConfigDict(alias_generator=to_camel)
    id: int
    display_name: str | None = Field(alias="name")
    noteText: str | None  # noqa: N815 -- as the column


class Changed(BaseModel):
    """Takes what it does not name as columns."""

    model_config = ConfigDict(extra="allow")


class Sent(Changed):
    """The same for a new row."""

    id: int


HIDDEN: Any = {"hidden": {"name", "note_text"}, "public_model": Shown, "writable": {"id"}}


async def as_clerk() -> Policy:
    return Policy(visible=True, read_only={"name", "note_text"})


OPTIONS: dict[str, Any] = {
    "hidden": HIDDEN,
    "guarded": HIDDEN | {"policy": as_clerk},
    "own": HIDDEN | {"create_model": Sent, "update_model": Changed},
    "own guarded": HIDDEN | {"create_model": Sent, "policy": as_clerk},
}


@pytest.mark.parametrize("kind", OPTIONS)
async def test_a_closed_column_is_not_written_by_the_name_of_another(
    database_url: str, kind: str
) -> None:
    """In creates, changes, upserts and batches, by lanes and sessions."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Stall, path="/stalls", **OPTIONS[kind]))
    row = {"id": 1, "name": "a", "noteText": "b"}
    async with client_of(app) as client:
        created = await client.post("/stalls", json=row)
        assert (created.status_code, created.json()) == (201, row)
        changed = await client.patch("/stalls/1", json={"name": "c", "noteText": "d"})
        assert (changed.status_code, changed.json()) == (200, row | {"name": "c", "noteText": "d"})
        put = await client.put("/stalls/1", json={"name": "e", "noteText": "f"})
        assert put.json() == row | {"name": "e", "noteText": "f"}
        again = {"id": 1, "name": "e", "noteText": "g"}
        assert (await client.post("/stalls?on_conflict=name", json=again)).json() == again
        steps = [{"op": "create", "data": {"id": n, "name": str(n)}} for n in (2, 3)]
        assert (await client.post("/stalls:batch", json={"operations": steps})).status_code == 200
        found = await client.get("/stalls?name__in=e&name__in=2&sort=-name&fields=name,noteText")
        assert found.json()["items"] == [
            {"name": "e", "noteText": "g"}, {"name": "2", "noteText": None},
        ]  # fmt: skip
        async with db.unit_of_work(read_only=True) as session:
            inner = await session.execute(select(Stall.name, Stall.note_text))
            assert {tuple(each) for each in inner} == {("inner", "inner")}
