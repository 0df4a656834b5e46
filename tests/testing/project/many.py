"""500 tests that each write and commit, by a session, by `client` and by Starlette's client.

`make kit` runs them, each 500 in a process of its own: see tests/testing/floors.py.
"""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database
from tests.testing.project.main import Town

NUMBERS = pytest.mark.parametrize("number", range(500))
COUNT = select(func.count()).select_from(Town)


@NUMBERS
async def test_session(session: AsyncSession, number: int) -> None:
    """A test that arranges, and looks."""
    session.add(Town(name="Oslo"))
    await session.commit()
    assert await session.scalar(COUNT) == 2


@NUMBERS
async def test_client(client: httpx2.AsyncClient, number: int) -> None:
    """A test of an application, with its lifespan."""
    assert (await client.post("/towns", json={"name": "Oslo"})).json()["id"] == 2


@NUMBERS
def test_starlette(database: Database, app: FastAPI, number: int) -> None:
    """The same by Starlette's client, on another thread and loop."""
    with TestClient(app) as client:
        assert client.post("/towns", json={"name": "Oslo"}).json()["id"] == 2
