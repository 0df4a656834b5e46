"""One unit of work: a session and a transaction, from the first statement to COMMIT or ROLLBACK.

Knows engines, no web framework. What ends a unit of work is shielded from cancellation, and
nothing of a failed one stays in the pool.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.engines import Engines
from ormolu.errors import OutcomeUnknownError, SessionClosedError, UsageError
from ormolu.faults import fault_of
from ormolu.sessions._callbacks import run_callbacks, run_to_completion
from ormolu.sessions._misuses import CLOSED
from ormolu.sessions._repeats import Repeats
from ormolu.sessions._rules import has_session_listeners
from ormolu.sessions._session import WORK_KEY, UnitSession
from ormolu.transactions import Access

__all__ = ["UnitOfWork", "run_repeatedly"]

_T = TypeVar("_T")

_log = logging.getLogger("ormolu")


class UnitOfWork:
    """One session and one transaction; ends once, with `commit` or with `rollback`.

    Attributes:
        access: Whether it may write.
    """

    def __init__(self, engines: Engines, access: Access) -> None:
        """Begin nothing yet: the first statement takes a connection."""
        self.access = access
        self._engines = engines
        self._session: UnitSession | None = None
        self._reads: UnitSession | None = None
        self._is_over = False

    @property
    def session(self) -> AsyncSession:
        """Return the session; it takes a connection with its first statement.

        Raises:
            SessionClosedError: The unit of work has ended.
        """
        if self._is_over:
            raise SessionClosedError(CLOSED)
        if self._session is None:
            self._session = UnitSession(self._engines, self.access)
        return self._session

    @property
    def read_session(self) -> AsyncSession:
        """Return a session that only reads, and keeps its connection for a statement at a time.

        Raises:
            SessionClosedError: The unit of work has ended.
        """
        if self.access is Access.READ or self._is_over:
            return self.session
        if self._reads is None:
            self._reads = UnitSession(self._engines, Access.READ, is_brief=True)
        return self._reads

    def leaves_nothing(self, access: Access) -> bool:
        """Tell whether work could be done beside it, and nobody could tell.

        Args:
            access: Of that work. To read, nothing may have been written, nor told to the
                connection; to write, nothing may have been done at all. The program may not
                have a part in what the session sends: conditions added to it, say.
        """
        session = self._session
        if session is None:
            return not self._is_over
        has_options = bool(session.rules.execution_options)
        if session.is_closed or has_options or has_session_listeners(session):
            return False
        return session.has_only_read if access is Access.READ else session.is_untouched

    def is_of(self, session: AsyncSession) -> bool:
        """Tell whether a session is the one that this unit of work commits."""
        return session is self._session and not self._is_over

    @property
    def last_entity(self) -> str | None:
        """Return the name of the class that the last ORM query asked for."""
        return None if self._session is None else self._session.rules.last_entity

    @property
    def is_at_work(self) -> bool:
        """Tell whether a statement of it runs, or a transaction is open."""
        return not self._is_over and any(
            each is not None and each.is_at_work for each in (self._session, self._reads)
        )

    @property
    def is_committing(self) -> bool:
        """Tell whether a COMMIT was sent that is not answered yet."""
        return self._session is not None and self._session.commits.is_under_way

    def give_up_commit(self) -> None:
        """Wait no longer for the answer to a COMMIT: nobody knows its outcome then."""
        if self._session is not None:
            self._session.commits.give_up()

    @property
    def is_over(self) -> bool:
        """Tell whether the unit of work was committed or rolled back."""
        return self._is_over

    @property
    def may_have_stored(self) -> bool:
        """Tell whether something of it may be stored, be it over or not."""
        session = self._session
        return (
            session is not None and session.rules.has_committed and not session.rules.is_read_only
        )

    async def commit(self) -> None:
        """Flush, COMMIT, close the session for good, then run what waits for the commit.

        Cancelling the caller does not interrupt it. If it fails, everything is rolled back.

        Raises:
            ConcurrentUseError: Another task is using the session.
            OutcomeUnknownError: The connection broke during COMMIT.
            RolledBackError: An error was caught that had rolled the transaction back.
        """
        session = self._end()
        try:
            if session is None:
                return
            if session.ends_at_once and not (session.callbacks or session.has_changes):
                session.end_at_once()
            else:
                await run_to_completion(_commit(session))
        finally:
            if self._reads is not None:
                await self._end_reads()

    async def rollback(self) -> None:
        """Roll back and close the session for good; never fails, never is interrupted."""
        session = self._end()
        try:
            if session is not None:
                await _end_unchanged(session)
        finally:
            if self._reads is not None:
                await self._end_reads()

    async def _end_reads(self) -> None:
        reads, self._reads = self._reads, None
        if reads is not None:
            await _end_unchanged(reads)

    def _end(self) -> UnitSession | None:
        session = None if self._is_over else self._session
        self._is_over = True
        return session


async def run_repeatedly(
    engines: Engines, function: Callable[[AsyncSession], Awaitable[_T]], work: Hashable
) -> _T:
    """Call a function in a unit of work, and again in another one while others interfere.

    Args:
        engines: The database.
        function: It.
        work: What it does, by which those that do the same are known.

    Raises:
        Exception: What the function or the COMMIT has raised the last time.
    """
    repeats = Repeats()
    try:
        while True:
            unit = UnitOfWork(engines, Access.WRITE)
            unit.session.info[WORK_KEY] = work
            try:
                result = await function(unit.session)
                await unit.commit()
            except Exception as error:
                if unit.may_have_stored or not repeats.allow(error):
                    if repeats.tries > 1:
                        error.add_note(f"Tried {repeats.tries} times.")
                    raise
            else:
                return result
            finally:
                await unit.rollback()
            await asyncio.sleep(repeats.pause())
            await repeats.begin([engines], work)
    finally:
        repeats.end()


async def _end_unchanged(session: UnitSession) -> None:
    if session.ends_at_once:
        session.end_at_once()
    else:
        await run_to_completion(_roll_back(session))


async def _commit(session: UnitSession) -> None:
    try:
        session.check_free()
        await session.take_over()
        session.check_alive()
        if session.has_changes:
            await session.flush()
        if not (session.rules.is_read_only or session.is_closed):
            await _send_commit(session)
    except BaseException:
        await _roll_back(session)
        raise
    if session.rules.is_read_only:
        # Closing alone is not enough: if its ROLLBACK failed, the connection would stay taken.
        await _roll_back(session)
    await run_callbacks(session.callbacks)


async def _send_commit(session: UnitSession) -> None:
    try:
        await session.commit_and_close()
    except (OutcomeUnknownError, UsageError):
        raise
    except Exception as error:
        if fault_of(error).is_settled:
            raise
        message = "The connection broke during COMMIT; the change may be stored or not."
        raise OutcomeUnknownError(message) from error


async def _roll_back(session: UnitSession) -> None:
    """Roll back, or else throw the connection away: it must not come back to the pool."""
    if session.is_closed:
        return
    try:
        await session.take_over()
        # Before the ROLLBACK, which would expire them: loaded objects stay readable.
        session.expunge_all()
        await session.rollback()
        await session.end()
    except Exception as error:
        _log.warning("A ROLLBACK failed (%s); its connection is discarded.", type(error).__name__)
        await _discard(session)


async def _discard(session: UnitSession) -> None:
    try:
        await session.discard()
    except Exception as error:
        _log.warning("A connection could not be discarded (%s).", type(error).__name__)
