"""Doors answer as FastAPI's routes do, and are out of the way of what is the program's own."""

from __future__ import annotations

import pytest

from tests.fixtures.apps import client_of
from tests.web.doors import ALL, ANSWERED, FINE, Passages, app_with, statuses, write_and_read


@pytest.mark.backends("sqlite", "asyncpg")
async def test_each_operation_is_answered(database_url: str, passages: Passages) -> None:
    """Doors answer reads and writes of a plain application."""
    async with client_of(app_with(database_url)) as client:
        answers = await write_and_read(client)
    assert statuses(answers) == FINE
    assert answers[0].headers["location"] == "/notes/1"
    assert answers[2].json() == {"id": 1, "text": "b"}
    assert passages.take() == [ANSWERED] * ALL


@pytest.mark.backends("psycopg", "mariadb")
async def test_drivers_without_lanes(database_url: str, passages: Passages) -> None:
    """Where there are no lanes there are no doors, and the same answers."""
    async with client_of(app_with(database_url)) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert passages.take() == []
