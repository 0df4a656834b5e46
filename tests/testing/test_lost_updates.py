"""Finds what two requests at once would lose, in a test that has one."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model
from ormolu.testing import assert_no_lost_updates
from ormolu.testing._lost_updates import lost_updates
from tests.fixtures.backends import Backend

Work = Callable[[AsyncSession], Awaitable[None]]


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Purse(Base):
    __tablename__ = "lossy_purses"

    id: Mapped[int] = mapped_column(primary_key=True)
    coins: Mapped[int]
    owner: Mapped[str] = mapped_column(default="ann")
    marks: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Account(Base, versioned=True):
    __tablename__ = "lossy_accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    coins: Mapped[int]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, metadata=Base.metadata) as database:
        async with database.unit_of_work() as session:
            session.add_all([Purse(id=1, coins=5), Account(id=1, coins=5)])
        yield database


async def add_one(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1)
    purse.coins += 1


async def add_later(session: AsyncSession) -> None:
    purse = (await session.scalars(select(Purse))).one()
    coins = purse.coins
    await session.scalars(select(Account))
    purse.coins = coins + 1
    await session.flush()


async def change_within(session: AsyncSession) -> None:
    (await session.get_one(Purse, 1)).marks["seen"] = True


async def read_before_the_lock(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1)
    coins = purse.coins
    # It is there already, and not read again.
    assert (await session.scalars(select(Purse).with_for_update())).one() is purse
    purse.coins = coins + 1


async def read_in_another_transaction(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1, with_for_update=True)
    coins = purse.coins
    await session.commit()
    purse.coins = coins + 1


async def lost_by(database: Database, work: Work) -> list[str]:
    """Return what is found, and leave the rows as they were."""
    with lost_updates() as found:
        async with database.unit_of_work() as session:
            await work(session)
            await session.flush()
            await session.rollback()
    return found


async def test_what_may_be_lost(database: Database, backend: Backend) -> None:
    """The attribute and the lines are named; on SQLite writers wait for each other."""
    works: dict[Work, str] = {
        add_one: "Purse.coins", add_later: "Purse.coins", change_within: "Purse.marks",
        read_before_the_lock: "Purse.coins", read_in_another_transaction: "Purse.coins",
    }  # fmt: skip
    for work, name in works.items():
        found = await lost_by(database, work)
        if backend.is_sqlite:
            assert found == []
            continue
        place = rf"tests/testing/test_lost_updates\.py:\d+ in {work.__name__}"
        assert len(found) == 1, (work, found)
        assert re.match(rf"{name} is read by {place}, and written by {place}\. What", found[0])


async def test_it_fails(database: Database, backend: Backend) -> None:
    """The block of a test fails with what was found."""
    how = pytest.raises(AssertionError, match=r"Updates may be lost:\n  Purse\.coins is read by")
    with contextlib.nullcontext() if backend.is_sqlite else how, assert_no_lost_updates():
        async with database.unit_of_work() as session:
            await add_one(session)


async def add_one_with_a_version(session: AsyncSession) -> None:
    (await session.get_one(Account, 1)).coins += 1


async def add_one_with_a_lock(session: AsyncSession) -> None:
    (await session.get_one(Purse, 1, with_for_update=True)).coins += 1


async def add_one_selected_with_a_lock(session: AsyncSession) -> None:
    (await session.scalars(select(Purse).with_for_update())).one().coins += 1


async def add_one_read_again_with_a_lock(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1)
    assert purse.coins == 5
    await session.refresh(purse, with_for_update=True)
    purse.coins += 1


async def add_one_there(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1)
    assert purse.coins == 5
    setattr(purse, "coins", Purse.coins + 1)  # noqa: B010 -- it is SQL, and no number


async def set_unread(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1)
    assert purse.owner == "ann"
    purse.coins = 7


async def set_twice(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1)
    purse.coins = 7
    await session.flush()
    purse.coins += 1


async def add_to_a_new_one(session: AsyncSession) -> None:
    purse = Purse(id=2, coins=1)
    session.add(purse)
    await session.flush()
    purse.coins += 1


async def read_alone(session: AsyncSession) -> None:
    purse = await session.get_one(Purse, 1)
    assert purse.coins == 5
    purse.coins = 5


async def by_statement(session: AsyncSession) -> None:
    await session.execute(update(Purse).values(coins=Purse.coins + 1))


async def test_what_cannot_be_lost(database: Database) -> None:
    """Versions, locks, what the database computes, and what was not read."""
    works: list[Work] = [
        add_one_with_a_version, add_one_with_a_lock, add_one_selected_with_a_lock,
        add_one_read_again_with_a_lock, add_one_there, set_unread, set_twice, add_to_a_new_one,
        read_alone, by_statement,
    ]  # fmt: skip
    for work in works:
        assert await lost_by(database, work) == [], work


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_an_isolation_level_that_refuses_them(database_url: str, database: Database) -> None:
    """Under SERIALIZABLE the second request fails, and may be run again."""
    strict = Database(database_url, metadata=Base.metadata, isolation_level="SERIALIZABLE")
    async with strict:
        with assert_no_lost_updates():
            async with strict.unit_of_work() as session:
                await add_one(session)


async def test_nothing_is_left_behind(database: Database, backend: Backend) -> None:
    """Blocks within each other all hear; after the last one attributes are as before."""
    with lost_updates() as outer:
        with lost_updates() as inner:
            async with database.unit_of_work() as session:
                await add_one(session)
        async with database.unit_of_work() as session:
            await change_within(session)
    async with database.unit_of_work() as session:
        await add_one(session)
    counts = (0, 0) if backend.is_sqlite else (1, 2)
    assert (len(inner), len(outer)) == counts


_PROJECT = """
import pytest
from fastapi import FastAPI
from ormolu import Database, Model, SessionDep
from sqlalchemy.orm import Mapped, mapped_column

class Purse(Model):
    __tablename__ = "purses"
    id: Mapped[int] = mapped_column(primary_key=True)
    coins: Mapped[int]

app = FastAPI()
Database("sqlite://").attach(app)

@app.post("/coins")
async def earn(session: SessionDep) -> int:
    purse = await session.get_one(Purse, 1)
    purse.coins += 1
    return purse.coins

@pytest.fixture(name="app", scope="session")
def _app() -> FastAPI:
    return app

@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"

@pytest.mark.anyio
async def test_coins(client, session) -> None:
    session.add(purse := Purse(id=1, coins=1))
    await session.commit()
    purse.coins += 1  # The test arranges: nobody is beside it.
    await session.commit()
    assert (await client.post("/coins")).json() == 3
"""


@pytest.mark.long
@pytest.mark.backends("asyncpg")
def test_option(tmp_path: Path, database_url: str) -> None:
    """With the option a test has an error that names the application's line, not the test's."""
    (tmp_path / "test_coins.py").write_text(_PROJECT)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--fail-on-lost-updates", "-p", "no:schemathesis",
         "-p", "no:hypothesispytest", "--database-url", database_url],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "1 passed, 1 error" in done.stdout, done.stdout
    assert "Purse.coins is read by test_coins.py:18 in earn" in done.stdout, done.stdout
