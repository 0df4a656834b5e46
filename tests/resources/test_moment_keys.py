"""A moment as a key is found by a plan, in each form that the backend stores it in."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import DateTime, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Reading(Base):
    """By an instant."""

    __tablename__ = "moment_readings"
    at: Mapped[datetime] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))


class Naive(Base):
    """By a moment without an offset."""

    __tablename__ = "moment_naive"
    at: Mapped[datetime] = mapped_column(DateTime, primary_key=True)
    name: Mapped[str] = mapped_column(String(9))


RESOURCES = [
    resource(Reading, path="/readings", writable={"at"}),
    resource(Naive, path="/naive", writable={"at"}),
]


@pytest.mark.long
@pytest.mark.parametrize(("path", "offset"), [("/readings", "Z"), ("/naive", "")])
async def test_each_form(twin_urls: tuple[str, str], path: str, offset: str) -> None:
    """With microseconds, and without: as the database's own clock writes it."""
    table = Base.metadata.tables[f"moment_{path[1:]}"].name
    async with twins_of(twin_urls, Base.metadata, *RESOURCES) as twins:
        for moment, name in (("12:00:00", "a"), ("12:00:00.000000", "b"), ("12:00:00.250000", "c")):
            stored = f"2026-01-31 {moment}"
            if offset and twins.databases[0].engine.dialect.name == "postgresql":
                stored += "+00"
            await twins.execute(f"INSERT INTO {table} (at, name) VALUES ('{stored}', '{name}')")
            key = f"{path}/2026-01-31T{moment}{offset}"
            found = await twins.through("GET", key)
            assert found.json()["name"] == name
            changed = await twins.through("PATCH", key, json={"name": "new"})
            assert changed.json()["name"] == "new"
            other = await twins.send("GET", f"{path}/2026-01-31T12:00:01{offset}")
            assert other.status_code == 404
            assert (await twins.through("DELETE", key)).status_code == 204
        await twins.compare(*Base.metadata.sorted_tables)
