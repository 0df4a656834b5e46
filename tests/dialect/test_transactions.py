"""When a transaction of `sqlite+ormolu` begins, what it may do, and that it ends."""

import asyncio
import sqlite3
import time

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from ormolu.controlled_delay import Patience
from ormolu.sqlite._writers import Writers
from tests.dialect.conftest import Make

READ, WRITE = text("SELECT n FROM t WHERE id = 1"), text("UPDATE t SET n = n + 1 WHERE id = 1")


async def read(engine: AsyncEngine) -> int:
    """Return the number that is stored."""
    async with engine.connect() as connection:
        number: int = (await connection.execute(READ)).scalar_one()
        return number


def is_locked(other: sqlite3.Connection) -> bool:
    """Tell whether somebody holds the write lock."""
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    other.execute("ROLLBACK")
    return False


def name_of(error: pytest.ExceptionInfo[OperationalError]) -> str:
    """Return SQLite's name of an error."""
    return str(getattr(error.value.orig, "sqlite_errorname", ""))


async def test_first_statement_decides(engine: AsyncEngine, other: sqlite3.Connection) -> None:
    """A transaction that reads first takes no lock; one that writes first takes the writer's."""
    async with engine.connect() as connection:
        assert not is_locked(other)
        await connection.execute(READ)
        assert not is_locked(other)
        await connection.rollback()
        await connection.execute(WRITE)
        assert is_locked(other)
    assert not is_locked(other)
    assert await read(engine) == 0


async def test_immediate_takes_the_lock_with_a_read(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """`sqlite_begin="immediate"` begins as a writer, for as long as the connection is used."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(sqlite_begin="immediate")
        await connection.execute(READ)
        assert is_locked(other)
    async with engine.connect() as connection:
        await connection.execute(READ)
        assert not is_locked(other)


async def test_read_only_refuses_writes(engine: AsyncEngine) -> None:
    """`sqlite_begin="read only"` refuses every write and says what to leave out."""
    reader = engine.execution_options(sqlite_begin="read only")
    async with reader.connect() as connection:
        assert (await connection.execute(READ)).scalar_one() == 0
        with pytest.raises(OperationalError, match="begun read only"):
            await connection.execute(WRITE)
    async with engine.begin() as connection:
        await connection.execute(WRITE)
    assert await read(engine) == 1


async def test_unknown_begin_is_refused(engine: AsyncEngine) -> None:
    """A misspelt way to begin is named."""
    async with engine.connect() as connection:
        with pytest.raises(ArgumentError, match=r'sqlite_begin=.*"immediate"'):
            await connection.execution_options(sqlite_begin="now")


async def test_option_cannot_change_inside_a_transaction(engine: AsyncEngine) -> None:
    """A begun transaction keeps what it is."""
    async with engine.connect() as connection:
        await connection.execute(READ)
        with pytest.raises(Exception, match="may not be altered"):
            await connection.execution_options(sqlite_begin="immediate")


async def test_upgrade_without_conflict(engine: AsyncEngine) -> None:
    """A transaction that read first may write if nobody wrote meanwhile."""
    async with engine.begin() as connection:
        await connection.execute(READ)
        await connection.execute(WRITE)
    assert await read(engine) == 1


async def test_upgrade_after_a_conflict_says_what_to_do(engine: AsyncEngine) -> None:
    """A transaction whose reads are out of date fails, with the way to begin as a writer."""
    async with engine.connect() as connection:
        await connection.execute(READ)
        async with engine.begin() as winner:
            await winner.execute(WRITE)
        with pytest.raises(OperationalError, match='sqlite_begin="immediate"') as error:
            await connection.execute(WRITE)
        assert name_of(error) == "SQLITE_BUSY_SNAPSHOT"
        await connection.rollback()
        await connection.execute(WRITE)
        await connection.commit()
    assert await read(engine) == 2


async def test_reads_see_one_state(engine: AsyncEngine) -> None:
    """Two reads of one transaction agree, whatever others commit between them."""
    async with engine.connect() as connection:
        await connection.execute(READ)
        async with engine.begin() as writer:
            await writer.execute(WRITE)
        assert (await connection.execute(READ)).scalar_one() == 0


async def test_schema_is_read_in_the_transaction(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """A writer that looks at the schema first holds the lock: nobody creates meanwhile."""
    async with engine.execution_options(sqlite_begin="immediate").begin() as connection:
        await connection.exec_driver_sql("PRAGMA main.table_info('u')")
        assert is_locked(other)


async def test_ddl_is_rolled_back(engine: AsyncEngine) -> None:
    """CREATE TABLE belongs to the transaction."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql("CREATE TABLE u (id INTEGER)")
        await connection.rollback()
        with pytest.raises(OperationalError, match="no such table"):
            await connection.exec_driver_sql("SELECT * FROM u")


async def test_savepoints(engine: AsyncEngine) -> None:
    """What a savepoint undoes is undone, and no more; the first statement may be one."""
    async with engine.begin() as connection:
        async with connection.begin_nested():
            await connection.execute(WRITE)
        nested = await connection.begin_nested()
        await connection.execute(WRITE)
        await nested.rollback()
    assert await read(engine) == 1


async def test_empty_savepoints(engine: AsyncEngine, other: sqlite3.Connection) -> None:
    """Savepoints around nothing leave no transaction open."""
    async with engine.begin() as connection, connection.begin_nested():
        pass
    async with engine.connect() as connection:
        nested = await connection.begin_nested()
        await nested.rollback()
        await connection.commit()
    assert not is_locked(other)


async def test_savepoint_of_a_writer_waits_for_its_turn(engine: AsyncEngine) -> None:
    """A RELEASE that has to begin an immediate transaction waits in the queue like a statement."""
    async with engine.execution_options(sqlite_begin="immediate").connect() as connection:
        async with connection.begin_nested():
            pass
        await connection.execute(WRITE)
        await connection.commit()
    assert await read(engine) == 1


async def test_words_of_the_user(engine: AsyncEngine) -> None:
    """BEGIN, COMMIT and ROLLBACK sent by hand work, as in pysqlite's recipe for transactions."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        await connection.execute(WRITE)
        await connection.exec_driver_sql("COMMIT")
        await connection.exec_driver_sql("BEGIN")
        await connection.exec_driver_sql("ROLLBACK")
        await connection.exec_driver_sql("BEGIN")
        with pytest.raises(OperationalError, match="within a transaction"):
            await connection.exec_driver_sql("BEGIN")
        await connection.exec_driver_sql("COMMIT")
        with pytest.raises(OperationalError, match="no transaction is active"):
            await connection.exec_driver_sql("COMMIT")
        with pytest.raises(OperationalError, match="no such savepoint"):
            await connection.exec_driver_sql("RELEASE a")
    assert await read(engine) == 1


async def test_recipe_of_pysqlite_still_works(make: Make) -> None:
    """The engine events that repair pysqlite do no harm here."""
    engine = make()

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: object, _record: object) -> None:
        assert connection.isolation_level is None  # type: ignore[attr-defined]
        connection.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
        await connection.exec_driver_sql("INSERT INTO t VALUES (1, 7)")
    assert await read(engine) == 7


async def test_failed_commit_leaves_nothing(engine: AsyncEngine, other: sqlite3.Connection) -> None:
    """After a COMMIT that a deferred foreign key refuses, no transaction and no row is there."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql(
            "CREATE TABLE c (t INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)"
        )
        await connection.commit()
        await connection.exec_driver_sql("INSERT INTO c VALUES (99)")
        with pytest.raises(IntegrityError):
            await connection.commit()
        assert not is_locked(other)
    assert other.execute("SELECT count(*) FROM c").fetchone() == (0,)


async def test_transaction_that_sqlite_ended_is_not_continued(engine: AsyncEngine) -> None:
    """After OR ROLLBACK the next statement fails, and does not begin anew."""
    async with engine.connect() as connection:
        await connection.execute(WRITE)
        with pytest.raises(IntegrityError):
            await connection.exec_driver_sql("INSERT OR ROLLBACK INTO t VALUES (1, 1)")
        with pytest.raises(OperationalError, match="rolled this transaction back"):
            await connection.execute(WRITE)
        with pytest.raises(OperationalError, match="rolled this transaction back"):
            await connection.commit()
        await connection.rollback()
        await connection.execute(WRITE)
        await connection.commit()
    assert await read(engine) == 1


async def test_rollback_written_by_hand_ends_a_lost_transaction(engine: AsyncEngine) -> None:
    """ROLLBACK is the one statement that a lost transaction takes."""
    async with engine.connect() as connection:
        await connection.execute(WRITE)
        with pytest.raises(IntegrityError):
            await connection.exec_driver_sql("INSERT OR ROLLBACK INTO t VALUES (1, 1)")
        await connection.exec_driver_sql("ROLLBACK")
        assert (await connection.execute(READ)).scalar_one() == 0


async def test_autocommit_is_one_transaction_a_statement(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """In AUTOCOMMIT each statement is stored at once, and all or nothing."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(WRITE)
        assert other.execute("SELECT n FROM t").fetchone() == (1,)
        with pytest.raises(IntegrityError):
            await connection.execute(text("INSERT INTO t VALUES (:id, 0)"), [{"id": 5}, {"id": 5}])
        assert not is_locked(other)
        assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one() == 1
        await connection.exec_driver_sql("VACUUM")
    assert await read(engine) == 1


async def test_transactions_by_hand_in_autocommit(engine: AsyncEngine) -> None:
    """In AUTOCOMMIT, BEGIN and COMMIT are the program's own."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        await connection.execute(WRITE)
        await connection.exec_driver_sql("COMMIT")
    assert await read(engine) == 1


async def test_isolation_levels(engine: AsyncEngine) -> None:
    """The levels that SQLite has are set and reset."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="READ UNCOMMITTED")
        assert await connection.get_isolation_level() == "READ UNCOMMITTED"
    async with engine.connect() as connection:
        assert await connection.get_isolation_level() == "SERIALIZABLE"


async def test_writers_are_served_in_order(engine: AsyncEngine) -> None:
    """Ten writers who wait for one get their turn as they came."""
    served: list[int] = []

    async def write(number: int) -> None:
        async with engine.begin() as connection:
            await connection.execute(WRITE)
            served.append(number)

    async with engine.connect() as first:
        await first.execute(WRITE)
        tasks = []
        for number in range(10):
            tasks.append(asyncio.create_task(write(number)))
            await asyncio.sleep(0.01)
        assert served == []
        assert await read(engine) == 0
        await first.commit()
        await asyncio.gather(*tasks)
    assert served == list(range(10))


async def test_writer_of_this_process_is_waited_for_no_longer(
    make: Make, engine: AsyncEngine
) -> None:
    """Past the limit a waiting writer gets an error that says how long; the queue stays clean."""
    hasty = make("?busy_timeout=0.1")
    async with engine.connect() as holder, hasty.connect() as connection:
        await holder.execute(WRITE)
        with pytest.raises(OperationalError, match=r"the 0\.1\d s that this one waited") as error:
            await connection.execute(WRITE)
        assert name_of(error) == "SQLITE_BUSY"
        await connection.rollback()
        await holder.rollback()
        await connection.execute(WRITE)
        await connection.commit()
    assert await read(engine) == 1


async def test_line_that_moves_is_waited_for(make: Make, engine: AsyncEngine) -> None:
    """A writer who has seen the queue move waits as long as it asks for, not just for a lock."""
    patient = make("?busy_timeout=0.1&line_timeout=60")
    async with engine.connect() as holder, patient.connect() as connection:
        await holder.execute(WRITE)
        writers = (await holder.get_raw_connection()).driver_connection.writers  # type: ignore[union-attr]
        # Later than the writer comes, however busy the machine is then.
        writers.queue.delay.move(time.monotonic() + 3600)
        write = asyncio.create_task(connection.execute(WRITE))
        while len(writers.queue._tickets) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        assert not write.done()
        await holder.commit()
        await write
        await connection.commit()
    assert await read(engine) == 2


def test_queue_moves_as_writers_leave_it() -> None:
    """Not when one who has not had the turn gives up."""
    writers, patience = Writers(""), Patience(line=60.0, lock=5.0)
    first, second, third, last = [writers.queue.enter(lambda: None) for _ in range(4)]
    came_at = time.monotonic()
    third.leave()
    assert last.wait_until(came_at, patience) == came_at + 5.0
    first.leave()
    assert second.has_turn
    assert last.wait_until(came_at, patience) >= came_at + 60.0


async def test_lock_of_another_program_is_waited_for(
    make: Make, engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """A lock that another program holds is waited for, up to the limit."""
    hasty = make("?busy_timeout=0.1")
    other.execute("BEGIN IMMEDIATE")
    async with hasty.connect() as connection:
        with pytest.raises(OperationalError, match="database is locked"):
            await connection.execute(WRITE)
    asyncio.get_running_loop().call_later(0.1, other.execute, "COMMIT")
    async with engine.begin() as connection:
        await connection.execute(WRITE)
    assert await read(engine) == 1


async def test_upgrade_from_a_begin_by_hand(engine: AsyncEngine) -> None:
    """In AUTOCOMMIT a BEGIN that has read nothing yet becomes a writer's without a conflict."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        async with engine.begin() as winner:
            await winner.execute(WRITE)
        await connection.execute(WRITE)
        await connection.exec_driver_sql("COMMIT")
    assert await read(engine) == 2


async def test_error_in_an_upgrade_is_its_own(engine: AsyncEngine) -> None:
    """A statement that is wrong in itself keeps its error."""
    async with engine.connect() as connection:
        await connection.execute(READ)
        with pytest.raises(OperationalError, match="no such table"):
            await connection.exec_driver_sql("INSERT INTO missing VALUES (1)")
