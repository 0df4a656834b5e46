"""Tests of a program that undo everything: sessions in a transaction around them, given to routes.

The recipe of SQLAlchemy's documentation: a session that joins a connection's transaction by
SAVEPOINTs, in place of the request's.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from ormolu import Database, ReadSessionDep, SessionDep, after_commit, request_session, resource
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, make_app, make_database, texts_in


def session_in(connection: AsyncConnection) -> AsyncSession:
    """Return a session that joins the connection's transaction by SAVEPOINTs."""
    return AsyncSession(connection, join_transaction_mode="create_savepoint")


@asynccontextmanager
async def undone(app: FastAPI, db: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """Run an application on one connection, whose transaction is rolled back."""
    async with client_of(app) as client, db.engine.connect() as connection:
        transaction = await connection.begin()

        async def session() -> AsyncIterator[AsyncSession]:
            async with session_in(connection) as mine:
                yield mine
                await mine.commit()

        app.dependency_overrides[request_session] = session
        yield client
        app.dependency_overrides.clear()
        await transaction.rollback()


async def test_routes_by_hand(database_url: str) -> None:
    """They write and read in the test's transaction; nothing of it stays."""
    db = make_database(database_url)
    app = make_app(db)
    async with undone(app, db) as client:
        assert (await client.post("/notes?text=a")).status_code == 201
        assert (await client.post("/notes?text=b")).status_code == 201
        assert (await client.get("/notes")).json() == ["a", "b"]
    assert await texts_in(database_url) == []


@pytest.mark.long
async def test_resources(database_url: str) -> None:
    """So does each operation of a resource, errors among them; its door steps aside."""
    db = make_database(database_url)
    app = make_app(db)
    app.include_router(resource(Note, path="/own"))
    operations = [{"op": "create", "data": {"text": "b"}}, {"op": "delete", "id": 1}]
    async with undone(app, db) as client:
        created = await client.post("/own", json={"text": "a"})
        assert (created.status_code, created.json()) == (201, {"id": 1, "text": "a"})
        changed = await client.patch("/own/1", json={"text": "c"})
        assert (changed.status_code, changed.json()["text"]) == (200, "c")
        assert (await client.get("/own/1")).json()["text"] == "c"
        assert (await client.post("/own", json={"text": None})).status_code == 422
        batch = await client.post("/own:batch", json={"operations": operations})
        assert [each["status"] for each in batch.json()["results"]] == [201, 204]
        assert (await client.get("/own/1")).status_code == 404
        assert [each["text"] for each in (await client.get("/own")).json()["items"]] == ["b"]
    assert await texts_in(database_url) == []


async def test_sessions_that_only_read(database_url: str) -> None:
    """They are the test's too, and see what it has written."""
    db = make_database(database_url)
    app = make_app(db)

    @app.post("/counted")
    async def count(session: SessionDep, reads: ReadSessionDep) -> list[str]:
        assert reads is session
        return list(await reads.scalars(select(Note.text)))

    async with undone(app, db) as client:
        assert (await client.post("/notes?text=a")).status_code == 201
        assert (await client.post("/counted")).json() == ["a"]


async def test_callbacks(database_url: str) -> None:
    """What waits for a COMMIT runs with that of the session, and not if the route fails."""
    db, seen = make_database(database_url), list[str]()
    app = make_app(db)

    @app.post("/told")
    async def tell(session: SessionDep, text: str) -> None:
        session.add(Note(text=text))
        await session.flush()
        after_commit(session, seen.append, text)
        if text == "bad":
            raise HTTPException(400)

    hooks: dict[Any, Any] = {"after_commit": lambda row: seen.append(row["text"])}
    app.include_router(resource(Note, path="/own", hooks=hooks))
    async with undone(app, db) as client:
        assert (await client.post("/told?text=good")).status_code == 200
        assert (await client.post("/told?text=bad")).status_code == 400
        assert (await client.post("/own", json={"text": "own"})).status_code == 201
        assert (await client.get("/notes")).json() == ["good", "own"]
    assert seen == ["good", "own"]


async def test_savepoints(database_url: str) -> None:
    """What was undone is not told, as in a session of ours; what comes after is told once."""
    seen: list[str] = []
    async with make_database(database_url) as db, db.engine.connect() as connection:
        await connection.begin()
        async with session_in(connection) as session:
            after_commit(session, seen.append, "before")
            async with session.begin_nested():
                after_commit(session, seen.append, "kept")
            with pytest.raises(RuntimeError):
                async with session.begin_nested():
                    async with session.begin_nested():
                        after_commit(session, seen.append, "within")
                    raise RuntimeError
            assert seen == []
            await session.commit()
            assert seen == ["before", "kept"]
            after_commit(session, seen.append, "undone")
            await session.scalars(select(Note))
            await session.rollback()
            await session.scalars(select(Note))
            after_commit(session, seen.append, "left")
        async with session_in(connection) as session, session.begin():
            after_commit(session, seen.append, "last")
        assert seen == ["before", "kept", "last"]


async def test_callbacks_of_a_plain_session(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A session without a transaction around it tells of its COMMIT too, when it is stored."""
    seen: list[object] = []
    db = make_database(database_url)

    async def look() -> None:
        async with db.unit_of_work() as session:
            seen.append(await session.scalar(select(Note.text)))

    async def fail() -> None:
        raise RuntimeError

    async with db, AsyncSession(db.engine) as session:
        session.add(Note(text="a"))
        after_commit(session, fail)
        after_commit(session, look)
        with caplog.at_level(logging.ERROR, "ormolu"):
            await session.commit()
    assert seen == ["a"]
    assert "after_commit failed" in caplog.text
