"""The session of a unit of work: an AsyncSession with the rules that make it safe to hand out.

One task at a time, nothing after the end, no write where only reads are allowed, and a bounded
wait for the connection. Knows engines; not who commits.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, AsyncSessionTransaction
from sqlalchemy.util import greenlet_spawn

from ormolu.engines import EnginePair, Engines, FairPool, Precedence, bears_traces
from ormolu.faults import fault_of
from ormolu.sessions._closable import ClosableSession
from ormolu.sessions._commits import Commits
from ormolu.sessions._listeners import has_end_listeners, has_transaction_listeners
from ormolu.sessions._place import Place
from ormolu.sessions._rules import asks_for_cursor
from ormolu.sessions._savepoints import Savepoint
from ormolu.transactions import Access

__all__ = ["WORK_KEY", "UnitSession"]

_T = TypeVar("_T")

# In a session's info: what is done with it, such as the id of a route's function.
WORK_KEY = "ormolu.work"

# SQLAlchemy's code for a transaction whose connection broke: not the program's mistake.
_LOST_CONNECTION = "8s2b"


def _one_task_at_a_time(method: Callable[..., Awaitable[_T]]) -> Callable[..., Awaitable[_T]]:
    @functools.wraps(method)
    async def guarded(self: UnitSession, *args: Any, **kwargs: Any) -> _T:
        outer, was_told = self._enter(), self.rules.has_told
        try:
            if not self._has_connection:
                await self.take_connection()
            result = await method(self, *args, **kwargs)
        except PendingRollbackError as error:
            if error.code == _LOST_CONNECTION:
                raise
            raise self.rolled_back() from error
        except Exception as error:
            if self._place is not None and await self._goes_elsewhere(error, was_told):
                return await guarded(self, *args, **kwargs)
            self.fault = fault_of(error)
            raise
        else:
            if self._lets_go and outer is None and (self._is_brief or self._is_pool_short()):
                await self._let_go()
            return result
        finally:
            self._leave(outer)

    return guarded


class UnitSession(ClosableSession):
    """An AsyncSession that belongs to one unit of work and to one task at a time.

    Attributes:
        commits: Its COMMITs.
    """

    def __init__(self, engines: Engines, access: Access, *, is_brief: bool = False) -> None:
        """Take no connection yet.

        Args:
            engines: The database.
            access: Whether it may write.
            is_brief: Whether its connection goes back after each statement. Where reads are sent
                in autocommit it does anyway, once the pool is short of them.
        """
        super().__init__(expire_on_commit=False, close_resets_only=False)
        self.rules.is_read_only = access is Access.READ
        self.engines: Engines = engines
        self._access = access
        if access is Access.WRITE:
            engines.counts.writes += 1
        else:
            engines.counts.reads += 1
        self._engine: Engine | None = None
        self._is_brief = is_brief
        self._lets_go = access is Access.READ and (is_brief or engines.reads_in_autocommit)
        self._has_options = False
        self._is_in_transaction = False
        self._place: Place | None = None
        self.commits: Commits = Commits()
        self._is_exposed = False  # To the program: its connection, or the session below.

    async def take_connection(self, **options: Any) -> None:
        """Get a connection and BEGIN.

        Raises:
            DatabaseDownError: The database did not answer within `connect_timeout`.
            OverloadedError: No connection came free within `pool_timeout`.
        """
        if self._has_connection:
            return
        self._has_options = self._has_options or bool(options)
        self._is_in_transaction = "isolation_level" in options
        pair = self.engines.current or await self.engines.open()
        if self._access is Access.WRITE:
            await self._begin_after(pair.precedence)
        elif self.engines.has_replicas and not self._is_brief:
            self._place = self._place or Place(self.engines.replicas, pair)
            await self._place.take(lambda pair: self._take_of(pair, options), self._release)
            return
        await self._take_of(pair, options)

    async def _goes_elsewhere(self, error: Exception, was_told: bool) -> bool:
        """Let another server do what a replica has failed to do, if nothing else is lost with it.

        Reads are sent one by one: what was read before stays as it is.
        """
        assert self._place is not None
        is_bound = self._is_exposed or self._is_in_transaction or was_told
        if is_bound or not self._place.leave(error):
            return False
        await self._release()
        return True

    async def _take_of(self, pair: EnginePair, options: Mapping[str, Any]) -> None:
        engine = pair.of(self._access)
        if self._engine is not engine.sync_engine:
            self.bind, self._engine = engine, engine.sync_engine
        if self.engines.begins_with_first_statement and not options:
            await pair.admission.wait()
        if not options and await self._borrow(pair):
            self._has_connection = True
            return
        if self.engines.begins_with_first_statement and not options:
            # The pool and the driver limit the wait themselves.
            self._has_connection = True
            return
        async with pair.server.answering():
            connection = self.sync_session.connection
            self.rules.connected = await greenlet_spawn(connection, execution_options=options)
        self._has_connection = True

    async def _begin_after(self, precedence: Precedence) -> None:
        """Count the transaction, and let those who go first end before it begins."""
        work = self.info.get(WORK_KEY)
        if precedence.lines:
            await precedence.give_way(work)
        if self.rules.counted is None:
            precedence.begin(work)
            self.rules.counted = precedence, work

    async def _borrow(self, pair: EnginePair) -> bool:
        """Read over a connection that SQLAlchemy knows nothing of, unless somebody listens."""
        engines, rules, engine = self.engines, self.rules, pair.reader.sync_engine
        begins = engines.begins_with_first_statement
        is_reader = self._access is Access.READ and (begins or engines.reads_in_autocommit)
        if not is_reader or rules.in_transaction() or has_transaction_listeners(rules):
            return False
        if engines.listeners.has_any(engine) or not isinstance(engine.pool, FairPool):
            return False
        rules.kept, rules.stopwatch = pair.kept, pair.stopwatch
        rules.borrowed = borrowed = await engine.pool.borrow(begins=begins)
        if borrowed is not None and not borrowed.is_ready:
            async with pair.server.answering():
                await greenlet_spawn(rules.hand_over)
        return borrowed is not None

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        """Return the engine that the statements go to, before the first of them too.

        Raises:
            NoUnitOfWorkError: The database is not open.
        """
        self._bind()
        return super().get_bind(*args, **kwargs)

    def _bind(self) -> None:
        if self._engine is None:
            engine = self.engines.opened.of(self._access)
            self.bind, self._engine = engine, engine.sync_engine

    def _is_pool_short(self) -> bool:
        pool = self._engine.pool if self._engine is not None else None
        return isinstance(pool, FairPool) and pool.is_short

    async def _let_go(self) -> None:
        """Give the connection back until the next statement, unless that needs the same one."""
        if self.rules.borrowed is None and self.sync_session.get_transaction() is not None:
            is_told = bears_traces(self.rules.connected)
            if self._has_options or self._has_end_listeners() or is_told:
                self._lets_go = False
                return
        await self._release()

    async def let_go(self) -> None:
        """Give the connection back for the time of a wait, if another one will do afterwards."""
        if self.has_only_read:
            await self._release()

    async def _release(self) -> None:
        """Give the connection back; the next statement takes another one."""
        if self.rules.borrowed is not None:
            self._has_connection = False
            self.rules.give_back()
            return
        transaction = self.sync_session.get_transaction()
        if transaction is None:
            return
        self.rules.connected = None
        self._has_connection = False
        # Closing the session instead would detach its objects.
        await greenlet_spawn(transaction.close)

    async def take_transaction(self) -> None:
        """Get a connection with a transaction, which reads in autocommit have not."""
        is_autocommit = self._access is Access.READ and self.engines.reads_in_autocommit
        if is_autocommit and not (self._has_connection and self._is_in_transaction):
            await self.commit()
            await self.take_connection(isolation_level="READ COMMITTED")
        await self.take_connection()

    def begin(self) -> AsyncSessionTransaction:
        """Open a SAVEPOINT: the transaction itself is the unit of work's."""
        return self.begin_nested()

    def begin_nested(self) -> AsyncSessionTransaction:
        """Open a SAVEPOINT."""
        self.check_open()
        return Savepoint(self, self.take_transaction)

    def add(self, instance: object, *, _warn: bool = True) -> None:
        """Add an object, unless the unit of work has ended."""
        self.check_open()
        super().add(instance, _warn=_warn)

    async def connection(
        self,
        bind_arguments: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> AsyncConnection:
        """Return the connection; the options apply if it is the first use."""
        with self.in_use():
            self._lets_go = False
            self._is_exposed = True
            await self.take_connection(**(execution_options or {}))
            connection = await super().connection(bind_arguments, **kw)
            # The program may commit by it, of which the session hears nothing.
            event.listen(connection.sync_connection, "commit", self.rules.note_commit)
            return connection

    async def run_sync(self, *args: Any, **kwargs: Any) -> Any:
        """Call a function with the session below, whose connection it may keep."""
        self._lets_go = False
        self._is_exposed = True
        return await _run_sync(self, *args, **kwargs)

    async def stream(self, *args: Any, **kwargs: Any) -> Any:
        """Execute and stream the rows; server-side cursors need a transaction to live in."""
        with self.in_use():
            await self.take_transaction()
            return await super().stream(*args, **kwargs)

    async def commit(self) -> None:
        """Commit now; what follows in this unit of work is a new transaction."""
        with self.in_use():
            self.check_alive()
            if self.has_changes:
                await self.take_connection()
            self._has_connection = False
            is_begun = self.sync_session.in_transaction()
            await self.commits.run(super().commit())
            self._count_commit(is_begun=is_begun)

    async def commit_and_close(self) -> None:
        """COMMIT and close for good; there is nothing left to flush.

        Raises:
            OutcomeUnknownError: It was given up.
        """
        with self.in_use():
            await self.commits.run(greenlet_spawn(self._commit_and_close))

    def _commit_and_close(self) -> None:
        is_begun = self.sync_session.in_transaction()
        self.sync_session.commit()
        self._count_commit(is_begun=is_begun)
        self.mark_closed()
        self.sync_session.close()

    def _count_commit(self, *, is_begun: bool) -> None:
        if is_begun and self._access is Access.WRITE:
            self.engines.counts.commits += 1

    @property
    def is_at_work(self) -> bool:
        """Tell whether a task is inside, or a transaction is open."""
        return self._user is not None or self.sync_session.in_transaction()

    @property
    def is_untouched(self) -> bool:
        """Tell whether it has nothing that its end could still undo, or commit."""
        is_used = self.sync_session.in_transaction() or self.callbacks or self.has_changes
        return not (is_used or self._user or self._has_lost)

    @property
    def has_only_read(self) -> bool:
        """Tell whether another connection sees, and is told, all that this one is."""
        if self._access is not Access.READ or self._user or self.has_changes:
            return False
        is_bound = self._is_exposed or self._is_in_transaction or self.rules.has_told
        return not (is_bound or bears_traces(self.rules.connected))

    @property
    def ends_at_once(self) -> bool:
        """Tell whether `end_at_once` will do: nobody is inside, and nothing has to be waited for.

        ROLLBACK is not, on SQLite; in autocommit there is none. A listener may, and a reset has to.
        """
        if self._access is not Access.READ or self._user is not None:
            return False
        if self.rules.borrowed is not None or self.sync_session.get_transaction() is None:
            return True
        if not self.engines.reads_end_at_once or self._engine is None or self._has_options:
            return False
        return not (self._has_end_listeners() or bears_traces(self.rules.connected))

    def _has_end_listeners(self) -> bool:
        """Tell whether the program listens to ends of transactions, which may fail, or wait."""
        if has_end_listeners(self.sync_session):
            return True
        return self._engine is not None and self.engines.listeners.has_for_ends(self._engine)

    def end_at_once(self) -> None:
        """Roll back and close for good, without ever giving way to another task."""
        self.mark_closed()
        # No greenlet is needed: closing waits for nothing here.
        self.sync_session.close()


async def _execute(self: UnitSession, statement: Any, params: Any = None, **options: Any) -> Any:
    """Execute a statement as AsyncSession does, at once if it need not wait."""
    is_autocommit = self._access is Access.READ and self.engines.reads_in_autocommit
    if is_autocommit and asks_for_cursor(statement, options):
        # Without a transaction the server refuses it; SQLAlchemy says what to write instead.
        await self.take_transaction()
    result = None if any(options.values()) else self.rules.execute_at_once(statement, params)
    if result is None:
        return await AsyncSession.execute(self, statement, params, **options)
    await self.rules.pause()
    return result


async def _scalar(self: UnitSession, statement: Any, params: Any = None, **options: Any) -> Any:
    """Return a statement's first value."""
    return (await _execute(self, statement, params, **options)).scalar()


_run_sync = _one_task_at_a_time(AsyncSession.run_sync)

# Only what sends statements itself: the other methods of AsyncSession call these.
for _name in (
    "delete", "delete_all", "flush", "get", "get_one", "merge", "merge_all", "refresh",
):  # fmt: skip
    setattr(UnitSession, _name, _one_task_at_a_time(getattr(AsyncSession, _name)))

for _name, _method in (("execute", _execute), ("scalar", _scalar)):
    _guarded = functools.update_wrapper(_one_task_at_a_time(_method), getattr(AsyncSession, _name))
    setattr(UnitSession, _name, _guarded)
