"""Values of two callers' policies may be equal to Python, and not to the database."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from pydantic import Json
from sqlalchemy import MetaData, String, TypeDecorator, type_coerce
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.backends("sqlite", "asyncpg")

# Who asks.
asking: ContextVar[str] = ContextVar("asking", default="nobody")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Sealed(TypeDecorator[str]):
    """A text that each writes with their own name."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> str | None:
        return f"{asking.get()}:{value}"


class Chest(Base):
    __tablename__ = "value_chests"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(Sealed)
    code: Mapped[str] = mapped_column(String(20), default="")


async def own(x_name: Annotated[str, Header()]) -> Policy:
    asking.set(x_name)
    return Policy(visible=Chest.owner == "me", hidden={"owner"})


@pytest.mark.long
async def test_values_are_written_where_they_are_asked(database_url: str) -> None:
    """A type that looks at the request sees the one of the policy, whatever goes along with it."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Chest, path="/chests", policy=own))
    async with client_of(app) as client:
        for n in range(9):
            asking.set(f"u{n % 3}")
            async with db.unit_of_work() as session:
                session.add(Chest(id=n, owner="me"))
        asked = [(f"/chests/{n}", f"u{k}") for n in range(9) for k in range(3)]
        waiting = [client.get(path, headers={"X-Name": name}) for path, name in asked]
        statuses = [each.status_code for each in await asyncio.gather(*waiting)]
    assert statuses == [200 if n % 3 == k else 404 for n in range(9) for k in range(3)]


async def coded(x_code: Annotated[Json[Any], Header()]) -> Policy:
    return Policy(visible=Chest.code == type_coerce(x_code, String()), hidden={"owner"})


@pytest.mark.backends("sqlite")
async def test_numbers_as_text(database_url: str) -> None:
    """A list that was read for 1 is not that for 1.0, which is another text to SQLite."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Chest, path="/chests", policy=coded))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Chest(id=1, owner="", code="1"), Chest(id=2, owner="", code="1.0")])
        codes = ("1", "1.0", "true", "1.0")
        waiting = [client.get("/chests", headers={"X-Code": code}) for code in codes]
        found = [each.json()["items"] for each in await asyncio.gather(*waiting)]
    assert [[row["id"] for row in rows] for rows in found] == [[1], [2], [1], [2]]
