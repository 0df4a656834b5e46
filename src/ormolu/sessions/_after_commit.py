"""`after_commit`: what waits for the COMMIT of a session, be it one of ours or not.

Knows how each kind of session tells of its end; not who ends it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.util import await_

from ormolu.errors import NoUnitOfWorkError
from ormolu.sessions._callbacks import Callback, run_callbacks, run_to_completion
from ormolu.sessions._session import UnitSession

__all__ = ["after_commit"]

_P = ParamSpec("_P")

_KEY = "ormolu.after_commit"


def after_commit(
    session: AsyncSession, function: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs
) -> None:
    """Call a function once the session's unit of work is committed, before the answer is sent.

    Nothing is called if the unit of work is rolled back, or the SAVEPOINT that this was called in.
    An error in the function is logged and changes nothing: the work is stored already. A plain
    function runs in a thread; what it returns is awaited here if it can be. Give it ids, not ORM
    objects; it opens a unit of work of its own.

    Of an `AsyncSession` of the program's own, such as a test puts in place of the request's, the
    function is called by the session's next `commit()`; also where that releases a SAVEPOINT in a
    transaction around the session (`join_transaction_mode="create_savepoint"`).

    Args:
        session: As `SessionDep` and `db.unit_of_work()` give it, or any other `AsyncSession`.
        function: Plain or coroutine function, or an object that is called like one.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Raises:
        NoUnitOfWorkError: This is no `AsyncSession`.
    """
    callback = functools.partial(function, *args, **kwargs)
    if isinstance(session, UnitSession):
        session.callbacks.append(callback)
    elif isinstance(session, AsyncSession):
        _waiting_for(session.sync_session).add(callback, session.sync_session)
    else:
        message = (
            f"after_commit needs an AsyncSession, and this is a {type(session).__name__}. Give it "
            "that of SessionDep or of db.unit_of_work()."
        )
        raise NoUnitOfWorkError(message)


class _Waiting:
    """What waits for the commit of a session that is not ours."""

    def __init__(self) -> None:
        # Callbacks, each with the transactions (and SAVEPOINTs) that were open when it was added.
        self._callbacks: list[tuple[Callback, list[SessionTransaction]]] = []
        self._is_committed = False

    def add(self, callback: Callback, session: Session) -> None:
        self._callbacks.append((callback, list(_open_transactions(session))))

    def note_commit(self, session: Session) -> None:
        self._is_committed = session.get_nested_transaction() is None

    def note_rollback(self, _session: Session, transaction: SessionTransaction) -> None:
        self._callbacks = [each for each in self._callbacks if transaction not in each[1]]

    def note_end(self, _session: Session, transaction: SessionTransaction) -> None:
        """Run what waits once the connections are given back, or else forget it."""
        if transaction.parent is not None:
            return
        callbacks = [callback for callback, _ in self._callbacks]
        is_committed, self._callbacks, self._is_committed = self._is_committed, [], False
        if is_committed and callbacks:
            await_(run_to_completion(run_callbacks(callbacks)))


def _waiting_for(session: Session) -> _Waiting:
    waiting: Any = session.info.get(_KEY)
    if waiting is None:
        waiting = session.info[_KEY] = _Waiting()
        event.listen(session, "after_commit", waiting.note_commit)
        event.listen(session, "after_soft_rollback", waiting.note_rollback)
        event.listen(session, "after_transaction_end", waiting.note_end)
    assert isinstance(waiting, _Waiting)
    return waiting


def _open_transactions(session: Session) -> Iterator[SessionTransaction]:
    """Yield the session's innermost transaction, and those around it."""
    transaction = session.get_nested_transaction() or session.get_transaction()
    while transaction is not None:
        yield transaction
        transaction = transaction.parent
