"""Keys of every size are numbered, on every backend, by the door and by the session."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, mapped_column

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class GivenKey(sa.TypeDecorator[int]):
    """A key type of a program's own."""

    impl = sa.BigInteger
    cache_ok = True


COLUMNS: dict[str, tuple[Any, ...]] = {
    "big": (sa.BigInteger,),
    "small": (sa.SmallInteger,),
    "upper": (sa.BIGINT,),
    "variant": (sa.BigInteger().with_variant(sa.Integer(), "sqlite"),),
    "identity": (sa.BigInteger, sa.Identity()),
    "always": (sa.Integer, sa.Identity(always=True)),
    "sequence": (sa.BigInteger, sa.Sequence("numbers_seq")),
    "decorated": (GivenKey,),
}


def model_of(kind: str, base: type[Any] = Model) -> tuple[Any, sa.MetaData]:
    metadata = sa.MetaData()
    members = {"__abstract__": True, "metadata": metadata}
    own = type("Base", (base,), members)
    columns = {
        "__tablename__": "numbers",
        "id": mapped_column(*COLUMNS[kind], primary_key=True),
        "name": mapped_column(sa.String(9)),
    }
    return type("Number", (own,), columns), metadata


@pytest.mark.long
@pytest.mark.parametrize("kind", COLUMNS)
async def test_rows_are_numbered(database_url: str, kind: str) -> None:
    """One at a time, many in a batch, and by hand."""
    model, metadata = model_of(kind)
    app, db = FastAPI(), Database(database_url, metadata=metadata)
    db.attach(app)
    app.include_router(resource(model))
    async with client_of(app) as client:
        first = await client.post("/numbers", json={"name": "a"})
        assert (first.status_code, first.json()) == (201, {"id": 1, "name": "a"})
        operations = [{"op": "create", "data": {"name": name}} for name in "bc"]
        batch = await client.post("/numbers:batch", json={"operations": operations})
        assert [each["body"]["id"] for each in batch.json()["results"]] == [2, 3]
        async with db.unit_of_work() as session:
            session.add(model(name="d"))
        page = (await client.get("/numbers?sort=-id&limit=3")).json()
        assert [each["id"] for each in page["items"]] == [4, 3, 2]


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("kind", ["big", "identity"])
async def test_another_driver_numbers_rows_too(database_url: str, kind: str) -> None:
    """aiosqlite's tables are ours as well."""
    model, metadata = model_of(kind)
    url = database_url.replace("sqlite:", "sqlite+aiosqlite:")
    async with Database(url, metadata=metadata) as db, db.unit_of_work() as session:
        session.add_all([model(name="a"), model(name="b")])
        await session.flush()
        assert list(await session.scalars(sa.select(model.id).order_by(model.id))) == [1, 2]


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("kind", ["big", "small", "identity"])
async def test_the_door_numbers_rows_alike(twin_urls: tuple[str, str], kind: str) -> None:
    """As the session does."""
    model, metadata = model_of(kind)
    async with twins_of(twin_urls, metadata, resource(model)) as twins:
        for name in "ab":
            await twins.through("POST", "/numbers", json={"name": name})
        await twins.through("PATCH", "/numbers/2", json={"name": "c"})
        await twins.through("GET", "/numbers")
        await twins.through("DELETE", "/numbers/1")
        await twins.compare(*metadata.tables.values())


class Plain(DeclarativeBase):
    """Without the types of `Model`."""


class Parcel(Plain):
    __tablename__ = "parcels"
    id = mapped_column(sa.UUID, primary_key=True)
    owner = mapped_column(sa.UUID(as_uuid=False), nullable=True)


@pytest.mark.long
async def test_uuids_go_through_all_operations(database_url: str, backend: Backend) -> None:
    """As keys, filters, sorts and cursors; in either spelling."""
    app = FastAPI()
    Database(database_url, metadata=Plain.metadata).attach(app)
    app.include_router(resource(Parcel, writable={"id"}))
    keys = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "129a"]
    async with client_of(app) as client:
        for key in reversed(keys):
            body = {"id": key, "owner": keys[0]}
            assert (await client.post("/parcels", json=body)).json() == body
        assert (await client.get(f"/parcels/{keys[3].upper()}")).json()["id"] == keys[3]
        changed = await client.patch(f"/parcels/{keys[2]}", json={"owner": keys[1]})
        assert changed.json() == {"id": keys[2], "owner": keys[1]}
        found = await client.get(f"/parcels?owner={keys[1]}")
        assert [each["id"] for each in found.json()["items"]] == [keys[2]]
        page = (await client.get("/parcels?sort=id&limit=2")).json()
        rest = (await client.get(f"/parcels?sort=id&cursor={page['next_cursor']}")).json()
        assert [each["id"] for each in page["items"] + rest["items"]] == keys
        assert (await client.delete(f"/parcels/{keys[0]}")).status_code == 204
