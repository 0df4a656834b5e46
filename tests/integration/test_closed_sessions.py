"""Sessions that the program closes itself, takes to another event loop, or keeps too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import anyio.from_thread
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.asyncio.exc import AsyncMethodRequired

from ormolu import (
    ConcurrentUseError,
    Database,
    RolledBackError,
    SessionClosedError,
    SessionDep,
    after_commit,
)
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, make_app, make_database, texts_in


async def committed_by_hand(session: SessionDep) -> AsyncIterator[AsyncSession]:
    """What applications have that come from elsewhere."""
    try:
        yield session
        await session.commit()
    except Exception:
        await session.rollback()
        raise
    finally:
        await session.close()


ByHand = Annotated[AsyncSession, Depends(committed_by_hand, scope="function")]


def make_closing_app(db: Database) -> FastAPI:
    app = make_app(db)

    @app.post("/by-hand")
    async def by_hand(session: ByHand, status: int = 200) -> None:
        session.add(Note(text="by hand"))
        if status >= 400:
            raise HTTPException(status)

    @app.post("/lost")
    async def lost(session: SessionDep, status: int = 200) -> None:
        try:
            session.add(Note(text="lost"))
            if status >= 400:
                raise HTTPException(status)
        finally:
            await session.close()

    @app.get("/read")
    @app.post("/read")
    async def read(session: SessionDep) -> list[int | None]:
        count = select(func.count()).select_from(Note)
        async with session:
            first = await session.scalar(count)
        return [first, await session.scalar(count)]

    return app


async def test_session_that_is_closed_after_a_commit(database_url: str) -> None:
    """Who commits and closes the session, as elsewhere, is answered: what is stored is stored."""
    async with client_of(make_closing_app(make_database(database_url))) as client:
        assert (await client.post("/by-hand")).status_code == 200
        assert (await client.post("/by-hand?status=409")).status_code == 409
        assert (await client.post("/by-hand")).status_code == 200
    assert await texts_in(database_url) == ["by hand", "by hand"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_session_that_is_used_after_it_was_closed(database_url: str, method: str) -> None:
    """A session that was closed begins anew, and its connection is in the pool meanwhile."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    async with client_of(make_closing_app(db)) as client:
        for _ in range(3):
            answer = await client.request(method, "/read")
            assert (answer.status_code, answer.json()) == (200, [0, 0])


async def test_changes_that_are_closed_away(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No client is told of changes that `close` has undone; an error is answered as it is."""
    async with client_of(make_closing_app(make_database(database_url))) as client:
        assert (await client.post("/lost?status=418")).status_code == 418
        assert (await client.post("/lost")).status_code == 500
    assert await texts_in(database_url) == []
    assert "ROLLBACK failed" not in caplog.text


async def _flush(session: AsyncSession) -> None:
    session.add(Note(text="lost"))
    await session.flush()


async def _insert(session: AsyncSession) -> None:
    await session.execute(insert(Note).values(text="lost"))


async def _insert_text(session: AsyncSession) -> None:
    await session.execute(text("INSERT INTO notes (text) VALUES ('lost')"))


async def _delete(session: AsyncSession) -> None:
    await session.execute(delete(Note))


@pytest.mark.parametrize("write", [_flush, _insert, _insert_text, _delete])
@pytest.mark.parametrize("leave", ["close", "aclose", "invalidate"])
async def test_each_kind_of_change(database_url: str, write: object, leave: str) -> None:
    """Whatever was written: it is an error that it was closed away, however often."""
    async with make_database(database_url) as db:
        with pytest.raises(RolledBackError, match="Leave `session"):
            async with db.unit_of_work() as session:
                await write(session)  # type: ignore[operator]
                await getattr(session, leave)()
                await session.close()
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await texts_in(database_url) == []


async def test_changes_that_are_given_up(database_url: str) -> None:
    """What was rolled back, with a SAVEPOINT too, or reset, is not lost by closing."""
    async with make_database(database_url) as db, db.unit_of_work() as session:
        await _flush(session)
        await session.rollback()
        await session.close()
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                session.add_all([Note(id=7, text="a"), Note(id=7, text="b")])
        await session.close()
        await _flush(session)
        await session.reset()
        session.add(Note(text="kept"))
        await session.commit()
        await session.close()
    assert await texts_in(database_url) == ["kept"]


async def test_session_that_is_invalidated(database_url: str) -> None:
    """A session whose connection was thrown away is closed for good; what it stored is stored."""
    told: list[str] = []
    async with make_database(database_url) as db:
        async with db.unit_of_work() as session:
            session.add(Note(text="kept"))
            after_commit(session, told.append, "told")
            await session.commit()
            await session.invalidate()
            with pytest.raises(SessionClosedError):
                await session.scalar(select(Note.id))
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await texts_in(database_url) == ["kept"]
    assert told == ["told"]


async def test_session_in_another_loop(database_url: str) -> None:
    """A thread that runs a loop of its own is told which way leads back to the session's."""
    async with make_database(database_url) as db, db.unit_of_work() as session:
        session.add(Note(text="kept"))
        with pytest.raises(ConcurrentUseError, match="from_thread"):
            await run_in_threadpool(lambda: asyncio.run(session.flush()))
        await run_in_threadpool(lambda: anyio.from_thread.run(session.flush))
    assert await texts_in(database_url) == ["kept"]


@pytest.mark.parametrize("option", [{"yield_per": 2}, {"stream_results": True}])
async def test_cursor_without_a_stream(database_url: str, option: dict[str, int]) -> None:
    """Who asks for rows bit by bit without `stream` is told of it by whichever session."""
    query = select(Note.text)
    async with make_database(database_url) as db:
        for read_only in (True, False):
            for each, given in ((query.execution_options(**option), {}), (query, option)):
                async with db.unit_of_work(read_only=read_only) as session:
                    with pytest.raises(AsyncMethodRequired, match="stream"):
                        await session.scalars(each, execution_options=given)


async def test_dependency_that_commits_too_late(database_url: str) -> None:
    """A `yield` dependency that commits after the answer is told that it need not, or how."""
    async with make_database(database_url) as db:
        async with db.unit_of_work() as session:
            pass
        with pytest.raises(SessionClosedError, match='scope="function"'):
            await session.commit()
        await session.close()
