"""An error that a route catches: what the database has rolled back is never told as stored."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from fastapi import FastAPI
from sqlalchemy import TextClause, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database, RolledBackError, SessionDep
from tests.fixtures.apps import client_of
from tests.reliability.accounts import Account, make_database


async def names_in(db: Database) -> list[str]:
    async with db.unit_of_work(read_only=True) as session:
        return list(await session.scalars(select(Account.name).order_by(Account.id)))


async def fail_by_flush(session: AsyncSession) -> None:
    session.add(Account(name="taken"))
    await session.flush()


async def fail_by_statement(session: AsyncSession) -> None:
    await session.execute(insert(Account).values(name="taken", balance=0))


FAILURES = {"flush": fail_by_flush, "statement": fail_by_statement}


def make_careless_app(db: Database) -> FastAPI:
    """Return an application whose routes catch an error and go on."""
    app = FastAPI()
    db.attach(app)

    @app.post("/join")
    async def join(name: str, how: str, session: SessionDep) -> str:
        session.add(Account(name=name))
        await session.flush()
        with contextlib.suppress(IntegrityError):
            await FAILURES[how](session)
        return "welcome"

    @app.post("/join-within")
    async def join_within(name: str, how: str, session: SessionDep) -> str:
        session.add(Account(name=name))
        await session.flush()
        try:
            async with session.begin_nested():
                await FAILURES[how](session)
        except IntegrityError:
            pass
        return "welcome"

    return app


@pytest.mark.long
@pytest.mark.parametrize("how", FAILURES)
async def test_success_means_stored(database_url: str, how: str) -> None:
    """A route that caught an error answers 200 only if its other rows are there."""
    db = make_database(database_url)
    async with client_of(make_careless_app(db)) as client:
        async with db.unit_of_work() as session:
            session.add(Account(name="taken"))
        answer = await client.post("/join", params={"name": "new", "how": how})
        is_stored = "new" in await names_in(db)
        assert answer.status_code == (200 if is_stored else 500)


@pytest.mark.parametrize("how", FAILURES)
async def test_savepoint_makes_it_good(database_url: str, how: str) -> None:
    """An error within a SAVEPOINT undoes what is in it, and nothing else."""
    db = make_database(database_url)
    async with client_of(make_careless_app(db)) as client:
        async with db.unit_of_work() as session:
            session.add(Account(name="taken"))
        answer = await client.post("/join-within", params={"name": "new", "how": how})
        assert answer.status_code == 200
        assert await names_in(db) == ["taken", "new"]


async def test_message_names_the_savepoint(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what to write; the client is not told that a connection broke."""
    caplog.set_level(logging.WARNING, logger="ormolu")
    async with make_database(database_url) as db:
        async with db.unit_of_work() as session:
            session.add(Account(name="taken"))
        with pytest.raises(RolledBackError, match=r"begin_nested\(\)"):
            async with db.unit_of_work() as session:
                with contextlib.suppress(IntegrityError):
                    await fail_by_flush(session)


async def test_statement_after_a_swallowed_error_says_so(database_url: str) -> None:
    """So does the next statement, which cannot be executed."""
    async with make_database(database_url) as db:
        async with db.unit_of_work() as session:
            session.add(Account(name="taken"))
        with pytest.raises(RolledBackError):
            async with db.unit_of_work() as session:
                with contextlib.suppress(IntegrityError):
                    await fail_by_flush(session)
                await session.scalar(select(Account.id))


async def test_a_rollback_by_hand_begins_anew(database_url: str) -> None:
    """After `session.rollback()` the unit of work stores what comes then."""
    async with make_database(database_url) as db:
        async with db.unit_of_work() as session:
            session.add(Account(name="taken"))
        async with db.unit_of_work() as session:
            try:
                await fail_by_statement(session)
            except IntegrityError:
                await session.rollback()
            session.add(Account(name="new"))
        assert await names_in(db) == ["taken", "new"]


async def test_an_error_is_forgotten_with_its_unit_of_work(database_url: str) -> None:
    """The next unit of work on the same connection is committed."""
    async with make_database(database_url, pool_size=1, max_overflow=0) as db:
        with pytest.raises(DBAPIError):
            async with db.unit_of_work() as session:
                await session.execute(text("SELECT nothing FROM nowhere"))
        async with db.unit_of_work() as session:
            session.add(Account(name="new"))
        assert await names_in(db) == ["new"]


@pytest.mark.backends("mariadb")
async def test_a_caught_deadlock_is_not_a_success(database_url: str) -> None:
    """InnoDB rolls back with a deadlock; what is written after it would be stored alone."""
    async with make_database(database_url, lock_timeout=5) as db:
        async with db.unit_of_work() as session:
            session.add_all([Account(name="a"), Account(name="b")])
        met = asyncio.Barrier(2)

        async def move(first: str, second: str) -> str:
            try:
                async with db.unit_of_work() as session:
                    await session.execute(_raise_balance(first))
                    await met.wait()
                    try:
                        await session.execute(_raise_balance(second))
                    except DBAPIError:
                        session.add(Account(name=f"after {first}"))
            except RolledBackError:
                return "refused"
            return "stored"

        outcomes = await asyncio.gather(move("a", "b"), move("b", "a"))
        assert sorted(outcomes) == ["refused", "stored"]
        assert await names_in(db) == ["a", "b"]


def _raise_balance(name: str) -> TextClause:
    return text(f"UPDATE accounts SET balance = balance + 1 WHERE name = '{name}'")
