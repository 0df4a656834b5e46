"""Short statements run on the event loop's thread, and the event loop is free all the same."""

import asyncio
import gc
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from ormolu.controlled_delay import Patience
from ormolu.sqlite._calls import Call, outbox_of
from ormolu.sqlite._pauses import Pauses
from ormolu.sqlite._short import NOT_DONE, ShortStatements
from ormolu.sqlite._statements import Kind
from tests.dialect.conftest import Make

READ = text("SELECT n FROM t WHERE id = 1")
COUNT_TO = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT :limit) "
    "SELECT count(*) FROM n"
)
LONG_READ = text(COUNT_TO)
LONG_INSERT = text(f"INSERT INTO t (n) {COUNT_TO}")
INSERT = text("INSERT INTO t (n) VALUES (7)")
TIMES = 10

# A machine that is busy stops any statement now and then; then it has to prove itself anew.
ROUNDS = 20


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each call with which a thread has woken the event loop."""
    found: list[object] = []
    loop_type = asyncio.SelectorEventLoop
    wake = loop_type.call_soon_threadsafe

    def note(self: Any, function: Any, *args: Any, **options: Any) -> Any:
        found.append(function)
        return wake(self, function, *args, **options)

    monkeypatch.setattr(loop_type, "call_soon_threadsafe", note)
    return found


async def read(engine: AsyncEngine, statement: Any = READ, **values: Any) -> Any:
    """Return one value, read in a transaction of its own."""
    async with engine.connect() as connection:
        return (await connection.execute(statement, values)).scalar_one()


async def write(engine: AsyncEngine, statement: Any = INSERT, **values: Any) -> None:
    """Write in a transaction of its own."""
    async with engine.begin() as connection:
        await connection.execute(statement, values)


async def prove(engine: AsyncEngine) -> None:
    """Let all statements be known as short ones."""
    for _ in range(TIMES):
        await read(engine)
        await read(engine, LONG_READ, limit=1)
        await write(engine)
        await write(engine, LONG_INSERT, limit=1)


async def needs_thread(engine: AsyncEngine, wakes: list[object], statement: Any = READ) -> bool:
    """Tell whether a read still wakes the event loop from a thread after many short runs."""
    for _ in range(TIMES):
        await read(engine, statement)
    await asyncio.sleep(0.02)
    wakes.clear()
    await read(engine, statement)
    return bool(wakes)


@asynccontextmanager
async def ticks() -> AsyncIterator[list[float]]:
    """The gaps, in seconds, between the turns of another task meanwhile."""
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - began)

    task = asyncio.create_task(tick())
    await asyncio.sleep(0)
    yield gaps
    task.cancel()


async def test_short_reads_need_no_thread(engine: AsyncEngine, wakes: list[object]) -> None:
    """A read that has always been short wakes no thread."""
    for _ in range(ROUNDS):
        if not await needs_thread(engine, wakes):
            return
    pytest.fail("each time a thread was needed")


async def test_first_short_write_needs_no_thread(engine: AsyncEngine, wakes: list[object]) -> None:
    """Only the sync, which waits for the disk, is on a thread."""
    for _ in range(ROUNDS):
        await prove(engine)
        await asyncio.sleep(0.02)
        wakes.clear()
        async with engine.begin() as connection:
            await connection.execute(INSERT)
            has_waited = bool(wakes)
        assert wakes
        if not has_waited:
            return
    pytest.fail("each time a thread was needed")


@pytest.mark.long
@pytest.mark.parametrize("journal", ["delete", "wal"])
async def test_only_beside_a_write_ahead_log(make: Make, wakes: list[object], journal: str) -> None:
    """Without one, a reader may have to wait for a writer."""
    engine = make(f"?journal_mode={journal}")
    found = [await needs_thread(engine, wakes, text("SELECT 1")) for _ in range(ROUNDS)]
    assert all(found) == (journal == "delete")


@pytest.mark.long
async def test_long_read_leaves_the_loop(engine: AsyncEngine) -> None:
    """A statement that was short, with other values is long: it goes to a thread."""
    await prove(engine)
    async with ticks() as gaps:
        assert await read(engine, LONG_READ, limit=2_000_000) == 2_000_000
    assert len(gaps) > 5


@pytest.mark.long
async def test_long_first_write_leaves_the_loop_and_happens_once(engine: AsyncEngine) -> None:
    """A write that is given up at once has done nothing; it is done on a thread."""
    await prove(engine)
    before = await read(engine, text("SELECT count(*) FROM t"))
    async with ticks() as gaps:
        await write(engine, LONG_INSERT, limit=2_000_000)
    assert await read(engine, text("SELECT count(*) FROM t")) == before + 1
    assert await read(engine, text("SELECT max(n) FROM t")) == 2_000_000
    assert len(gaps) > 5


@pytest.mark.long
async def test_reads_are_given_up_however_often(engine: AsyncEngine) -> None:
    """What limits a statement does not stop the ROLLBACK of what it had begun."""
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        call = Call(print, outbox_of(asyncio.get_running_loop()), kind=Kind.READ)
        call.is_at_once = True
        sql = LONG_READ.text.replace(":limit", "100000")
        for _ in range(400):
            given_up = raw._handle.run_at_once(
                sql, lambda db: db.execute(sql).fetchall(), raw._short, call
            )
            assert given_up is NOT_DONE


@pytest.mark.long
async def test_long_write_that_waited_leaves_the_loop(engine: AsyncEngine) -> None:
    """A write whose turn comes in the event loop goes to a thread if it is long."""
    await prove(engine)
    before = await read(engine, text("SELECT count(*) FROM t"))
    async with engine.connect() as first:
        await first.execute(INSERT)
        task = asyncio.create_task(write(engine, LONG_INSERT, limit=1_000_000))
        await asyncio.sleep(0.02)
        await first.commit()
        await task
    assert await read(engine, text("SELECT count(*) FROM t")) == before + 2


async def test_waiting_write_that_is_given_up_goes_to_a_thread(engine: AsyncEngine) -> None:
    """Given up in the event loop, a call keeps its turn and runs on a thread, once."""
    found: list[int] = []
    async with engine.connect() as first, engine.connect() as second:
        await first.execute(INSERT)
        raw: Any = (await second.get_raw_connection()).driver_connection
        outbox = outbox_of(asyncio.get_running_loop())
        call = Call(
            lambda _call: found.append(threading.get_ident()),
            outbox,
            kind=Kind.WRITE,
            patience=Patience(60, 5),
        )
        call.at_once = lambda _call: NOT_DONE
        raw._mailbox.put(call)
        await first.commit()
        assert call.future is not None
        await call.future
    assert len(found) == 1
    assert found != [threading.get_ident()]


async def test_who_has_the_turn_is_not_limited(engine: AsyncEngine) -> None:
    """A call that got its turn on the way into the event loop waits no longer."""
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        call = Call(str, outbox_of(asyncio.get_running_loop()), kind=Kind.WRITE)
        raw._mailbox._enqueue(call)
        raw._mailbox._set_limit(call)
        raw._mailbox._expire(call)
        assert call.timer is None
        assert call.future is not None
        assert not call.future.done()
        call.ticket.leave()  # type: ignore[union-attr]


@pytest.mark.long
async def test_long_read_keeps_what_was_written_before(engine: AsyncEngine) -> None:
    """A read that is given up at once leaves its transaction as it was."""
    await prove(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE t SET n = 42 WHERE id = 1"))
        await connection.execute(LONG_READ, {"limit": 1_000_000})
        assert (await connection.execute(READ)).scalar_one() == 42
    assert await read(engine) == 42


async def test_error_at_once_is_the_error(engine: AsyncEngine) -> None:
    """A short write that fails raises what it raises on a thread, and the next one goes on."""
    double = text("INSERT INTO t (id, n) VALUES (:id, 0)")
    for number in range(100, 100 + TIMES):
        await write(engine, double, id=number)
    for _ in range(3):
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await write(engine, double, id=1)
        await write(engine)


@pytest.mark.long
async def test_reads_give_way_to_other_tasks(engine: AsyncEngine) -> None:
    """A task that reads and reads does not keep the event loop."""
    await prove(engine)
    async with engine.connect() as connection, ticks() as gaps:
        for _ in range(2000):
            await connection.execute(READ)
    assert len(gaps) > 5


async def test_wait_for_a_lock_leaves_the_loop(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    """A short write that meets another program's lock waits for it on a thread."""
    await prove(engine)
    other.execute("BEGIN IMMEDIATE")
    async with ticks() as gaps:
        task = asyncio.create_task(write(engine))
        await asyncio.sleep(0.1)
        assert not task.done()
        other.execute("COMMIT")
        await task
    assert len(gaps) > 10


@pytest.mark.long
async def test_writers_at_once_keep_their_order(engine: AsyncEngine) -> None:
    """Who comes while others wait waits behind them, also when the queue is just moving."""
    await prove(engine)
    mark = text("INSERT INTO t (n) VALUES (:n)")
    for _ in range(TIMES):
        await write(engine, mark, n=0)
    async with asyncio.TaskGroup() as group, engine.connect() as first:
        await first.execute(mark, {"n": 1000})
        for number in range(1001, 1010):
            group.create_task(write(engine, mark, n=number))
            await asyncio.sleep(0.02)
        await first.commit()
        for number in range(1010, 1013):
            group.create_task(write(engine, mark, n=number))
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT n FROM t WHERE n >= 1000 ORDER BY id"))
        assert list(found.scalars()) == list(range(1000, 1013))


async def test_functions_of_the_user_run_on_threads(make: Make) -> None:
    """What a user's function does cannot be limited: it may wait for anything."""
    engine = make()
    idents: set[int] = set()

    def here() -> int:
        idents.add(threading.get_ident())
        return 1

    @event.listens_for(engine.sync_engine, "connect")
    def _add(connection: Any, _record: object) -> None:
        connection.create_function("here", 0, here)

    for _ in range(TIMES):
        await read(engine, text("SELECT here()"))
    assert threading.get_ident() not in idents


async def test_patterns_run_on_threads(engine: AsyncEngine, wakes: list[object]) -> None:
    """REGEXP is Python's, and may take any time."""
    assert await needs_thread(engine, wakes, text("SELECT 'a' REGEXP 'a'"))


@pytest.mark.long
async def test_statements_without_end_are_not_remembered(engine: AsyncEngine) -> None:
    """A program that writes values into its statements does not fill the memory."""
    async with engine.connect() as connection:
        for number in range(2100):
            await connection.exec_driver_sql(f"SELECT {number}")
    assert len(engine.dialect._short._proofs) < 2100  # type: ignore[attr-defined]


async def test_ticket_of_a_write_that_fails_is_given_up(engine: AsyncEngine) -> None:
    """Whatever goes wrong at once, the next writer has its turn."""
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        call = Call(str, outbox_of(asyncio.get_running_loop()), kind=Kind.WRITE)
        call.at_once = lambda _call: 1 / 0
        raw._mailbox.put(call)
        assert call.future is not None
        with pytest.raises(ZeroDivisionError):
            call.future.result()
    async with asyncio.timeout(5):
        await write(engine)


async def test_connection_that_is_stopped_while_it_reads(engine: AsyncEngine) -> None:
    """As by another thread: it closes once the read is over."""
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        assert raw._mailbox.run_alone(raw._mailbox.stop) is None
        for _ in range(200):
            if raw._mailbox.is_idle:
                break
            await asyncio.sleep(0.01)
        assert raw._mailbox.run_alone(str) is NOT_DONE
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            raw._handle.sqlite.execute("SELECT 1")


def prove_anew(short: ShortStatements) -> int:
    """Return how many short runs on a thread it takes until a statement may run at once."""
    short.note_on_thread("x", 1.0)
    for number in range(1000):
        if short.has("x"):
            return number
        short.note_on_thread("x", 0.0001)
    raise AssertionError("never")


def test_statement_has_to_prove_itself() -> None:
    """Three short runs in a row are asked for, and a long one on the thread takes them back."""
    short = ShortStatements()
    assert prove_anew(short) == 3
    assert prove_anew(short) == 3


@pytest.mark.parametrize(("age", "is_done", "proofs"), [(0.0, False, 5), (0.02, True, 50)])
def test_long_statement_owes_proofs(age: float, is_done: bool, proofs: int) -> None:
    """After the event loop had to wait, more short runs are asked for: the longer, the more."""
    short = ShortStatements()
    prove_anew(short)
    short.note_at_once("x", time.perf_counter() - age, is_done=is_done)
    assert prove_anew(short) == pytest.approx(proofs, abs=1)


def test_statement_that_is_long_again_and_again_runs_on_threads() -> None:
    """Each time the event loop has to wait soon after, twice as many runs are asked for."""
    short = ShortStatements()
    prove_anew(short)
    for proofs in (5, 10, 20, 40, 80, 160, 200, 200):
        short.note_at_once("x", time.perf_counter(), is_done=False)
        assert prove_anew(short) == proofs
    for _ in range(100):
        short.note_at_once("x", time.perf_counter(), is_done=True)
    short.note_at_once("x", time.perf_counter(), is_done=False)
    assert prove_anew(short) == 5


@pytest.mark.long
async def test_what_waited_is_not_kept(engine: AsyncEngine) -> None:
    """Writers that got their turn leave nothing behind that lives until their limit."""
    await prove(engine)
    before = [found for found in gc.get_objects() if isinstance(found, Call)]
    async with asyncio.TaskGroup() as group:
        for _ in range(200):
            group.create_task(write(engine))
    gc.collect()
    calls = [found for found in gc.get_objects() if isinstance(found, Call)]
    assert not [call for call in calls if call.timer and not call.timer.cancelled()]
    # Two for each of 15 connections, at most: its last one, and that of its rollback or end.
    assert len(calls) - len(before) <= 30


async def test_next_task_owes_no_pause() -> None:
    """A task that has ended owes its successor nothing, which may have got its place in memory."""
    pauses = Pauses()
    turns = []

    async def send() -> None:
        pause: Any = pauses.after_statement(is_holding=False)
        turns.append(pause._turns)

    for _ in range(20):
        await asyncio.create_task(send())
        await asyncio.sleep(0.002)
    assert turns == [0] * 20
