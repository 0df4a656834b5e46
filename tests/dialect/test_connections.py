"""Connections of `sqlite+ormolu`: their settings, their files, their threads, their end."""

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ormolu.sqlite import _calls, _workers, memory_file
from tests.dialect.conftest import Make


async def pragma(engine: AsyncEngine, name: str) -> Any:
    """Return what a connection of the engine has set."""
    async with engine.connect() as connection:
        return (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()


def threads() -> list[threading.Thread]:
    """Return our threads that live."""
    return [thread for thread in threading.enumerate() if thread.name == "ormolu-sqlite"]


async def assert_no_more_than(others: set[threading.Thread]) -> None:
    """Check that all of our threads end, or have ended, but others."""
    for thread in set(threads()) - others:
        await asyncio.to_thread(thread.join, 30)
    assert set(threads()) <= others


async def test_settings(make: Make) -> None:
    """What is set without a word, and what the URL sets."""
    engine = make()
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert {name: await pragma(engine, name) for name in expected} == expected
    query = "?durability=process&foreign_keys=off&cache_size=-100&mmap_size=4096&temp_store=memory"
    engine = make(query)
    expected = {"synchronous": 1, "foreign_keys": 0, "cache_size": -100, "temp_store": 2}
    assert {name: await pragma(engine, name) for name in expected} == expected
    assert await pragma(engine, "mmap_size") == 4096


async def test_other_journals(make: Make) -> None:
    """Another journal than the write-ahead log can be asked for, and is written to."""
    engine = make("?journal_mode=delete")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    assert await pragma(engine, "journal_mode") == "delete"


async def test_options_of_connect_args(make: Make) -> None:
    """The same options are taken as Python values, under pysqlite's names too."""
    arguments = {"timeout": 1, "isolation_level": None, "check_same_thread": False}
    engine = make(connect_args={**arguments, "foreign_keys": False, "cached_statements": 5})
    assert await pragma(engine, "foreign_keys") == 0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?durabilty=process", '"durabilty" is no option'),
        ("?durability=none", 'durability=\'none\' is wrong: write "power-loss" or "process"'),
        ("?busy_timeout=-1", "write seconds"),
        ("?busy_timeout=nan", "write seconds"),
        ("?cache_size=big", "write a whole number"),
        ("?foreign_keys=maybe", 'write "on" or "off"'),
        ("?immutable=1", "uri=true"),
    ],
)
def test_wrong_options_are_named(query: str, message: str) -> None:
    """An option that does not exist, or has no such value, is an error and not ignored."""
    with pytest.raises(ArgumentError, match=message):
        create_async_engine(f"sqlite+ormolu:///x.db{query}")


def test_host_is_refused() -> None:
    """Two slashes too few make a host of the file's name."""
    with pytest.raises(ArgumentError, match="no host"):
        create_async_engine("sqlite+ormolu://x.db")


async def test_uri(make: Make, path: Path) -> None:
    """SQLite's own URIs open read-only files, and parameters of another VFS are passed on."""
    async with make().begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    reader = create_async_engine(f"sqlite+ormolu:///file:{path}?mode=ro&uri=true")
    async with reader.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    await reader.dispose()
    vfs = create_async_engine(f"sqlite+ormolu:///file:{path}?vfs=unix&own=1&uri=true")
    assert await pragma(vfs, "journal_mode") == "wal"
    await vfs.dispose()


async def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """The error is SQLite's, and no thread stays."""
    others = set(threads())
    engine = create_async_engine(f"sqlite+ormolu:///{tmp_path}/no/such/folder.db")
    with pytest.raises(OperationalError, match="unable to open"):
        await pragma(engine, "user_version")
    await engine.dispose()
    await assert_no_more_than(others)


MEMORY = ["", "/:memory:", "/file::memory:?cache=shared&uri=true", "/file:a?mode=memory&uri=true"]


@pytest.mark.parametrize("rest", MEMORY)
async def test_memory_behaves_like_a_file(rest: str) -> None:
    """Connections see one database, but not each other's transactions."""
    engine = create_async_engine(f"sqlite+ormolu://{rest}")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    async with engine.connect() as one, engine.connect() as two:
        await one.exec_driver_sql("INSERT INTO t VALUES (1)")
        assert (await two.exec_driver_sql("SELECT count(*) FROM t")).scalar_one() == 0
        await two.rollback()
        await one.commit()
        assert (await two.exec_driver_sql("SELECT count(*) FROM t")).scalar_one() == 1
    await engine.dispose()


def test_memory_files_are_private_or_shared_by_name() -> None:
    """Nameless databases differ, those with one name are one; nothing is left of them."""
    one, two = memory_file(), memory_file()
    assert one.path != two.path
    shared = memory_file("file:x")
    assert memory_file("file:x") is shared
    folder = Path(shared.path).parent
    assert folder.is_dir()
    del shared
    gc.collect()
    assert not folder.exists()


async def test_functions_and_collations(make: Make) -> None:
    """What sqlite3's connections define, ours define."""
    engine = make()

    @event.listens_for(engine.sync_engine, "connect")
    def _define(connection: Any, _record: object) -> None:
        connection.create_function("twice", 1, lambda value: value * 2)
        connection.create_collation("backwards", lambda a, b: (a < b) - (a > b))
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) > 100
        with pytest.raises(AttributeError):
            _ = connection.no_such_method

    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT twice(21)")).scalar_one() == 42
        rows = await connection.exec_driver_sql(
            "SELECT * FROM (VALUES ('a'), ('b')) ORDER BY 1 COLLATE backwards"
        )
        assert [row[0] for row in rows] == ["b", "a"]
        assert (await connection.exec_driver_sql("SELECT 'abc' REGEXP 'b'")).scalar_one() == 1


async def test_attached_files(make: Make, tmp_path: Path) -> None:
    """Two files are written in one transaction."""
    engine = make()
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"ATTACH '{tmp_path}/b.db' AS b")
        await connection.exec_driver_sql("CREATE TABLE b.u (id INTEGER)")
        await connection.rollback()
        with pytest.raises(OperationalError, match="no such table"):
            await connection.exec_driver_sql("SELECT * FROM b.u")


async def test_run_gives_the_connection_itself(make: Make, tmp_path: Path) -> None:
    """A backup runs on the connection's thread, through `driver_connection`."""
    engine = make()
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    copy = sqlite3.connect(tmp_path / "copy.db", check_same_thread=False)
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        assert "Connection at" in repr(driver)
        await driver.run(lambda source: source.backup(copy))
    assert copy.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
    copy.close()


async def test_connect_hook(path: Path) -> None:
    """An encrypted build is opened by a function of its own, which gets the arguments."""
    given: list[tuple[str, Any]] = []

    def connect(database: str, **options: Any) -> sqlite3.Connection:
        given.append((database, options["isolation_level"]))
        connection: sqlite3.Connection = sqlite3.connect(database, **options)
        return connection

    engine = create_async_engine(f"sqlite+ormolu:///{path}", connect_args={"connect": connect})
    assert await pragma(engine, "user_version") == 0
    await engine.dispose()
    assert given == [(str(path), None)]


async def test_async_creator(path: Path) -> None:
    """SQLAlchemy's `async_creator` may give the sqlite3 connection."""

    async def create() -> sqlite3.Connection:
        return sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=0)

    engine = create_async_engine("sqlite+ormolu://", async_creator=create)
    assert await pragma(engine, "journal_mode") == "wal"
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM sqlite_master")) == 0
    await engine.dispose()


async def test_module(path: Path) -> None:
    """A module like sqlite3 takes its place."""
    engine = create_async_engine(f"sqlite+ormolu:///{path}", module=sqlite3)
    assert await pragma(engine, "user_version") == 0
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()


async def test_threads_end_with_the_engine(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many connections share one thread to read and one to write; dispose ends both."""
    # No second one takes over: on a busy machine any statement may look like a long one.
    monkeypatch.setattr(_calls, "_LOOK_EVERY", 3600.0)
    others = set(threads())
    engine = make()
    connections = [await engine.connect() for _ in range(8)]
    for connection in connections:
        await connection.exec_driver_sql("SELECT 1")
    # The one that reads serves all engines, of which another test may have left one open.
    assert len((set(threads()) - others) | {_workers.READERS._lead}) == 2
    for connection in connections:
        await connection.close()
    await engine.dispose()
    await assert_no_more_than(others)


async def test_closed_connection_is_refused(make: Make) -> None:
    """A connection that was closed says so, and closing it again does nothing."""
    engine = make()
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await connection.run_sync(lambda _: driver.close())
        await connection.run_sync(lambda _: driver.close())
        with pytest.raises(ProgrammingError, match="closed database"):
            await connection.exec_driver_sql("SELECT 1")


async def test_pool_replaces_a_closed_connection(make: Make) -> None:
    """`pool_pre_ping` sees that a connection is closed."""
    engine = make(pool_pre_ping=True)
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await connection.run_sync(lambda _: driver.close())
    assert await pragma(engine, "user_version") == 0


PROGRAM = """
import asyncio, os, sys, threading, warnings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
assert "fastapi" not in sys.modules
engine = create_async_engine("sqlite+ormolu:///" + sys.argv[1])
assert "fastapi" not in sys.modules
async def count():
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS t (id INTEGER)"))
        await connection.execute(text("INSERT INTO t VALUES (1)"))
        return (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one()
assert asyncio.run(count()) == 1
if sys.argv[2] == "fork":
    child = os.fork()
    assert asyncio.run(count()) in (2, 3)
    if child:
        assert os.waitpid(child, 0)[1] == 0
        assert asyncio.run(count()) == 4
"""


@pytest.mark.long
@pytest.mark.parametrize("how", ["alone", "fork"])
def test_program_ends_without_a_word(path: Path, how: str) -> None:
    """Alone, without dispose and across a fork, a program works and ends, and FastAPI stays out."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, str(path), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not os.path.exists(f"{path}-wal") or how == "fork"


@pytest.mark.long
async def test_log_stays_small(make: Make, path: Path) -> None:
    """The write-ahead log is put back into the file while readers never pause."""
    engine = make("?durability=process")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)")
    insert = text("INSERT INTO t (b) VALUES (zeroblob(200000))")
    biggest = 0
    for _ in range(300):
        async with engine.connect() as reader:
            await reader.exec_driver_sql("SELECT count(*) FROM t")
            async with engine.begin() as writer:
                await writer.execute(insert)
            biggest = max(biggest, os.stat(f"{path}-wal").st_size)
    assert biggest < 64 * 2**20


@pytest.mark.long
async def test_stream(make: Make) -> None:
    """A long result comes in batches; one that is left early pins nothing."""
    engine = make()
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 5000) SELECT i FROM n"
    )
    async with engine.connect() as connection:
        result = await connection.stream(text(numbers))
        assert [row[0] async for row in result] == list(range(1, 5001))
        result = await connection.stream(text(numbers))
        assert await result.fetchone() == (1,)
        assert len(await result.fetchmany(700)) == 700
        assert len(await result.fetchall()) == 5000 - 701
        left = await connection.stream(text(numbers))
        assert await left.fetchone() == (1,)
        await left.close()
        left = await connection.stream(text(numbers))
        assert await left.fetchone() == (1,)


async def test_cursors_of_pep_249(make: Make) -> None:
    """The cursors that a `connect` event gets do what PEP 249 says."""
    engine = make()

    def use(connection: Any) -> None:
        raw = connection.connection.dbapi_connection
        raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        assert raw.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), (3,)]).rowcount == 3
        for cursor in (raw.cursor(), raw.cursor(server_side=True)):
            cursor.setinputsizes(1)
            cursor.execute("SELECT id FROM t ORDER BY id")
            assert cursor.description[0][0] == "id"
            assert cursor.fetchone() == (1,)
            assert cursor.fetchmany() == [(2,)]
            assert list(cursor) == [(3,)]
            assert cursor.fetchone() is None
            cursor.close()
        raw.rollback()

    async with engine.connect() as connection:
        await connection.run_sync(use)
