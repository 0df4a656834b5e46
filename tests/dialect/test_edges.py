"""What happens seldom: connections that fail, end too early or are used in the wrong way."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from ormolu import Database, OverloadedError
from ormolu.sqlite import _dialect, _mailbox
from ormolu.sqlite._calls import Call
from ormolu.sqlite._handle import Handle
from ormolu.sqlite._pragmas import Pragmas
from ormolu.sqlite._statements import Kind, kind_of
from ormolu.sqlite._transaction import TurnNeeded
from ormolu.sqlite._writers import Writers
from tests.dialect.conftest import Make
from tests.dialect.test_cancellation import LONG
from tests.dialect.test_transactions import WRITE, is_locked, read

IO_ERROR = "disk I/O error"


class FailingConnection(sqlite3.Connection):
    """Refuses one statement, always."""

    refused = ""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if self.refused and sql.startswith(self.refused):
            raise sqlite3.OperationalError(IO_ERROR)
        return super().execute(sql, *parameters)


async def driver_of(connection: Any) -> Any:
    """Return the driver's connection."""
    return (await connection.get_raw_connection()).driver_connection


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("", Kind.OTHER),
        ("-- nothing", Kind.OTHER),
        ("WITH x", Kind.OTHER),
        ("/* ; */ with a as (select 'insert') select ')' from a", Kind.READ),
        ("WITH a AS (SELECT 1) -- b\n DELETE FROM t", Kind.WRITE),
        ('PRAGMA "main".table_info(t)', Kind.READ),
        ("PRAGMA user_version = 3", Kind.OTHER),
        ("ROLLBACK TRANSACTION TO a", Kind.PARTIAL_END),
        ("explain query plan delete from t", Kind.READ),
    ],
)
def test_kind_of_a_statement(sql: str, kind: Kind) -> None:
    """The first word tells, or what follows the tables of a WITH."""
    assert kind_of(sql) is kind


async def test_rollback_that_fails_ends_the_connection(make: Make, engine: AsyncEngine) -> None:
    """If SQLite cannot roll back, closing does; the lock is free, and the pool opens anew."""
    failing = make(connect_args={"factory": FailingConnection})
    async with failing.connect() as connection:
        await connection.execute(WRITE)
        driver = await driver_of(connection)
        driver._handle.sqlite.refused = "ROLLBACK"
        with pytest.raises(OperationalError, match="disk I/O error"):
            await connection.rollback()
        with pytest.raises(ProgrammingError, match="closed database"):
            await connection.execute(WRITE)
    async with engine.begin() as other:
        await other.execute(WRITE)
    assert await read(engine) == 1


async def test_settings_that_fail_are_said(path: Path) -> None:
    """An error while a connection is set up is not swallowed."""

    class Refusing(FailingConnection):
        refused = "PRAGMA synchronous"

    engine = create_async_engine(f"sqlite+ormolu:///{path}", connect_args={"factory": Refusing})
    with pytest.raises(OperationalError, match="disk I/O error"):
        await read(engine)
    await engine.dispose()


async def test_read_only_file_keeps_its_journal(path: Path) -> None:
    """A file that may not be written is read in the mode that it is in."""
    sqlite3.connect(path).execute("CREATE TABLE t (id INTEGER)").connection.close()
    engine = create_async_engine(f"sqlite+ormolu:///file:{path}?mode=ro&uri=true")
    async with engine.connect() as connection:
        mode = await connection.exec_driver_sql("PRAGMA journal_mode")
        assert mode.scalar_one() == "delete"
    await engine.dispose()


async def test_database_of_one_connection() -> None:
    """A connection without a file has a queue of its own."""

    async def create() -> sqlite3.Connection:
        return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)

    engine = create_async_engine("sqlite+ormolu://", async_creator=create)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    await engine.dispose()


async def test_what_the_driver_tells(engine: AsyncEngine) -> None:
    """The driver's connection is its own driver connection, and tells how it begins."""
    async with engine.connect() as connection:
        driver = await driver_of(connection)
        assert driver.driver_connection is driver
        dialect: Any = engine.dialect
        begins = dialect.connection_characteristics["sqlite_begin"]
        assert begins.get_characteristic(dialect, driver) == "auto"
        await connection.run_sync(lambda _: driver.commit())
    Handle(sqlite3, Pragmas()).interrupt()


async def test_error_in_the_middle_of_a_stream(engine: AsyncEngine) -> None:
    """A row that cannot be computed ends the stream with its error, and nothing stays open."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000)"
    failing = text(f"{numbers} SELECT CASE i WHEN 1500 THEN json('no') ELSE i END FROM n")
    async with engine.connect() as connection:
        result = await connection.stream(failing)
        with pytest.raises(OperationalError, match="malformed JSON"):
            await result.fetchall()
        await connection.rollback()
        assert (await connection.exec_driver_sql("SELECT 1")).scalar_one() == 1


async def test_stream_ends_with_its_transaction(engine: AsyncEngine) -> None:
    """After a rollback an open stream has no more rows."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000)"
    async with engine.connect() as connection:
        driver = await driver_of(connection)

        def use(_connection: object) -> int:
            cursor = driver.cursor(server_side=True)
            cursor.execute(f"{numbers} SELECT i FROM n")
            driver.rollback()
            return len(cursor.fetchmany(2000))

        assert await connection.run_sync(use) == 500


async def test_turn_outlasts_the_wait(make: Make, engine: AsyncEngine) -> None:
    """Who got the turn in time keeps it for longer than one may wait."""
    patient = make("?busy_timeout=0.1")
    async with engine.connect() as holder, patient.connect() as waiter:
        await holder.execute(WRITE)
        task = asyncio.create_task(waiter.execute(WRITE))
        await asyncio.sleep(0.03)
        await holder.commit()
        await task
        await asyncio.sleep(0.15)
        await waiter.commit()
    assert await read(engine) == 2


async def test_calls_of_one_connection_share_its_turn(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """Two writes that are sent at once do not wait for each other."""
    async with engine.connect() as connection:
        driver = await driver_of(connection)
        add = partial(lambda _sqlite, sql: _sqlite.execute(sql), sql=str(WRITE))
        calls = [
            driver._new_call(partial(driver._handle.run, str(WRITE), add), Kind.WRITE) for _ in "12"
        ]
        for call in calls:
            driver._mailbox.put(call)
        async with asyncio.timeout(2):
            await asyncio.gather(*(call.future for call in calls))
        await connection.run_sync(lambda _: driver.commit())
    assert not is_locked(other)
    assert await read(engine) == 2


async def test_call_that_was_given_up_takes_no_turn(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """A call that finds out late that it needs a turn, and is not wanted any more, is over."""

    def function(call: Call) -> None:
        call.is_given_up = True
        raise TurnNeeded

    async with engine.connect() as connection:
        driver = await driver_of(connection)
        call = driver._new_call(function)
        driver._mailbox.put(call)
        assert await call.future is None
    assert not is_locked(other)


async def test_forked_child_is_told(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of the parent process is refused, and left alone."""
    async with engine.connect() as connection:
        driver = await driver_of(connection)
        with monkeypatch.context() as patch:
            patch.setattr(driver._mailbox, "_pid", 1)
            with pytest.raises(ProgrammingError, match="before a fork"):
                await connection.exec_driver_sql("SELECT 1")
            driver.terminate()
        assert _mailbox._PARENTS.pop() is driver._handle


async def test_end_of_the_interpreter(make: Make) -> None:
    """What nobody closed is closed."""
    engine = make()
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT 1")
        driver = await driver_of(connection)
    _mailbox._close_all()
    assert not driver.is_open


async def test_other_driver_of_sqlite(tmp_path: Path) -> None:
    """A Database on aiosqlite has the same settings and the same rules."""
    path = tmp_path / "other.db"
    db = Database(f"sqlite+aiosqlite:///{path}", lock_timeout=0.3, pool_timeout=0.3)
    async with db.unit_of_work() as session:
        await session.execute(text("CREATE TABLE t (n INTEGER)"))
        await session.execute(text("INSERT INTO t VALUES (1)"))
    async with db.unit_of_work(read_only=True) as session:
        assert (await session.scalars(text("SELECT n FROM t"))).all() == [1]
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OverloadedError):
        async with db.unit_of_work() as session:
            await session.execute(text("INSERT INTO t VALUES (2)"))
    other.close()
    await db.close()


async def test_error_of_another_driver_is_its_own(path: Path) -> None:
    """What is wrong with a file is no lock that one could wait for."""
    sqlite3.connect(path).execute("CREATE TABLE t (id INTEGER)").connection.close()
    db = Database(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true", schema="ignore")
    with pytest.raises(OperationalError, match="readonly database"):
        async with db.unit_of_work() as session:
            await session.execute(text("SELECT 1"))
    await db.close()


async def test_engines_begin_anew_after_a_fork(engine: AsyncEngine) -> None:
    """In a child no pool holds a connection of its parent."""
    async with engine.connect() as connection:
        before = await driver_of(connection)
    _dialect._forget_connections()
    async with engine.connect() as connection:
        assert await driver_of(connection) is not before
    await connection_closed(before)


async def connection_closed(driver: Any) -> None:
    """Close a connection that no pool knows any more."""
    await greenlet_spawn(driver.close)


async def test_autocommit_without_rollback(make: Make, engine: AsyncEngine) -> None:
    """SQLAlchemy may skip the ROLLBACK that AUTOCOMMIT does not need; a level may be set twice."""
    skipping = make(isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
    async with skipping.connect() as connection:
        await connection.execute(WRITE)
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="SERIALIZABLE")
        await connection.execute(WRITE)
        await connection.commit()
    assert await read(engine) == 2


async def test_savepoint_that_is_wrong(engine: AsyncEngine, other: sqlite3.Connection) -> None:
    """A savepoint's error comes with the first statement, and leaves nothing open."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SAVEPOINT 1 2")
        with pytest.raises(OperationalError, match="syntax error"):
            await connection.execute(WRITE)
        assert not is_locked(other)


async def test_what_waits_is_told_of_the_end(engine: AsyncEngine) -> None:
    """Calls behind a long statement fail when the connection is thrown away."""
    async with engine.connect() as connection:
        driver = await driver_of(connection)
        calls = [
            driver._new_call(lambda _call: driver._handle.sqlite.execute(str(LONG)).fetchall()),
            driver._new_call(lambda _call: None),
        ]
        for call in calls:
            driver._mailbox.put(call)
        await asyncio.sleep(0.05)
        # Nobody waits for this one.
        driver.rollback()
        driver.terminate()
        errors = await asyncio.gather(*(call.future for call in calls), return_exceptions=True)
        assert [type(error) for error in errors] == [sqlite3.OperationalError, ConnectionError]
        await connection.invalidate()


async def test_ends_that_come_twice(engine: AsyncEngine) -> None:
    """A ticket, a stream and a worker take a second end for what it is."""
    writers = Writers("")
    ticket = writers.queue.enter(lambda: None)
    ticket.leave()
    ticket.leave()
    writers.worker.put(Handle(sqlite3, Pragmas()))  # type: ignore[arg-type]
    async with engine.connect() as connection:
        driver = await driver_of(connection)

        def use(_connection: object) -> None:
            cursor = driver.cursor(server_side=True)
            cursor.execute("SELECT 1")
            driver.run_action(lambda _sqlite: cursor.finish())
            assert cursor._fetch(None) == []

        await connection.run_sync(use)


async def test_close_interrupts_what_runs(engine: AsyncEngine) -> None:
    """A connection that is closed under a long statement does not wait for its end."""
    async with engine.connect() as connection:
        driver = await driver_of(connection)
        statement = str(LONG)
        call = driver._new_call(lambda _call: driver._handle.sqlite.execute(statement).fetchall())
        driver._mailbox.put(call)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(2):
            await connection_closed(driver)
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            await call.future
