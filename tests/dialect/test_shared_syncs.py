"""Commits of one file are synced together, and none is answered before its sync."""

import asyncio
import errno
import os
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ormolu.controlled_delay import Patience
from ormolu.sqlite import _calls, _handle, _short, _syncs
from ormolu.sqlite._calls import Call, Outbox, outbox_of
from ormolu.sqlite._mailbox import Mailbox
from ormolu.sqlite._statements import Kind
from ormolu.sqlite._transaction import Transaction
from ormolu.sqlite._writers import writers_of
from tests.dialect.conftest import Make

pytestmark = pytest.mark.skipif(not _syncs.CAN_SYNC, reason="SQLite syncs itself here")

INSERT = text("INSERT INTO t (n) VALUES (7)")
TIMES = 10


class Log:
    """The log's syncs: what the disk is known to hold, and a switch that makes them fail."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self.is_broken = False
        self.held = threading.Event()
        self.held.set()
        self.begun = threading.Event()
        self.synced = b""
        self.log = Path(f"{path}-wal")

    def sync(self, sync: Callable[[int], None], descriptor: int) -> None:
        content = self.log.read_bytes()
        self.count += 1
        self.begun.set()
        self.held.wait(5)
        if self.is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)
        self.synced = content


@pytest.fixture
def log(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Watch the syncs of the engine's log."""
    found = Log(path)
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: found.sync(sync, descriptor))
    yield found
    found.held.set()


async def write(engine: AsyncEngine) -> None:
    """Write in a transaction of its own."""
    async with engine.begin() as connection:
        await connection.execute(INSERT)


async def scalar(engine: AsyncEngine, sql: str) -> Any:
    """Return one value, read in a transaction of its own."""
    async with engine.connect() as connection:
        return (await connection.exec_driver_sql(sql)).scalar_one()


@pytest.fixture(autouse=True)
def _statements_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the machine does meanwhile."""
    for name in ("_SHORT", "_FAR_TOO_LONG"):
        monkeypatch.setattr(_short, name, 3600.0)
    monkeypatch.setattr(_handle, "AT_ONCE_SECONDS", 3600.0)


async def prove(engine: AsyncEngine) -> None:
    """Let the writes be known as short ones."""
    for _ in range(TIMES):
        await write(engine)


@pytest.mark.long
async def test_commits_share_a_sync(engine: AsyncEngine, log: Log) -> None:
    """Those who commit at once need far fewer syncs than commits."""
    await prove(engine)
    log.count = 0
    for _ in range(TIMES):
        await asyncio.gather(*(write(engine) for _ in range(TIMES)))
    assert TIMES <= log.count <= TIMES * TIMES / 2


async def test_commit_waits_for_its_sync(engine: AsyncEngine, log: Log) -> None:
    """What is not synced is not answered, and the next writers go on meanwhile."""
    await prove(engine)
    log.held.clear()
    tasks = [asyncio.create_task(write(engine)) for _ in range(3)]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in tasks)
    assert await scalar(engine, "SELECT count(*) FROM t") == 1 + TIMES + 3
    log.held.set()
    await asyncio.gather(*tasks)


def rows_after_cut(path: Path, log: Log, chances: random.Random, cut: Path) -> int:
    """Count the rows that are left if the power goes now; some of what was not synced is."""
    shutil.copy(path, cut)
    synced, written = log.synced, log.log.read_bytes()
    kept = chances.randrange(len(written) - len(synced) + 1)
    Path(f"{cut}-wal").write_bytes(synced + written[len(synced) :][:kept])
    Path(f"{cut}-shm").unlink(missing_ok=True)
    with closing(sqlite3.connect(cut)) as copy:
        count: int = copy.execute("SELECT count(*) FROM t").fetchone()[0]
    return count


@pytest.mark.long
async def test_rows_outlive_a_loss_of_power(
    engine: AsyncEngine, path: Path, log: Log, tmp_path: Path
) -> None:
    """A row that was acknowledged is in what was synced, whatever came of the rest."""
    chances = random.Random(7)
    acknowledged = 0

    async def work() -> None:
        nonlocal acknowledged
        for _ in range(20):
            await write(engine)
            acknowledged += 1
            if chances.random() < 0.2:
                # One row is the fixture's.
                assert rows_after_cut(path, log, chances, tmp_path / "cut.db") >= 1 + acknowledged

    await asyncio.gather(*(work() for _ in range(8)))
    assert acknowledged == 160


async def test_process_durability_does_not_sync(engine: AsyncEngine, make: Make, log: Log) -> None:
    """The weaker setting has no syncs to share."""
    await prove(make("?durability=process"))
    assert log.count == 0
    await prove(engine)
    assert log.count > 0


@pytest.mark.parametrize("setting", ["synchronous=OFF", "journal_mode=DELETE", "cache_size=-100"])
async def test_settings_of_the_user_stay(path: Path, log: Log, setting: str) -> None:
    """Who sets how SQLite syncs has it so; other settings change nothing."""
    engine = create_async_engine(f"sqlite+ormolu:///{path}")

    @event.listens_for(engine.sync_engine, "connect")
    def _set(connection: Any, _record: object) -> None:
        connection.cursor().execute(f"PRAGMA {setting}")

    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
    await prove(engine)
    is_shared = "cache_size" in setting
    assert (log.count > 0) == is_shared
    assert await scalar(engine, "PRAGMA synchronous") == (0 if "synchronous" in setting else 2)
    await engine.dispose()


async def test_setting_reads_as_asked_for(engine: AsyncEngine) -> None:
    """Outside of a transaction the connection syncs at each COMMIT, as it says."""
    await prove(engine)
    assert await scalar(engine, "PRAGMA synchronous") == 2


async def test_large_commit_is_on_a_thread(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COMMIT that has much to write does not do it in the event loop."""
    await prove(engine)
    idents: list[int] = []
    commit = Transaction.commit

    def note(self: Transaction, call: Call) -> None:
        idents.append(threading.get_ident())
        commit(self, call)

    monkeypatch.setattr(Transaction, "commit", note)
    await write(engine)
    async with engine.begin() as connection:
        await connection.execute(INSERT)
        await connection.exec_driver_sql("INSERT INTO t (n) SELECT 1 FROM t, t AS u")
    assert [ident == threading.get_ident() for ident in idents] == [True, False]


@pytest.mark.long
async def test_log_goes_back_into_the_file(engine: AsyncEngine, path: Path, tmp_path: Path) -> None:
    """Commits in the event loop have the log put back as those on a thread do."""
    for _ in range(300):
        await write(engine)
    await asyncio.sleep(0.2)
    shutil.copy(path, tmp_path / "alone.db")
    with closing(sqlite3.connect(tmp_path / "alone.db")) as alone:
        assert alone.execute("SELECT count(*) FROM t").fetchone()[0] > 100


async def test_failed_sync_is_an_error(engine: AsyncEngine, log: Log) -> None:
    """Nobody is told that a row is stored when the disk did not take it."""
    await prove(engine)
    log.is_broken = True
    with pytest.raises(OperationalError, match="disk I/O error") as caught:
        await write(engine)
    assert getattr(caught.value.orig, "sqlite_errorname", "") == "SQLITE_IOERR_FSYNC"


async def test_log_is_begun_anew_after_a_failed_sync(engine: AsyncEngine, log: Log) -> None:
    """Behind a hole in the log nothing would last: all goes into the file before the next write."""
    await prove(engine)
    log.is_broken = True
    with pytest.raises(OperationalError):
        await write(engine)
    log.is_broken = False
    size = log.log.stat().st_size
    await write(engine)
    assert 0 < log.log.stat().st_size < size
    assert await scalar(engine, "SELECT count(*) FROM t") == 1 + TIMES + 2


async def test_commit_behind_a_hole_is_not_acknowledged(engine: AsyncEngine, log: Log) -> None:
    """A transaction that had begun when the sync failed is told so, though a new sync would do."""
    await prove(engine)
    log.is_broken = True
    with pytest.raises(OperationalError):
        await write(engine)
    log.is_broken = False
    syncs = writers_of(str(log.log).removesuffix("-wal")).syncs
    call = Call(print, outbox_of(asyncio.get_running_loop()))
    syncs.add(call, None)
    assert call.future is not None
    with pytest.raises(sqlite3.OperationalError, match="not synced"):
        await call.future


async def test_no_write_behind_a_hole(engine: AsyncEngine, log: Log) -> None:
    """As long as a reader keeps the log from being begun anew, writes are refused."""
    await prove(engine)
    async with engine.connect() as reader:
        await reader.exec_driver_sql("SELECT count(*) FROM t")
        log.is_broken = True
        with pytest.raises(OperationalError):
            await write(engine)
        log.is_broken = False
        with pytest.raises(OperationalError, match="the readers of now have to end"):
            await write(engine)
    await write(engine)


async def test_no_upgrade_behind_a_hole(engine: AsyncEngine, log: Log) -> None:
    """Who has read before the sync failed cannot write: its own view keeps the hole in the log."""
    await prove(engine)
    async with engine.connect() as connection:
        log.is_broken = True
        with pytest.raises(OperationalError):
            await write(engine)
        log.is_broken = False
        await connection.exec_driver_sql("SELECT count(*) FROM t")
        with pytest.raises(OperationalError, match="the readers of now have to end"):
            await connection.exec_driver_sql("INSERT INTO t (n) VALUES (7)")
    await write(engine)


async def test_log_is_not_begun_anew_in_the_event_loop(engine: AsyncEngine) -> None:
    """A checkpoint may take long: a write that would need it first goes to a thread."""
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        call = Call(print)
        call.is_at_once = True
        with pytest.raises(sqlite3.OperationalError) as caught:
            raw._transaction._begin_log_anew(call)
    assert caught.value.sqlite_errorname == "SQLITE_BUSY"


async def test_writer_whose_turn_comes_twice_writes_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever serves a waiting write first, the event loop or a thread, is the only one."""
    call_soon = Outbox.call_soon
    found: list[Call] = []

    def twice(self: Outbox, function: Any, call: Call) -> bool:
        call_soon(self, function, call)
        return call_soon(self, function, call)

    monkeypatch.setattr(Outbox, "call_soon", twice)
    async with engine.connect() as first, engine.connect() as second:
        await first.execute(INSERT)
        raw: Any = (await second.get_raw_connection()).driver_connection
        call = Call(
            found.append,
            outbox_of(asyncio.get_running_loop()),
            kind=Kind.WRITE,
            patience=Patience(60, 5),
        )
        call.at_once = found.append
        raw._mailbox.put(call)
        await first.commit()
        assert call.future is not None
        await call.future
        await asyncio.sleep(0.02)
    assert found == [call]


def test_turn_of_a_loop_that_has_ended() -> None:
    """A loop that is closed does not take a call; a thread has to."""

    async def outbox() -> Outbox:
        return Outbox(asyncio.get_running_loop())

    assert not asyncio.run(outbox()).call_soon(print, Call(print))


async def test_the_next_call_does_not_take_a_commit_for_its_own(
    engine: AsyncEngine, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint may begin on a thread before the loop has seen that the COMMIT needs a sync."""
    taken: list[bool] = []
    end = Mailbox._end_here

    def end_and_run_the_next(mailbox: Mailbox, call: Call, **options: Any) -> bool:
        found = end(mailbox, call, **options)
        taken.append(mailbox._handle.transaction.sharing.take_unsynced())
        return found

    await prove(engine)
    monkeypatch.setattr(Mailbox, "_end_here", end_and_run_the_next)
    log.count = 0
    await write(engine)
    assert taken
    assert not any(taken)
    assert log.count == 1


async def test_sync_of_a_call_that_nobody_waits_for(tmp_path: Path) -> None:
    """It keeps nobody from their answer."""
    path = tmp_path / "a.db"
    (tmp_path / "a.db-wal").write_bytes(b"")
    syncs = _syncs.Syncs(str(path))
    syncs._wait(Call(lambda _call: None), None)
    waited = Call(lambda _call: None, outbox_of(asyncio.get_running_loop()))
    syncs._wait(waited, 5)
    assert syncs.serve() == []
    assert waited.future is not None
    assert await waited.future == 5


def test_nobody_waits_for_a_sync() -> None:
    """A thread that was called for what another round has done does nothing."""
    assert _syncs.Syncs("nowhere").serve() == []


@pytest.mark.parametrize(("bound", "pause", "turns"), [(3, 0, 3), (1000, 0, 64), (1000, 0.02, 1)])
async def test_sync_waits_some_turns_for_more(
    bound: int, pause: float, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as others are about to commit, and neither for many turns nor for long ones."""
    monkeypatch.setattr(_calls, "_PATIENCE", 0.01 if pause else 10.0)
    outbox = Outbox(asyncio.get_running_loop())
    syncs = _syncs.Syncs("nowhere")
    asked: list[bool] = []

    def is_growing() -> bool:
        asked.append(True)
        time.sleep(pause)
        return len(asked) < bound

    is_put = asyncio.Event()
    monkeypatch.setattr(syncs.worker, "put", lambda _work: is_put.set())
    outbox.put_soon(syncs, syncs.worker, is_growing)
    async with asyncio.timeout(5):
        await is_put.wait()
    assert len(asked) == turns
