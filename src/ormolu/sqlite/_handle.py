"""The sqlite3 connection itself, as its thread sees it: opened, used, closed.

Every method runs in the connection's thread, except `interrupt` and those that
run at once.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from sqlalchemy.exc import ArgumentError

from ormolu.sqlite._calls import Call
from ormolu.sqlite._pragmas import Pragmas
from ormolu.sqlite._short import AT_ONCE_SECONDS, COMMIT, NOT_DONE, ShortStatements
from ormolu.sqlite._statements import Kind, is_commit
from ormolu.sqlite._syncs import CAN_SYNC
from ormolu.sqlite._table_copies import TableCopies, copies_tables
from ormolu.sqlite._transaction import Transaction, is_unfinished
from ormolu.sqlite_codes import error_name, error_name_by_text

__all__ = ["Handle", "Stream"]

# Steps of SQLite's virtual machine between two looks at the clock.
_STEPS = 500

# What must not be rolled back unasked.
_EFFECTS = frozenset({Kind.WRITE, Kind.SAVEPOINT})

_log = logging.getLogger("ormolu")

_NO_LOG = (
    "SQLite cannot have a write-ahead log for %s and keeps the journal mode %r: by an option of "
    "the URL (immutable, nolock, vfs), or the file system has no shared memory, as network ones. "
    "Readers and the writer wait for each other there, and the locks of a network file system may "
    "not hold: put the file on a local disk, or take a server such as PostgreSQL."
)

# Rows of a table that ANALYZE looks at, at most, when `PRAGMA optimize` asks for it.
_OPTIMIZE = ("PRAGMA analysis_limit=400", "PRAGMA optimize")


class Stream(Protocol):
    """A result whose rows are not all fetched."""

    def finish(self) -> None:
        """Give the statement up."""


class Handle:
    """A sqlite3 connection and its transaction.

    Attributes:
        sqlite: The connection; None before it is open.
        transaction: Its transaction.
        copies: What it keeps while Alembic copies tables.
        streams: Results that still hold a statement open.
    """

    def __init__(self, dbapi: Any, pragmas: Pragmas) -> None:
        self.sqlite: Any = None
        self.transaction = Transaction(dbapi, pragmas.begin)
        self.copies = TableCopies(dbapi, self.transaction)
        self.streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._dbapi = dbapi
        self._pragmas = pragmas
        self._is_logged = False

    def open(self, connect: Callable[[], Any], call: Call) -> None:
        """Open the file and set the connection up."""
        self.sqlite = sqlite = connect()
        _check_module(sqlite, self._dbapi)
        path = sqlite.execute("PRAGMA database_list").fetchone()[2]
        self.transaction.use(sqlite, path)
        is_writable = True
        for statement in self._pragmas.statements():
            try:
                self.transaction.persist(call, partial(self.sqlite.execute, statement))
            except self._dbapi.OperationalError as error:
                # A file that cannot be written keeps the journal that it has.
                if "readonly" not in str(error):
                    raise
                is_writable = False
        mode = self.sqlite.execute("PRAGMA journal_mode").fetchone()[0]
        self._is_logged = bool(path) and mode == "wal"
        if path and is_writable and self._pragmas.asks_for_log and mode != "wal":
            self._note_missing_log(path, mode)
        self.transaction.set_query_only()

    def _note_missing_log(self, path: str, mode: str) -> None:
        writers = self.transaction.writers
        if writers.has_log:
            writers.has_log = False
            _log.warning(_NO_LOG, path, mode)

    def share_syncs(self) -> None:
        """Let other commits of the same file be synced with those of this connection."""
        is_safe = self._pragmas.durability == "power-loss"
        self.transaction.sharing.is_allowed = CAN_SYNC and is_safe and self._is_logged

    def run(self, sql: str, action: Callable[[Any], Any], call: Call) -> Any:
        """Run one statement in its transaction."""
        step = partial(self.transaction.run, call, sql, partial(action, self.sqlite))
        if call.kind is Kind.WRITE and copies_tables(sql):
            step = partial(self.copies.run, sql, call, step)
        elif self.copies.are_unchecked and is_commit(sql):
            self.copies.check()
        result = step()
        if call.kind in _EFFECTS:
            self.copies.has_effects = True
        return result

    def run_whole(
        self, sql: str, action: Callable[[Any], Any], short: ShortStatements, call: Call
    ) -> Any:
        """Run one statement to its last row, and note how long that takes."""
        began_at = time.thread_time()
        result = self.run(sql, action, call)
        short.note_on_thread(sql, time.thread_time() - began_at)
        return result

    def run_at_once(
        self, sql: str, action: Callable[[Any], Any], short: ShortStatements, call: Call
    ) -> Any:
        """Run one statement on the event loop's thread; `NOT_DONE` if that takes too long."""
        was_begun = self.transaction.is_begun
        began_at = time.perf_counter()
        end_at = began_at + AT_ONCE_SECONDS
        result: Any = NOT_DONE
        try:
            result = self._run_until(end_at, sql, action, call)
        except self._dbapi.OperationalError as error:
            if not is_unfinished(error):
                raise
            if not was_begun:
                self.transaction.take_back_begin(call)
        finally:
            short.note_at_once(sql, began_at, is_done=result is not NOT_DONE)
        return result

    def _run_until(self, end_at: float, sql: str, action: Callable[[Any], Any], call: Call) -> Any:
        self.sqlite.set_progress_handler(lambda: time.perf_counter() > end_at, _STEPS)
        try:
            return self.run(sql, action, call)
        finally:
            # Remove the limit: SQLite counts the steps of a later ROLLBACK too, and would stop it.
            self.sqlite.set_progress_handler(None, 0)

    def commit(self, short: ShortStatements | None, call: Call) -> None:
        """COMMIT, and note how long that takes if the sync is left to others."""
        if self.copies.are_unchecked:
            self._check_copies()
        if short is None or not self.transaction.sharing.is_small:
            self.transaction.commit(call)
            return
        began_at = time.thread_time()
        self.transaction.commit(call)
        short.note_on_thread(COMMIT, time.thread_time() - began_at)

    def _check_copies(self) -> None:
        try:
            self.copies.check()
        except BaseException:
            self.transaction.roll_back()
            raise

    def commit_at_once(self, short: ShortStatements, call: Call) -> Any:
        """COMMIT on the event loop's thread if there is little to write; else `NOT_DONE`."""
        if self.copies.are_unchecked or not self.transaction.sharing.is_small:
            return NOT_DONE
        began_at = time.perf_counter()
        self.transaction.commit(call)
        short.note_at_once(COMMIT, began_at, is_done=True)
        return None

    def named(self, error: BaseException) -> BaseException:
        """Return an error; one of the module's tells its name as Python's own sqlite3 does."""
        if isinstance(error, self._dbapi.Error):
            name = error_name(error)
            # Python's sqlite3 names all errors of SQLite's; one without a name is not SQLite's.
            if name is None and not isinstance(error, sqlite3.Error):
                name = error_name_by_text(error)
            if name is not None:
                failed: Any = error
                failed.sqlite_errorname = name
        return error

    def roll_back(self) -> None:
        """Give open results up and roll back."""
        self._finish_streams()
        self.transaction.roll_back()

    def tidy(self) -> bool:
        """Let the next writer go after a call, and tell whether `checkpoint` is due."""
        if self.sqlite is None:
            return False
        is_due = self.transaction.tidy()
        self.copies.tidy()
        return is_due

    def checkpoint(self) -> None:
        """Do what the caller need not wait for."""
        self.transaction.checkpoint()

    def interrupt(self) -> None:
        """Stop the statement that runs; from any thread."""
        with suppress(self._dbapi.Error):
            if self.sqlite is not None:
                self.sqlite.interrupt()

    def close(self, _call: Call) -> None:
        """Roll back, let SQLite note what it learned of the tables, and close."""
        if self.sqlite is None:
            return
        try:
            with suppress(self._dbapi.Error):
                self.roll_back()
                if self.transaction.has_written:
                    for statement in _OPTIMIZE:
                        self.sqlite.execute(statement)
            self.sqlite.close()
        finally:
            self.transaction.leave_queue()

    def _finish_streams(self) -> None:
        if not self.streams:
            return
        for stream in list(self.streams):
            stream.finish()
        self.streams.clear()


def _check_module(sqlite: Any, dbapi: Any) -> None:
    """Refuse a connection whose errors nobody would know.

    Raises:
        ArgumentError: It is another module's.
    """
    # PEP 249 lets a connection tell its classes of errors.
    error = getattr(sqlite, "Error", dbapi.Error)
    if not issubclass(error, dbapi.Error):
        module = error.__module__
        message = (
            f"connect= has opened a connection of {module}, whose errors are not those of "
            f"{dbapi.__name__}. Give the module instead or beside it: create_async_engine(..., "
            f'module={module}), or Database(..., connect_args={{"module": {module}}}).'
        )
        raise ArgumentError(message)
