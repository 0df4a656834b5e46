"""One unit of work: a session and a transaction, from the first statement to COMMIT or ROLLBACK.

Knows engines, no web framework. What ends a unit of work is shielded from cancellation, and
nothing of a failed one stays in the pool.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, AsyncSessionTransaction
from sqlalchemy.orm import ORMExecuteState, Session

from ormolu.engines import Engines
from ormolu.errors import (
    ConcurrentUseError,
    DatabaseDownError,
    NoUnitOfWorkError,
    OutcomeUnknownError,
    ReadOnlyError,
    SessionClosedError,
)
from ormolu.faults import fault_of
from ormolu.transactions import Access

__all__ = ["UnitOfWork", "after_commit"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger("ormolu")

# A task may be inside a session whose unit of work ends; its statement is not waited for longer.
_TAKE_OVER_SECONDS = 1.0

# Beyond the pool's own timeout, so that a full pool is told from a silent database.
_BEGIN_MARGIN = 1.15


class UnitOfWork:
    """One session and one transaction; ends once, with `commit` or with `rollback`.

    Attributes:
        access: Whether it may write.
    """

    def __init__(self, engines: Engines, access: Access) -> None:
        """Begin nothing yet: the first statement takes a connection."""
        self.access = access
        self._engines = engines
        self._session: _UnitSession | None = None
        self._is_over = False

    @property
    def session(self) -> AsyncSession:
        """Return the session; it takes a connection with its first statement.

        Raises:
            SessionClosedError: The unit of work has ended.
        """
        if self._is_over:
            raise SessionClosedError(_CLOSED)
        if self._session is None:
            self._session = _UnitSession(self._engines, self.access)
        return self._session

    @property
    def last_entity(self) -> str | None:
        """Return the name of the class that the last ORM query asked for."""
        return None if self._session is None else self._session.rules.last_entity

    @property
    def is_over(self) -> bool:
        """Tell whether the unit of work was committed or rolled back."""
        return self._is_over

    async def commit(self) -> None:
        """Flush, COMMIT, close the session for good, then run what waits for the commit.

        Cancelling the caller does not interrupt it. If it fails, everything is rolled back.

        Raises:
            ConcurrentUseError: Another task is using the session.
            OutcomeUnknownError: The connection broke during COMMIT.
        """
        session = self._end()
        if session is not None:
            await _run_to_completion(_commit(session))

    async def rollback(self) -> None:
        """Roll back and close the session for good; never fails, never is interrupted."""
        session = self._end()
        if session is not None:
            await _run_to_completion(_roll_back(session))

    def _end(self) -> _UnitSession | None:
        session = None if self._is_over else self._session
        self._is_over = True
        return session


def after_commit(
    session: AsyncSession, function: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs
) -> None:
    """Call a function once the session's unit of work is committed, before the answer is sent.

    Nothing is called if the unit of work is rolled back. An error in the function is logged and
    changes nothing: the work is stored already. A plain function runs in a thread. Give it ids,
    not ORM objects; it opens a unit of work of its own.

    Args:
        session: Session of a unit of work, as `SessionDep` and `db.unit_of_work()` give it.
        function: Plain or coroutine function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Raises:
        NoUnitOfWorkError: The session is not one of ours.
    """
    if not isinstance(session, _UnitSession):
        message = (
            "after_commit needs the session of a unit of work: SessionDep or db.unit_of_work()."
        )
        raise NoUnitOfWorkError(message)
    session.callbacks.append(functools.partial(function, *args, **kwargs))


class _SyncSession(Session):
    """The part below AsyncSession; its events hold the rules of a unit of work."""

    is_read_only = False
    last_entity: str | None = None


@event.listens_for(_SyncSession, "before_flush")
def _refuse_flush(session: _SyncSession, _context: object, _objects: object) -> None:
    if not session.is_read_only:
        return
    changed = [*session.new, *session.deleted, *filter(session.is_modified, session.dirty)]
    if changed:
        raise ReadOnlyError(_read_only_message(type(changed[0]).__name__))


@event.listens_for(_SyncSession, "do_orm_execute")
def _note_execution(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, _SyncSession)
    mapper = state.bind_mapper
    name = mapper.class_.__name__ if mapper is not None else None
    if session.is_read_only and (state.is_insert or state.is_update or state.is_delete):
        raise ReadOnlyError(_read_only_message(name or "a table"))
    if state.is_select and not (state.is_column_load or state.is_relationship_load):
        session.last_entity = name


def _one_task_at_a_time(method: Callable[..., Awaitable[_T]]) -> Callable[..., Awaitable[_T]]:
    @functools.wraps(method)
    async def guarded(self: _UnitSession, *args: Any, **kwargs: Any) -> _T:
        with self.in_use():
            await self.take_connection()
            return await method(self, *args, **kwargs)

    return guarded


class _UnitSession(AsyncSession):
    """An AsyncSession that belongs to one unit of work and to one task at a time."""

    sync_session_class = _SyncSession

    def __init__(self, engines: Engines, access: Access) -> None:
        super().__init__(expire_on_commit=False, close_resets_only=False)
        self.callbacks: list[Callable[[], Any]] = []
        self.rules.is_read_only = access is Access.READ
        self._engines = engines
        self._access = access
        self._has_connection = False
        self._is_closed = False
        self._user: asyncio.Task[Any] | None = None
        self._ender: asyncio.Task[Any] | None = None
        self._freed = asyncio.Event()

    @property
    def rules(self) -> _SyncSession:
        """Return the part below, which holds the rules."""
        assert isinstance(self.sync_session, _SyncSession)
        return self.sync_session

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold the session for the current task; its own nested calls pass.

        Raises:
            ConcurrentUseError: Another task holds it.
            SessionClosedError: Its unit of work is ending.
        """
        self.check_open()
        task = asyncio.current_task()
        if self._ender is not None and self._ender is not task:
            raise SessionClosedError(_CLOSED)
        if self._user is not None and self._user is not task:
            raise ConcurrentUseError(_CONCURRENT)
        outer, self._user = self._user, task
        try:
            yield
        finally:
            self._user = outer
            self._freed.set()

    def check_free(self) -> None:
        """Refuse to end the session while a task is inside one of its methods.

        Raises:
            ConcurrentUseError: A task is.
        """
        if self._user is not None:
            raise ConcurrentUseError(_CONCURRENT)

    async def take_over(self) -> None:
        """Let no other task in any more, and wait for one that is inside.

        Raises:
            TimeoutError: It did not come out.
        """
        self._ender = asyncio.current_task()
        async with asyncio.timeout(_TAKE_OVER_SECONDS):
            while self._user is not None:
                self._freed.clear()
                await self._freed.wait()

    def check_open(self) -> None:
        """Refuse a session whose unit of work has ended.

        Raises:
            SessionClosedError: It has ended.
        """
        if self._is_closed:
            raise SessionClosedError(_CLOSED)

    async def take_connection(self, **options: Any) -> None:
        """Get a connection and BEGIN, all within the pool timeout.

        Raises:
            DatabaseDownError: The database did not answer in time.
            OverloadedError: No connection or lock came free in time.
        """
        if self._has_connection:
            return
        pair = self._engines.current or await self._engines.open()
        self.bind = pair.of(self._access)
        limit = self._engines.options.pool_timeout * _BEGIN_MARGIN
        try:
            async with asyncio.timeout(limit):
                await AsyncSession.connection(self, execution_options=options)
        except TimeoutError as error:
            message = f"The database did not let a transaction begin within {limit:.2f} s."
            raise DatabaseDownError(message) from error
        self._has_connection = True

    def begin(self) -> AsyncSessionTransaction:
        """Open a SAVEPOINT: the transaction itself is the unit of work's."""
        return self.begin_nested()

    def begin_nested(self) -> AsyncSessionTransaction:
        """Open a SAVEPOINT."""
        self.check_open()
        return _Savepoint(self, nested=True)

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
            await self.take_connection(**(execution_options or {}))
            return await super().connection(bind_arguments, **kw)

    async def stream(self, *args: Any, **kwargs: Any) -> Any:
        """Execute and stream the rows; server-side cursors need a transaction to live in."""
        with self.in_use():
            if self._access is Access.READ and self._engines.reads_in_autocommit:
                await self.commit()
                await self.take_connection(isolation_level="READ COMMITTED")
            await self.take_connection()
            return await super().stream(*args, **kwargs)

    async def commit(self) -> None:
        """Commit now; what follows in this unit of work is a new transaction."""
        with self.in_use():
            if self.new or self.deleted or self.dirty:
                await self.take_connection()
            self._has_connection = False
            await super().commit()

    async def rollback(self) -> None:
        """Roll back now; what follows in this unit of work is a new transaction."""
        with self.in_use():
            self._has_connection = False
            await super().rollback()

    async def close(self) -> None:
        """Close for good; what was not committed is rolled back."""
        self._is_closed = True
        await super().close()


class _Savepoint(AsyncSessionTransaction):
    """A SAVEPOINT that may be the first thing its unit of work sends."""

    async def start(self, is_ctxmanager: bool = False) -> _Savepoint:
        assert isinstance(self.session, _UnitSession)
        with self.session.in_use():
            await self.session.take_connection()
            await super().start(is_ctxmanager=is_ctxmanager)
        return self


# Only what sends statements itself: the other methods of AsyncSession call these.
for _name in (
    "delete", "delete_all", "execute", "flush", "get", "get_one",
    "merge", "merge_all", "refresh", "run_sync", "scalar",
):  # fmt: skip
    setattr(_UnitSession, _name, _one_task_at_a_time(getattr(AsyncSession, _name)))


async def _commit(session: _UnitSession) -> None:
    try:
        session.check_free()
        if session.new or session.deleted or session.dirty:
            await session.flush()
        if not session.rules.is_read_only:
            await _send_commit(session)
    except BaseException:
        await _roll_back(session)
        raise
    if session.rules.is_read_only:
        # Not close alone: one whose ROLLBACK fails would never give the connection back.
        await _roll_back(session)
    else:
        await session.close()
    await _run_callbacks(session)


async def _send_commit(session: _UnitSession) -> None:
    try:
        await session.commit()
    except Exception as error:
        if fault_of(error).is_settled:
            raise
        message = "The connection broke during COMMIT; the change may be stored or not."
        raise OutcomeUnknownError(message) from error


async def _roll_back(session: _UnitSession) -> None:
    """Roll back, or else throw the connection away: it must not come back to the pool."""
    try:
        await session.take_over()
        # Before the ROLLBACK, which would expire them: loaded objects stay readable.
        session.expunge_all()
        await session.rollback()
        await session.close()
    except Exception as error:
        _log.warning("A ROLLBACK failed (%s); its connection is discarded.", type(error).__name__)
        await _discard(session)


async def _discard(session: _UnitSession) -> None:
    try:
        await session.invalidate()
    except Exception as error:
        _log.warning("A connection could not be discarded (%s).", type(error).__name__)


async def _run_callbacks(session: _UnitSession) -> None:
    for callback in session.callbacks:
        try:
            is_coroutine = iscoroutinefunction(callback)
            result = callback() if is_coroutine else anyio.to_thread.run_sync(callback)
            await result
        except Exception:
            _log.exception("A function given to after_commit failed; the work is stored.")


async def _run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Finish the work even if the caller is cancelled, then let the cancellation through."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
    failure = task.exception()
    if cancelled is not None:
        raise cancelled
    if failure is not None:
        raise failure


def _read_only_message(name: str) -> str:
    return (
        f"This unit of work only reads, and {name} was to be written. GET, HEAD and QUERY do not "
        "write: use POST, PUT, PATCH or DELETE, or a unit of work of its own: "
        "`async with db.unit_of_work() as session: ...`"
    )


_CLOSED = (
    "The unit of work of this session has ended: its answer was being sent. In a background task, "
    "a stream or a WebSocket write `async with db.unit_of_work() as session: ...`"
)

_CONCURRENT = (
    "Two tasks use one session at once. Await one after the other, or give each task a session of "
    "its own: `async with db.unit_of_work() as session: ...`"
)
