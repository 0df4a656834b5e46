"""What fails after a lane has stored a row is not tried again by the session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import MetaData, func, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, RefusedError, resource
from ormolu.lanes import NotDoneError
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Slip(Base):
    __tablename__ = "stored_slips"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)


async def looked_at() -> None:
    """Keep the first door from answering before it is asked."""


@pytest.mark.parametrize("error", [RefusedError("too_large", "Too long."), NotDoneError()])
@pytest.mark.parametrize("dependencies", [[], [Depends(looked_at)]])
async def test_late_errors(database_url: str, error: Exception, dependencies: list[Any]) -> None:
    """Neither a refusal nor a lane that gives up: the row is stored once, and the log says so."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    slips = resource(Slip, path="/slips")
    app.include_router(slips, dependencies=dependencies)
    routes: list[Any] = [*slips.routes]
    maker = next(each.endpoint.door for each in routes if each.name == "create_slips")
    handler = maker.operation.handler

    async def fail(call: Any) -> Any:
        await handler(call)
        raise error

    maker.operation = replace(maker.operation, handler=fail)
    async with client_of(app) as client:
        answer = await client.post("/slips", json={"number": 7})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(func.count()).select_from(Slip)) == 1
