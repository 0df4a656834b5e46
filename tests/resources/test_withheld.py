"""A column that its SQLModel class leaves out of dumps is hidden until an option names it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlmodel import Field, SQLModel

from ormolu import ConfigurationError, Database, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio

METADATA = MetaData()


class HeroBase(SQLModel):
    """What several classes share."""

    name: str
    internal: str | None = Field(default="int", exclude=True)


class Hero(HeroBase, table=True):
    metadata = METADATA
    __tablename__ = "withheld_heroes"
    id: int | None = Field(default=None, primary_key=True)
    rank: int = Field(default=3, exclude=True)


class Keyed(SQLModel, table=True):
    metadata = METADATA
    __tablename__ = "withheld_keyed"
    id: int | None = Field(default=None, primary_key=True, exclude=True)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_nobody_sees_it(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """In answers, filters, sorts and bodies; the log says so, and how to show it."""
    caplog.set_level(logging.WARNING, "ormolu")
    app = FastAPI()
    Database(database_url, metadata=METADATA).attach(app)
    app.include_router(resource(Hero, path="/heroes"))
    options: Any = {"read_only": {"internal"}, "writable": {"rank"}}
    app.include_router(resource(Hero, path="/open", **options))
    assert "resource(Hero): hidden by their class or names: internal, rank" in caplog.text
    async with client_of(app) as client:
        made = await client.post("/heroes", json={"name": "a"})
        assert made.json() == {"id": 1, "name": "a"}
        for query in ("internal=int", "sort=internal", "fields=internal", "rank__gt=1"):
            assert (await client.get(f"/heroes?{query}")).status_code == 422
        assert (await client.patch("/heroes/1", json={"rank": 1})).status_code == 422
        seen = await client.patch("/open/1", json={"rank": 4})
        assert seen.json() == {"id": 1, "name": "a", "internal": "int", "rank": 4}


def test_a_key_cannot_be_left_out() -> None:
    """It stands in each path."""
    with pytest.raises(ConfigurationError, match="'id' is hidden, and it is of the primary key"):
        resource(Keyed, path="/keyed")
