"""SQLAlchemy-Continuum beside a resource and routes by hand; prints the versions that it stored."""

from __future__ import annotations

import asyncio
import os
from typing import Any, ClassVar

import sqlalchemy as sa
from fastapi import FastAPI, HTTPException
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy_continuum import make_versioned, version_class

from ormolu import Database, Model, SessionDep, resource
from ormolu.resources import explain_application
from tests.fixtures.apps import client_of

make_versioned(user_cls=None)


class City(Model):
    __tablename__ = "cities"
    __versioned__: ClassVar[dict[str, object]] = {}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))


sa.orm.configure_mappers()

app, db = FastAPI(), Database(os.environ["DATABASE_URL"])
db.attach(app)
app.include_router(resource(City))


@app.post("/hand")
async def hand(session: SessionDep, name: str) -> None:
    """Store a city, or fail."""
    session.add(City(name=name))
    await session.flush()
    if name == "bad":
        raise HTTPException(400)


async def main() -> None:
    """Change cities in each way, and print their versions."""
    version: Any = version_class(City)
    async with client_of(app) as client:
        await client.post("/cities", json={"name": "Oslo"})
        await client.patch("/cities/1", json={"name": "Rome"})
        await client.post("/hand?name=bad")
        await client.post("/hand?name=good")
        await client.delete("/cities/1")
        batch = {"operations": [{"op": "create", "data": {"name": "batch"}}]}
        assert (await client.post("/cities:batch", json=batch)).status_code == 200
        async with db.unit_of_work(read_only=True) as session:
            order = sa.text("transaction_id")
            found = await session.scalars(sa.select(version).order_by(order))
            print([(each.name, each.operation_type) for each in found])
    ways = {each.operation: each.way for each in explain_application(app)}
    print(ways["create"], ways["update"], ways["delete"])


asyncio.run(main())
