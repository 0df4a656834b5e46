"""The transaction of one connection: when it begins, what it waits for, when it is over.

Lives in the connection's thread. BEGIN is sent with the first statement, as a writer's if that
one writes; whoever waits for a lock waits here, up to a limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ormolu.sqlite._calls import Call
from ormolu.sqlite._messages import (
    IN_LINE,
    LOCKED,
    LOST,
    MOVED,
    NOT_SYNCED,
    READ_ONLY,
    UPGRADE,
)
from ormolu.sqlite._pragmas import Begin
from ormolu.sqlite._sharing import Sharing
from ormolu.sqlite._statements import Kind, moves_syncs
from ormolu.sqlite._workers import Worker
from ormolu.sqlite._write_queue import Ticket
from ormolu.sqlite._writers import Writers, writers_of
from ormolu.sqlite_codes import MOVED_FILE, error_name, error_name_by_text

__all__ = ["NO_RESULT", "Transaction", "TurnNeeded", "is_unfinished"]

_T = TypeVar("_T")

# SQLite's own handler sleeps up to 0.1 s between its tries; another process's next commit is near.
_PAUSE = 0.0005

# Rows, description, rowcount and lastrowid of a statement that was not sent yet.
NO_RESULT: tuple[list[Any], None, int, None] = ([], None, -1, None)


class TurnNeeded(Exception):  # noqa: N818 -- no error: the call is put back
    """A call must wait for its turn to write first; it has done nothing yet."""


class Transaction:
    """The state of one connection's transaction; SQLite's own flag tells whether it is open.

    Attributes:
        begin: How the next transaction begins.
        is_autocommit: Whether each statement is a transaction of its own.
        writers: What those who write to its file share.
        has_written: Whether any transaction of this connection was a writer's.
        is_left_open: Whether the last call has left something to commit or to roll back; for
            other threads, which may not ask the connection.
        workers: The threads that serve it, besides those that read.
        sharing: Whether COMMIT leaves its sync to others.
        sqlite: The sqlite3 connection, once it is open.
    """

    def __init__(self, dbapi: Any, begin: Begin) -> None:
        self.begin: Begin = begin
        self.is_autocommit = False
        self.has_written = False
        self.is_left_open = False
        self.workers: list[Worker] = []
        self.sharing = Sharing()
        self.sqlite: Any = None
        self._dbapi = dbapi
        self.writers = Writers("")
        self._ticket: Ticket | None = None
        # Whether BEGIN was asked for; it is sent with the first statement that reads or writes.
        self._is_wanted = False
        self._savepoints: list[str] = []
        self._has_read = False
        self._is_lost = False
        self._is_query_only = False

    def use(self, sqlite: Any, path: str) -> None:
        """Take the connection; an empty path is a file that nobody else can open."""
        self.sqlite = sqlite
        if path:
            self.writers = writers_of(path)
        self._join(self.writers.worker)

    def _join(self, worker: Worker) -> None:
        if worker not in self.workers:
            worker.join()
            self.workers.append(worker)

    @property
    def is_begun(self) -> bool:
        """Tell whether SQLite has a transaction open."""
        try:
            return bool(self.sqlite.in_transaction)
        except Exception:
            # The connection was closed, see roll_back; each module raises another error.
            return False

    @property
    def is_open(self) -> bool:
        """Tell whether there is something to commit or to roll back."""
        return self.is_begun or self._is_wanted or self._is_lost

    @property
    def is_writing(self) -> bool:
        """Tell whether it has its turn to write."""
        return self._ticket is not None

    def can_begin_again(self, kind: Kind) -> bool:
        """Tell whether a statement that is given up can simply be run again.

        A read can; a write that is interrupted takes its whole transaction with it, which only
        the first one can afford.
        """
        if self.is_begun:
            return kind is Kind.READ
        is_wish = self._is_wanted or self._is_lost
        return not is_wish and (
            kind is Kind.READ or (kind is Kind.WRITE and not self.is_autocommit)
        )

    def needs_turn(self, kind: Kind) -> bool:
        """Tell whether a statement will wait in the write queue; from any thread."""
        if self.is_writing or self.begin == "read only":
            return False
        is_first_of_writer = self.begin == "immediate" and not self.is_autocommit
        return kind is Kind.WRITE or (kind is Kind.READ and is_first_of_writer)

    def run(self, call: Call, sql: str, action: Callable[[], Any]) -> Any:
        """Run one statement in the transaction that it belongs to."""
        was_open = self.is_begun
        if call.kind is Kind.OTHER and moves_syncs(sql):
            self.sharing.is_allowed = False
        try:
            if was_open:
                return self._run_inside(call, action)
            if self._is_lost and call.kind is not Kind.END:
                raise self._error(LOST, "SQLITE_ABORT_ROLLBACK")
            if self.is_autocommit:
                return self._run_alone(call, action)
            return self._run_first(call, sql, action)
        except self._dbapi.OperationalError as error:
            if self.begin == "read only" and _name(error) == "SQLITE_READONLY":
                raise self._error(READ_ONLY, _name(error)) from error
            raise
        finally:
            # OR ROLLBACK, an interrupted write, a full disk: SQLite ends the transaction itself.
            is_over = was_open and not self.is_begun
            self._is_lost = self._is_lost or (is_over and call.kind is not Kind.END)

    def commit(self, call: Call) -> None:
        """COMMIT; if that fails, nothing stays open."""
        was_lost = self._is_lost
        self._forget_wishes()
        if was_lost:
            raise self._error(LOST, "SQLITE_ABORT_ROLLBACK")
        if not self.is_begun:
            return
        try:
            self._send_commit(call)
        except BaseException:
            self.roll_back()
            raise

    def _send_commit(self, call: Call) -> None:
        if self._ticket is not None:
            self._check_place(is_moved=self.writers.is_moved())
        self.persist(call, lambda: self.sqlite.execute("COMMIT"))

    def _check_place(self, *, is_moved: bool) -> None:
        if is_moved:
            raise self._error(MOVED.format(self.writers.path), MOVED_FILE)

    def roll_back(self) -> None:
        """ROLLBACK, if anything is open; if it fails twice, closing the connection does it."""
        self._forget_wishes()
        with suppress(self._dbapi.Error):
            if self.is_begun:
                self.sqlite.execute("ROLLBACK")
        try:
            if self.is_begun:
                self.sqlite.execute("ROLLBACK")
        except self._dbapi.Error:
            self.sqlite.close()
            raise
        self.sharing.end(is_committed=False)

    def tidy(self) -> bool:
        """Leave the write queue once the transaction is over; tell whether `checkpoint` is due."""
        self.is_left_open = self.is_open
        if self._ticket is None or self.is_begun:
            return False
        self.has_written = True
        self.writers.count += 1
        is_due = self.writers.checkpoints.is_due(is_small=self.sharing.is_small)
        self.sharing.end(is_committed=True)
        # Leave before the checkpoint: writers may go on beside it, and retry where they may not.
        self.leave_queue()
        return is_due

    def checkpoint(self) -> None:
        """Put the log back into the file; the caller has its answer."""
        with suppress(self._dbapi.Error):
            self.writers.checkpoints.run(self.sqlite)

    def take_back_begin(self, call: Call) -> None:
        """Undo what the first statement of a transaction has done, which is given up."""
        if self.is_begun:
            self.sqlite.execute("ROLLBACK")
        self.sharing.end(is_committed=False)
        if self._ticket is not None:
            call.ticket, self._ticket = self._ticket, None

    def leave_queue(self) -> None:
        """Let the next writer go."""
        if self._ticket is not None:
            self._ticket.leave()
            self._ticket = None

    def _forget_wishes(self) -> None:
        self._is_wanted = self._is_lost = False
        self._savepoints.clear()

    def _run_first(self, call: Call, sql: str, action: Callable[[], Any]) -> Any:
        if call.kind is Kind.OTHER:
            # PRAGMA, ATTACH, VACUUM: many work only outside of a transaction.
            return self.persist(call, action)
        if call.kind is Kind.BEGIN:
            return self._want()
        if call.kind is Kind.SAVEPOINT:
            self._is_wanted = True
            self._savepoints.append(sql)
            return NO_RESULT
        if call.kind is Kind.END and self.is_open:
            self._forget_wishes()
            return NO_RESULT
        if call.kind is Kind.END or (call.kind is Kind.PARTIAL_END and not self._savepoints):
            return action()
        self._send_begin(call)
        self._has_read = call.kind is not Kind.PARTIAL_END
        return self.persist(call, action)

    def _want(self) -> Any:
        if self._is_wanted:
            message = "cannot start a transaction within a transaction"
            raise self._error(message, "SQLITE_ERROR")
        self._is_wanted = True
        return NO_RESULT

    def _run_inside(self, call: Call, action: Callable[[], Any]) -> Any:
        if call.kind is Kind.READ:
            self._has_read = True
        if call.kind is Kind.WRITE and self._ticket is None and not self._is_query_only:
            return self._upgrade(call, action)
        if self._ticket is not None:
            # The lock on the main file is ours; one on an attached file may not be.
            return self.persist(call, action)
        return action()

    def _upgrade(self, call: Call, action: Callable[[], Any]) -> Any:
        """Write for the first time in a transaction that did not begin as a writer's."""
        self._take_turn(call)
        if self.writers.syncs.has_failed:
            # This transaction's own snapshot would block the checkpoint that restarts the log.
            self.leave_queue()
            raise self._error(NOT_SYNCED, "SQLITE_IOERR_FSYNC")
        if not self._has_read:
            return self.persist(call, action)
        try:
            return action()
        except self._dbapi.OperationalError as error:
            if not _is_busy(error):
                raise
            self.leave_queue()
            raise self._error(UPGRADE, "SQLITE_BUSY_SNAPSHOT") from error

    def _run_alone(self, call: Call, action: Callable[[], Any]) -> Any:
        """Run a statement in autocommit: a write waits in the queue, and is all or nothing."""
        self._check_place(is_moved=self.writers.looks_moved())
        self.set_query_only()
        self._has_read = False
        if call.kind is not Kind.WRITE or self._is_query_only:
            return self.persist(call, action)
        self._begin_as_writer(call)
        try:
            result = action()
            self._send_commit(call)
        except BaseException:
            self.roll_back()
            raise
        return result

    def _send_begin(self, call: Call) -> None:
        self._check_place(is_moved=self.writers.looks_moved())
        self.set_query_only()
        is_writer = call.kind is Kind.WRITE and self.begin == "auto"
        try:
            if is_writer or self.begin == "immediate":
                self._begin_as_writer(call)
            else:
                self.sqlite.execute("BEGIN")
            self._has_read = False
            for savepoint in self._savepoints:
                self.sqlite.execute(savepoint)
        except BaseException:
            if self.is_begun:
                self.sqlite.execute("ROLLBACK")
            self.sharing.end(is_committed=False)
            raise
        self._forget_wishes()

    def _begin_as_writer(self, call: Call) -> None:
        self._take_turn(call)
        if self.writers.syncs.has_failed:
            self._begin_log_anew(call)
        if self.sharing.is_allowed:
            self._join(self.writers.syncs.worker)
            self.sharing.begin(self.sqlite)
        self.persist(call, lambda: self.sqlite.execute("BEGIN IMMEDIATE"))

    def _begin_log_anew(self, call: Call) -> None:
        """Bring all that was committed into the file: the log may have a hole on the disk."""
        if call.is_at_once:
            # A checkpoint takes too long for the event loop's thread.
            raise self._error(NOT_SYNCED, "SQLITE_BUSY")
        is_in_use = self.sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if is_in_use:
            raise self._error(NOT_SYNCED, "SQLITE_IOERR_FSYNC")
        self.writers.syncs.has_failed = False

    def set_query_only(self) -> None:
        """Let SQLite refuse writes if transactions begin read only."""
        is_wanted = self.begin == "read only"
        if is_wanted != self._is_query_only:
            self.sqlite.execute(f"PRAGMA query_only={int(is_wanted)}")
            self._is_query_only = is_wanted

    def _take_turn(self, call: Call) -> None:
        if call.ticket is None:
            raise TurnNeeded
        self._ticket, call.ticket = call.ticket, None

    def persist(self, call: Call, action: Callable[[], _T]) -> _T:
        """Do it again as long as another process or a checkpoint holds the lock."""
        since = None
        while True:
            try:
                result = action()
            except self._dbapi.OperationalError as error:
                if not _is_busy(error) or call.is_at_once:
                    raise
                since = self._locked_since(call) if since is None else since
                waited = time.monotonic() - since
                if call.is_given_up or waited > call.patience.lock:
                    raise self._error(LOCKED.format(waited), "SQLITE_BUSY") from error
            else:
                if self._ticket is not None:
                    self.writers.locked_since = None
                return result
            time.sleep(_PAUSE)

    def _locked_since(self, call: Call) -> float:
        """Return since when a call has waited for another process, with that in the queue."""
        now = time.monotonic()
        if self._ticket is None:
            return now
        if self.writers.locked_since is None:
            self.writers.locked_since = now
        return max(call.began_at, self.writers.locked_since)

    def too_long_in_queue(self, call: Call) -> Exception:
        """Return the error of a call whose turn to write did not come in time."""
        waited = time.monotonic() - call.began_at
        return self._error(IN_LINE.format(waited), "SQLITE_BUSY")

    def _error(self, message: str, name: str) -> Exception:
        error: Exception = self._dbapi.OperationalError(message)
        error.sqlite_errorname = name  # type: ignore[attr-defined]
        error.sqlite_errorcode = getattr(self._dbapi, name, None)  # type: ignore[attr-defined]
        return error


def is_unfinished(error: Exception) -> bool:
    """Tell whether a statement failed because it did not get the time, or the lock."""
    return _is_busy(error) or _name(error) == "SQLITE_INTERRUPT"


def _name(error: Exception) -> str:
    return error_name(error) or error_name_by_text(error) or ""


def _is_busy(error: Exception) -> bool:
    name = _name(error)
    return name.startswith("SQLITE_BUSY") or name == "SQLITE_LOCKED_SHAREDCACHE"
