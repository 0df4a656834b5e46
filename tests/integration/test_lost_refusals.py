"""A connection that is lost while asyncpg refuses a value: the value is what was wrong."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Integer, bindparam, select

from ormolu import Database, SessionDep
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("asyncpg")]


class Losing:
    """A number that asyncpg cannot read, and that breaks the connection when it tries."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __index__(self) -> int:
        self.connection.terminate()
        raise OverflowError


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_value_refused_on_a_lost_connection(database_url: str, method: str) -> None:
    """asyncpg's own error came past the answer of the value, as a 500."""
    app = FastAPI()
    db = Database(database_url, schema="ignore", pool_size=1, max_overflow=0)
    db.attach(app)

    @app.api_route("/", methods=["GET", "POST"])
    async def ask(session: SessionDep, *, is_lost: bool = False) -> int | None:
        connection = await session.connection()
        raw = (await connection.get_raw_connection()).driver_connection
        value: Any = Losing(raw) if is_lost else 7
        given: int | None = await session.scalar(select(bindparam("n", value, Integer())))
        return given

    async with client_of(app) as client:
        assert (await client.request(method, "/?is_lost=1")).status_code == 422
        answer = await client.request(method, "/")
        assert (answer.status_code, answer.json()) == (200, 7)
