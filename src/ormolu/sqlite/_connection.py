"""A connection as SQLAlchemy drives it: each operation is one call, mostly run on a thread.

Knows the event loop's side only; the transaction's rules are in _transaction, on the other side.
"""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.util import await_, greenlet_spawn

from ormolu.sqlite._bindings import CACHED, Bindings, size_of
from ormolu.sqlite._calls import READ_AT_ONCE, Call, Outbox, outbox_of
from ormolu.sqlite._cursor import Cursor, StreamCursor
from ormolu.sqlite._handle import Handle, Stream
from ormolu.sqlite._mailbox import Mailbox
from ormolu.sqlite._pauses import Pauses
from ormolu.sqlite._pragmas import Begin, Pragmas
from ormolu.sqlite._short import COMMIT, NOT_DONE, ShortStatements
from ormolu.sqlite._statements import Kind, kind_of
from ormolu.sqlite._writers import Writers

__all__ = ["Connection"]

_T = TypeVar("_T")

# Methods of sqlite3.Connection that are passed on to the connection's thread.
_PASSED_ON = frozenset(
    {
        "backup", "blobopen", "create_aggregate", "create_collation", "create_function",
        "create_window_function", "deserialize", "enable_load_extension", "executescript",
        "getconfig", "getlimit", "load_extension", "serialize", "set_authorizer",
        "set_progress_handler", "set_trace_callback", "setconfig", "setlimit",
    }
)  # fmt: skip


class Connection(AdaptedConnection):
    """One SQLite connection, whose statements run on threads, or at once if they are short.

    Methods without `async` are SQLAlchemy's side: they wait in a greenlet, as `run_sync` and the
    engine's events give one. The methods of `sqlite3.Connection` that define functions,
    collations and the like are there under their own names.

    Attributes:
        bindings: What its kept statements hold of values.
        waited: Seconds that the connection was waited for, which count as waited in the queue.
    """

    def __init__(self, dbapi: Any, pragmas: Pragmas, cached: int) -> None:
        """Make a connection that `open` opens."""
        self.bindings: Bindings = Bindings(cached)
        self._is_plain = False
        self._short: ShortStatements | None = None
        self._pauses = Pauses()
        self._dbapi = dbapi
        self._pragmas = pragmas
        self.waited: float = 0.0
        self._handle = Handle(dbapi, pragmas)
        self._transaction = self._handle.transaction
        self._mailbox = Mailbox(self._handle)
        self._rollback: Call | None = None
        self._outbox: Outbox | None = None
        self._level = "SERIALIZABLE"
        # Stop the mailbox if the connection is collected without having been closed.
        weakref.finalize(self, self._mailbox.stop).atexit = False

    @classmethod
    def open(
        cls,
        dbapi: Any,
        pragmas: Pragmas,
        connect: Callable[[], Any],
        *,
        is_plain: bool = False,
        cached: int = CACHED,
    ) -> Connection:
        """Open a file on a thread and set the connection up, in one call.

        Args:
            dbapi: The module, sqlite3 or one like it.
            pragmas: The settings.
            connect: Called on the thread; returns the connection.
            is_plain: Whether that is a connection of sqlite3 itself.
            cached: How many statements it keeps.

        Raises:
            Exception: It cannot be opened; the thread has ended.
        """
        self = cls(dbapi, pragmas, cached)
        self._is_plain = is_plain
        try:
            self._wait(self._new_call(partial(self._handle.open, connect)))
        except BaseException:
            self._mailbox.stop()
            raise
        return self

    @property
    def driver_connection(self) -> Connection:
        """Return this: there is no other object below it that is not bound to a thread."""
        return self

    @property
    def in_transaction(self) -> bool:
        """Tell whether a transaction is open that was not yet told to roll back."""
        if self._mailbox.is_idle:
            return self._transaction.is_left_open
        return self._rollback is not self._mailbox.last

    @property
    def streams(self) -> weakref.WeakSet[Stream]:
        """Return the results that still hold a statement open."""
        return self._handle.streams

    @property
    def begin(self) -> Begin:
        """Return how transactions begin; set it between two of them."""
        return self._transaction.begin

    @begin.setter
    def begin(self, value: Begin | None) -> None:
        self._transaction.begin = value or self._pragmas.begin

    @property
    def is_open(self) -> bool:
        """Tell whether the connection can be used."""
        return not (self._mailbox.is_closed or self._mailbox.is_foreign)

    @property
    def level(self) -> str:
        """Return the isolation level, as SQLAlchemy spells it."""
        return self._level

    @level.setter
    def level(self, value: str) -> None:
        self._level = value
        self._transaction.is_autocommit = value == "AUTOCOMMIT"

    @property
    def isolation_level(self) -> None:
        """Return None: pysqlite's switch for its own BEGIN, which does not exist here."""
        return None

    @isolation_level.setter
    def isolation_level(self, value: object) -> None:
        pass

    def __repr__(self) -> str:
        """Show that it is one; it may be closed."""
        return f"<{type(self).__module__}.Connection at {id(self):#x}>"

    def run_short_at_once(self, short: ShortStatements) -> None:
        """Let short statements run on the event loop's thread, until the user adds functions.

        Args:
            short: Where it is known which are short.
        """
        # Other journals lock readers out, and may have to be rolled back by the next reader.
        is_logged = self._pragmas.is_wal and self.writers.has_log
        self._short = short if self._is_plain and is_logged else None
        if self._short is not None:
            self._handle.share_syncs()

    def borrow(self) -> Any:
        """Return the sqlite3 connection, for reads on the event loop's thread.

        Until it is closed nothing else may use this connection. None where a statement could take
        long: with functions or hooks of the program's own, or in other journals.
        """
        return self._handle.sqlite if self._short is not None and self._mailbox.is_idle else None

    @property
    def writers(self) -> Writers:
        """Return what the connections that write to the file share, in this process."""
        return self._transaction.writers

    def _distrust(self) -> None:
        """Run everything on threads, with the settings that the user may have changed."""
        self._short = None
        self._transaction.sharing.is_allowed = False

    def cursor(self, server_side: bool = False) -> Cursor:
        """Return a new cursor; a server-side one fetches its rows in batches."""
        return StreamCursor(self) if server_side else Cursor(self)

    def execute(self, operation: str, parameters: Any = ()) -> Cursor:
        """Execute one statement on a new cursor."""
        cursor = self.cursor()
        cursor.execute(operation, parameters)
        return cursor

    def executemany(self, operation: str, parameters: Any) -> Cursor:
        """Execute one statement for many parameters on a new cursor."""
        cursor = self.cursor()
        cursor.executemany(operation, parameters)
        return cursor

    def run_statement(self, sql: str, action: Callable[[Any], _T]) -> _T:
        """Run one statement in its transaction, and wait for it.

        Args:
            sql: The statement, which decides how a transaction begins.
            action: Called with the sqlite3 connection.
        """
        call = self._new_call(partial(self._handle.run, sql, action), kind_of(sql))
        result: _T = self._wait(call)
        return result

    def run_whole(self, sql: str, action: Callable[[Any], _T]) -> _T:
        """Run one statement to its last row, at once if it has always been a short one."""
        short = self._short
        if short is None:
            return self.run_statement(sql, action)
        kind = kind_of(sql)
        result = self._run_alone(sql, action, short, kind)
        if result is not NOT_DONE:
            await_(self.pause())
            return result  # type: ignore[no-any-return]
        is_short = short.has(sql) and self._transaction.can_begin_again(kind)
        call = self._new_call(partial(self._handle.run_whole, sql, action, short), kind)
        if is_short:
            call.at_once = partial(self._handle.run_at_once, sql, action, short)
        return self._wait(call)  # type: ignore[no-any-return]

    def _run_alone(
        self, sql: str, action: Callable[[Any], _T], short: ShortStatements, kind: Kind
    ) -> Any:
        """Run a short read that need not queue at once, or return `NOT_DONE`."""
        is_reader = kind is Kind.READ and self._transaction.begin == "read only"
        if not (is_reader and short.has(sql) and self._transaction.can_begin_again(kind)):
            return NOT_DONE
        return self._mailbox.run_alone(
            lambda: self._handle.run_at_once(sql, action, short, READ_AT_ONCE)
        )

    def read_at_once(self, sql: str, parameters: Sequence[Any]) -> list[Any] | None:
        """Return the rows of a short query, without a greenlet; `pause` has to be awaited then.

        Returns:
            None if it may have to wait: a cursor has to execute it.
        """
        if self._short is None:
            return None
        action: Any = partial(_fetch_all, sql, parameters)
        action = self.bindings.releasing(action, size_of(parameters))
        rows = self._run_alone(sql, action, self._short, kind_of(sql))
        return None if rows is NOT_DONE else rows

    def pause(self) -> Awaitable[None]:
        """Return what lets others run, if this task has gone from read to read for long."""
        return self._pauses.after_statement(is_holding=False)

    def run_action(self, action: Callable[[Any], _T]) -> _T:
        """Call a function with the sqlite3 connection in its thread, and wait for it."""
        result: _T = self._wait(self._new_call(lambda _call: action(self._handle.sqlite)))
        return result

    def commit(self) -> None:
        """COMMIT if anything is open; neither cancellation nor a deadline interrupts it."""
        is_idle = self._mailbox.is_idle
        if is_idle and not self._transaction.is_left_open:
            return
        short = self._short
        call = self._new_call(partial(self._handle.commit, short))
        if short is not None and short.has(COMMIT):
            call.at_once = partial(self._handle.commit_at_once, short)
        self._await_to_the_end(call)
        self._pauses.note()

    def rollback(self) -> None:
        """ROLLBACK if anything is open; only that of a writer is waited for."""
        is_idle = self._mailbox.is_idle
        if self._mailbox.is_closed or (
            is_idle and not self._transaction.is_left_open and not self._handle.streams
        ):
            return
        if is_idle and self._transaction.is_writing:
            self._await_to_the_end(self._new_call(lambda _call: self._handle.roll_back()))
            return
        if self._is_plain and self._mailbox.run_alone(self._handle.roll_back) is not NOT_DONE:
            return
        # Not awaited: a ROLLBACK of a read has no visible effect, and later calls queue behind it.
        self._rollback = call = Call(lambda _call: self._handle.roll_back())
        self._mailbox.append(call, self._outbox_here())

    def close(self) -> None:
        """Roll back, optimise, close, and end the thread."""
        if not self.is_open:
            self._mailbox.stop()
            return
        try:
            self._await_to_the_end(self._new_call(self._handle.close), is_last=True)
        finally:
            self._mailbox.join()

    def interrupt(self) -> None:
        """Interrupt the statement that runs, from any thread."""
        self._handle.interrupt()

    def terminate(self) -> None:
        """Interrupt what runs, roll back and close without waiting."""
        self._mailbox.stop()

    async def run(self, function: Callable[[sqlite3.Connection], _T]) -> _T:
        """Call a function with the sqlite3 connection, in its thread.

        For what no statement does: `backup`, `iterdump`, `blobopen`. It must leave no transaction
        open that it began.
        """
        self._distrust()
        return await greenlet_spawn(lambda: self.run_action(function))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _PASSED_ON:
            raise AttributeError(name)
        return partial(self._pass_on, name)

    def _pass_on(self, name: str, *args: Any, **kwargs: Any) -> Any:
        # From now on statements may call functions of the program's, and take any time.
        self._distrust()
        return self.run_action(lambda sqlite: getattr(sqlite, name)(*args, **kwargs))

    def _new_call(self, function: Callable[[Call], Any], kind: Kind = Kind.OTHER) -> Call:
        if not self.is_open:
            message = "Cannot operate on a closed database."
            if self._mailbox.is_foreign:
                message += " It was opened before a fork"
            raise self._dbapi.ProgrammingError(message)
        patience = self._pragmas.patience
        return Call(function, self._outbox_here(), kind=kind, patience=patience, waited=self.waited)

    def _outbox_here(self) -> Outbox:
        loop = asyncio.get_running_loop()
        if self._outbox is None or self._outbox.loop is not loop:
            self._outbox = outbox_of(loop)
        return self._outbox

    def _wait(self, call: Call) -> Any:
        """Submit a call and wait for it; cancelled or late, its statement is interrupted."""
        future = call.future
        assert future is not None
        limit = self._pragmas.statement_timeout
        timer = future.get_loop().call_later(limit, self._be_late, call) if limit else None
        try:
            self._mailbox.put(call)
            if future.done():
                await_(self._pauses.after_statement(is_holding=self._transaction.is_writing))
                return future.result()
            return await_(future)
        except BaseException as error:
            if not call.is_over:
                self._mailbox.give_up(call)
            if call.is_late and isinstance(error, self._dbapi.OperationalError):
                error.args = (f"interrupted: the statement ran for over {limit} s",)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _be_late(self, call: Call) -> None:
        call.is_late = True
        self._mailbox.give_up(call)

    def _await_to_the_end(self, call: Call, *, is_last: bool = False) -> None:
        """Run what may not be interrupted; a caller who is cancelled leaves it running."""
        (self._mailbox.close if is_last else self._mailbox.put)(call)
        assert call.future is not None
        await_(call.future)


def _fetch_all(sql: str, parameters: Sequence[Any], sqlite: Any) -> Any:
    return sqlite.execute(sql, parameters).fetchall()
