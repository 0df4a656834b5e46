"""A unique index over an expression makes no column of it unique."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import Index, MetaData, String, case, func
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Guest(Base):
    __tablename__ = "expression_guests"
    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column(String(20))
    last: Mapped[str] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(String(20))
    is_active: Mapped[bool] = mapped_column(default=True)
    room: Mapped[int | None]
    day: Mapped[int | None]


Index("uq_expression_guests_full", func.lower(Guest.first + Guest.last), unique=True)
Index("uq_expression_guests_active", func.trim(case((Guest.is_active, Guest.email))), unique=True)
Index("uq_expression_guests_place", Guest.room, Guest.day, unique=True)


@pytest.mark.long
async def test_an_upsert_goes_by_columns(database_url: str) -> None:
    """Those of an expression are none; a violation of it names them all."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Guest, path="/guests", writable={"id"}))
    async with client_of(app) as client:
        rows = [{"id": n, "first": "a", "last": f"l{n}", "room": n, "day": 1} for n in (1, 2)]
        for row in rows:
            assert (await client.post("/guests", json=row)).status_code == 201
        body = {"first": "a", "last": "zz", "email": "e", "room": 1, "day": 1}
        for name in ("first", "email", "is_active", "first,last"):
            refused = await client.post(f"/guests?on_conflict={name}", json=body)
            assert refused.status_code == 422, f"{name}: {refused.text}"
            assert "day,room or id" in refused.text
        found = await client.post("/guests?on_conflict=room,day", json=body)
        assert (found.status_code, found.json()["id"]) == (200, 1)
        twice = await client.post("/guests", json={"id": 9, "first": "A", "last": "L2"})
        assert twice.status_code == 409
        assert [each["pointer"] for each in twice.json()["errors"]] == ["/first", "/last"]
