"""Engines: opened once per loop, ended with it, never shared across a fork."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.exc import DatabaseError

from ormolu import ConfigurationError, Database, NoUnitOfWorkError, OverloadedError
from ormolu.engines._engines import _abandon_all
from ormolu.lanes import lanes_of
from ormolu.sqlite import _memory


def metadata_of_one_table() -> MetaData:
    """Return a table `t` with a number."""
    metadata = MetaData()
    Table("t", metadata, Column("id", Integer, primary_key=True))
    return metadata


async def test_engine_of_a_closed_database_is_an_error() -> None:
    """The message says how to open it."""
    db = Database("sqlite://")
    with pytest.raises(NoUnitOfWorkError, match=r"await db.open\(\)"):
        _ = db.engine


def test_loops_that_were_closed_alone_are_forgotten() -> None:
    """`loop.close()` ends no engines; they are forgotten with the next loop, and their loop too."""
    db = Database("sqlite://", metadata=MetaData())
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(db.ping())
        loop.close()
    assert len(db._engines._opened) == 1


async def test_database_opens_once() -> None:
    """Opening at once and again gives the same engine; closing twice is no error."""
    db = Database("sqlite://", metadata=MetaData())
    await asyncio.gather(db.open(), db.open())
    engine = db.engine
    await db.open()
    assert db.engine is engine
    await db.close()
    await db.close()


async def test_forked_child_forgets_its_parents_engines(tmp_path: Path) -> None:
    """What a fork runs: nothing is closed, lanes are over, and the next use opens anew."""
    db = Database(f"sqlite:///{tmp_path}/x.db", metadata=metadata_of_one_table())
    await db.open()
    parents, lanes = db._engines.opened, lanes_of(db._engines, lambda: False)
    _abandon_all()
    assert lanes.is_closed
    assert db._engines.current is None
    async with db.unit_of_work() as session:
        await session.execute(text("INSERT INTO t VALUES (1)"))
    assert db._engines.opened is not parents
    await db.close()
    await parents.dispose()


async def test_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """Opening some other file fails with what it is, over the database's own error."""
    (tmp_path / "x.db").write_text("no database, but long enough to be read as one" * 100)
    with pytest.raises(ConfigurationError, match="no SQLite database") as caught:
        await Database(f"sqlite:///{tmp_path}/x.db").open()
    assert isinstance(caught.value.__cause__, DatabaseError)


def hold_write_lock(
    path: Path, seconds: float, begin: str = "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE"
) -> threading.Thread:
    """Hold SQLite's write lock as another process would; it is held on return."""
    is_held = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        for statement in begin.split("; "):
            connection.execute(statement)
        is_held.set()
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(5)
    return thread


@pytest.mark.long
async def test_creating_waits_for_another_process(tmp_path: Path) -> None:
    """The tables are made when the other process lets go, beyond the limit of a lock."""
    thread = hold_write_lock(tmp_path / "x.db", 1.0)
    url = f"sqlite:///{tmp_path}/x.db"
    database = Database(url, metadata=metadata_of_one_table(), lock_timeout=0.1)
    async with database as db, db.unit_of_work(read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM t")) == 0
    thread.join()


@pytest.mark.long
async def test_opening_waits_for_a_file_that_is_held_whole(tmp_path: Path) -> None:
    """A worker that comes while another one sets up the file comes up too."""
    thread = hold_write_lock(tmp_path / "x.db", 0.6, "CREATE TABLE u (id); BEGIN EXCLUSIVE")
    url = f"sqlite:///{tmp_path}/x.db"
    async with Database(url, metadata=metadata_of_one_table(), lock_timeout=0.1) as db:
        await db.ping()
    thread.join()


async def test_lock_of_another_process_is_waited_for_no_longer(tmp_path: Path) -> None:
    """A writer fails clearly after the limit of a lock; a reader does not notice."""
    url = f"sqlite:///{tmp_path}/x.db"
    async with Database(url, metadata=metadata_of_one_table(), lock_timeout=0.2) as db:
        thread = hold_write_lock(tmp_path / "x.db", 1.0)
        with pytest.raises(OverloadedError, match="write lock"):
            async with db.unit_of_work() as session:
                await session.execute(text("INSERT INTO t VALUES (1)"))
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text("SELECT count(*) FROM t")) == 0
        thread.join()


@pytest.mark.long
async def test_writers_before_a_lock_give_up_together(tmp_path: Path) -> None:
    """However many stand in line behind one who meets a lock, none waits as long again for it."""
    limit = 0.8
    url = f"sqlite:///{tmp_path}/x.db"
    async with Database(url, metadata=metadata_of_one_table(), lock_timeout=limit) as db:

        async def write(delay: float) -> float:
            await asyncio.sleep(delay)
            began = time.monotonic()
            with pytest.raises(OverloadedError):
                async with db.unit_of_work() as session:
                    await session.execute(text("INSERT INTO t VALUES (1)"))
            return time.monotonic() - began

        thread = hold_write_lock(tmp_path / "x.db", 3.0)
        # More than the pool has places for: the last ones come late into the driver's line.
        waits = await asyncio.gather(*(write(0.1 if i > 3 else 0.0) for i in range(20)))
        assert max(waits) < limit * 1.6
        thread.join()


async def test_own_limit_of_the_lock_is_kept(tmp_path: Path) -> None:
    """Who asks for a shorter wait for the lock gets it."""
    url = f"sqlite:///{tmp_path}/x.db"
    options = {"busy_timeout": 0.05}
    async with Database(url, metadata=metadata_of_one_table(), connect_args=options) as db:
        thread = hold_write_lock(tmp_path / "x.db", 1.0)
        with pytest.raises(OverloadedError, match=r"kept the write lock for 0\.0[5-9] s"):
            async with db.unit_of_work() as session:
                await session.execute(text("INSERT INTO t VALUES (1)"))
        thread.join()


@pytest.mark.backends("asyncpg")
async def test_transaction_that_outlives_its_rollback_is_discarded(database_url: str) -> None:
    """A BEGIN by hand, which the adapter does not know, does not reach the pool."""
    async with Database(database_url, metadata=MetaData(), pool_size=1, max_overflow=0) as db:
        for _ in range(2):
            async with db.unit_of_work(read_only=True) as session:
                connection = await session.connection()
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                assert not driver.is_in_transaction()
                await driver.execute("BEGIN")


async def test_detached_connection_is_the_users() -> None:
    """A connection that was detached from the pool is closed, not reset."""
    async with Database("sqlite://", metadata=MetaData()) as db:
        connection = await db.engine.connect()
        (await connection.get_raw_connection()).detach()
        await connection.close()
        async with db.engine.connect() as other:
            assert await other.scalar(text("SELECT 1")) == 1


def test_memory_of_a_forked_child_stays(tmp_path: Path) -> None:
    """Only the process that made the folder removes it."""
    _memory._remove(str(tmp_path), os.getpid() + 1)
    assert tmp_path.exists()
    _memory._remove(str(tmp_path), os.getpid())
    assert not tmp_path.exists()
