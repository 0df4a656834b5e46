"""Primary keys and versions of every type: in paths, bodies, batches and tags."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, Numeric, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large size"


class Slot(Base):
    __tablename__ = "slots"
    size: Mapped[Size] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    code: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    price: Mapped[Decimal] = mapped_column(Numeric(5, 2), primary_key=True)
    is_free: Mapped[bool] = mapped_column(primary_key=True)
    note: Mapped[str | None] = mapped_column(String(5))


class Sealed(Base):
    __tablename__ = "sealed"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    version: Mapped[uuid.UUID] = mapped_column(Uuid)
    __mapper_args__ = {  # noqa: RUF012
        "version_id_col": version,
        "version_id_generator": lambda _: uuid.uuid4(),
    }


def serve(url: str) -> Any:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    app.include_router(slots)
    app.include_router(sealed)
    return client_of(app)


slots = resource(Slot)
sealed = resource(Sealed)

SLOT: dict[str, Any] = {
    "size": "large size", "day": "2026-01-31", "at": "2026-01-31T12:00:00.123456Z",
    "code": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "price": "1.50", "is_free": True,
}  # fmt: skip


@pytest.mark.long
async def test_location_leads_to_a_key_of_any_type(database_url: str) -> None:
    """Enumerations, dates, moments, UUIDs, decimals, booleans: read, put and deleted there."""
    async with serve(database_url) as client:
        made = await client.post("/slots", json=SLOT)
        place = made.headers["Location"]
        assert (await client.get(place)).json() == {**SLOT, "note": None}
        body = {**SLOT, "code": SLOT["code"].upper(), "note": "x"}
        put = await client.put(place, json=body)
        assert (put.status_code, put.json()["note"]) == (200, "x")
        other = await client.put(place, json={**SLOT, "price": "1.60"})
        assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "/price")
        assert (await client.delete(place)).status_code == 204
        assert (await client.put(place, json={})).headers["Location"] == place


async def test_versions_may_be_of_any_type(database_url: str) -> None:
    """A UUID has hyphens: its tag holds once, on the row as on another form of it."""
    async with serve(database_url) as client:
        tag = (await client.post("/sealed", json={"text": "a"})).headers["ETag"]
        whole, part = await client.get("/sealed/1"), await client.get("/sealed/1?fields=text")
        assert whole.headers["ETag"] == tag != part.headers["ETag"]
        stale = {"If-Match": part.headers["ETag"]}
        changed = await client.patch("/sealed/1", json={"text": "b"}, headers=stale)
        assert changed.status_code == 200
        refused = await client.patch("/sealed/1", json={"text": "c"}, headers=stale)
        assert refused.status_code == 412
