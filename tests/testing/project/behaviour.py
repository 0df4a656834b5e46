"""Tests of the project: each finds what was seeded, and nothing else."""

from __future__ import annotations

import logging
from datetime import UTC, timedelta

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database, UsageError
from ormolu.testing import Clock
from tests.testing.project.main import Town, db, told

NAMES = select(Town.name).order_by(Town.id)
COUNT = select(func.count()).select_from(Town)


@pytest.mark.parametrize("number", range(3))
async def test_commits_are_seen_and_gone(
    client: httpx2.AsyncClient, session: AsyncSession, number: int
) -> None:
    """What a request commits a session sees, and the other way; keys begin anew in each test."""
    assert (await client.post("/towns", json={"name": "Oslo"})).json()["id"] == 2
    assert (await client.post("/towns", json={"name": "Oslo"})).status_code == 409
    assert (await session.scalars(NAMES)).all() == ["Troy", "Oslo"]
    town = Town(name=f"Rome {number}")
    session.add(town)
    await session.commit()
    await client.patch(f"/towns/{town.id}", json={"name": "Roma"})
    await session.refresh(town)
    assert town.name == "Roma"
    assert (await client.get("/towns")).json()["items"][-1]["name"] == "Roma"


@pytest.mark.parametrize("number", range(3))
async def test_what_waits_for_a_commit(
    client: httpx2.AsyncClient, session: AsyncSession, number: int
) -> None:
    """Callbacks run after the COMMIT, background tasks have units of work of their own."""
    told.clear()
    assert (await client.post("/found", params={"name": "Bern"})).json() == 2
    assert told == ["Bern"]
    assert (await session.scalars(NAMES)).all() == ["Troy", "Bern", "Bern II"]
    assert (await client.post("/refused")).status_code == 400
    assert await session.scalar(COUNT) == 3


async def test_clock_stands_still(
    client: httpx2.AsyncClient, session: AsyncSession, clock: Clock
) -> None:
    """The database of the test has the same as Python, and goes with it."""
    assert (await client.get("/towns")).status_code == 200
    for _ in range(2):
        found = (await session.execute(select(func.now()))).scalar_one()
        in_utc = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        assert abs(in_utc - clock.now) < timedelta(seconds=1)
        await session.rollback()
        clock.advance(timedelta(days=1))


async def test_savepoints_of_the_session(session: AsyncSession) -> None:
    """A SAVEPOINT is rolled back alone, and a rollback takes what was not committed."""
    session.add(Town(name="kept"))
    with pytest.raises(ZeroDivisionError):
        async with session.begin_nested():
            session.add(Town(name="undone"))
            await session.flush()
            1 / 0  # noqa: B018 -- it fails
    await session.commit()
    await session.execute(text("INSERT INTO towns (name) VALUES ('raw')"))
    assert await session.scalar(COUNT) == 3
    await session.rollback()
    assert (await session.scalars(NAMES)).all() == ["Troy", "kept"]


async def test_own_units_of_work(database: Database, session: AsyncSession) -> None:
    """The module's database is that of the test, whoever uses it."""
    assert database is db
    async with db.unit_of_work() as own:
        own.add(Town(name="Ur"))
    assert await session.scalar(COUNT) == 2


@pytest.mark.parametrize("number", range(2))
async def test_tables_are_of_the_test(session: AsyncSession, number: int) -> None:
    """A table that a test makes, or drops, is a matter of this test alone."""
    await session.execute(text("CREATE TABLE own (id INTEGER)"))
    await session.execute(text("DROP TABLE towns"))
    await session.commit()
    names = await session.run_sync(lambda each: inspect(each.connection()).get_table_names())
    assert names == ["own"]


async def test_uncommitted_changes_are_said(
    client: httpx2.AsyncClient, session: AsyncSession
) -> None:
    """A request does not wait for, nor miss, what the test forgot to commit."""
    session.add(Town(name="pending"))
    with pytest.raises(UsageError, match=r"await session\.commit"):
        await client.get("/towns")
    await session.flush()
    with pytest.raises(UsageError, match=r"await session\.commit"):
        await client.get("/towns")


async def test_errors_are_those_of_a_server(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A crash is a 500, and logged; the lifespan's state is the request's."""
    with caplog.at_level(logging.ERROR):
        assert (await client.post("/crash")).status_code == 500
    assert "ZeroDivisionError" in caplog.text
    assert (await client.get("/greeting")).json() == "hello"


@pytest.mark.parametrize("number", range(3))
def test_test_client(database: Database, app: FastAPI, number: int) -> None:
    """Starlette's client, on a thread and a loop of its own, with a WebSocket."""
    with TestClient(app) as client:
        assert client.post("/towns", json={"name": "Oslo"}).json()["id"] == 2
        with client.websocket_connect("/towns/live") as socket:
            socket.send_text("Bern")
            assert socket.receive_text() == "stored"
        assert [each["name"] for each in client.get("/towns").json()["items"]] == [
            "Troy", "Oslo", "Bern",
        ]  # fmt: skip


def test_async_fixtures_want_a_loop(request: pytest.FixtureRequest) -> None:
    """A test that no loop runs is told what to write."""
    with pytest.raises(UsageError, match="async def"):
        request.getfixturevalue("client")
