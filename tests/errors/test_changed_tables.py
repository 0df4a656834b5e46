"""A table that is changed while the application runs, as a migration does."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, text
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep
from tests.fixtures.apps import client_of


class Base(Model):
    """Keeps this table apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData()


class Price(Base):
    __tablename__ = "prices"

    id: Mapped[int] = mapped_column(primary_key=True)
    cents: Mapped[int]


@pytest.mark.backends("asyncpg", "psycopg")
async def test_statement_that_was_prepared_before_is_tried_again(database_url: str) -> None:
    """Its plan is of another type: come again, 503, and then all is well. It was a 500."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata, pool_size=1, max_overflow=0)
    db.attach(app)

    @app.api_route("/prices/{key}", methods=["GET", "POST"])
    async def read(key: int, session: SessionDep) -> Any:
        return (await session.get_one(Price, key)).cents

    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Price(cents=5))
        for method in ("GET", "POST"):
            assert [await _status(client, method) for _ in range(8)] == [200] * 8
        async with db.unit_of_work() as session:
            await session.execute(text("ALTER TABLE prices ALTER COLUMN cents TYPE bigint"))
        for method in ("GET", "POST"):
            statuses = [await _status(client, method) for _ in range(3)]
            assert statuses in ([200, 200, 200], [503, 200, 200])


async def _status(client: Any, method: str) -> int:
    answer = await client.request(method, "/prices/1")
    assert answer.status_code != 503 or answer.json()["code"] == "busy"
    return int(answer.status_code)
