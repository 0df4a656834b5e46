"""Whether the program listens to what an engine does, beside ourselves.

Who sends statements past SQLAlchemy must not do so behind the back of a tracer, or of a listener
that sets a role on each connection that is taken from the pool.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.events import ConnectionEvents, DialectEvents
from sqlalchemy.pool import NullPool, Pool
from sqlalchemy.pool.events import PoolEvents

from ormolu.errors import ConfigurationError
from ormolu.taps import FAULTS

__all__ = ["Listener", "Listeners"]

# Getters in C: each request asks, and a loop in Python would cost more.
_STATEMENTS = attrgetter(
    "after_cursor_execute", "after_execute", "before_cursor_execute", "before_execute", "begin",
    "commit", "engine_connect", "rollback",
)  # fmt: skip
_DIALECT = attrgetter("do_execute", "do_execute_no_params", "do_executemany", "do_setinputsizes")
_CONNECTIONS = attrgetter("checkin", "checkout", "reset")


@dataclass(frozen=True)
class Listener:
    """A function of the program's that listens to an event of both engines.

    Attributes:
        name: Of the event.
        function: Is called.
        is_asked: Whether what it returns is taken (SQLAlchemy's `retval`).
    """

    name: str
    function: Callable[..., Any]
    is_asked: bool = False

    def __post_init__(self) -> None:
        """Refuse a name here, rather than when the engines are made.

        Raises:
            ConfigurationError: No engine has such an event.
        """
        kinds = (ConnectionEvents, DialectEvents, PoolEvents)
        if self.name.startswith("_") or not any(hasattr(kind, self.name) for kind in kinds):
            message = (
                f'An engine has no event "{self.name}". Write one of SQLAlchemy\'s, such as '
                '@db.listens_for("connect").'
            )
            raise ConfigurationError(message)

    def add_to(self, engine: Engine) -> None:
        """Let it listen to one engine."""
        event.listen(engine, self.name, self.function, retval=self.is_asked)


class Listeners:
    """Tells listeners of the program's from our own."""

    def __init__(self) -> None:
        self._theirs: list[Listener] = []
        # How many are ours: of all, of those for the ends of transactions, of those for openings.
        self._ours: weakref.WeakKeyDictionary[Engine, tuple[int, int, int]]
        self._ours = weakref.WeakKeyDictionary()

    @contextmanager
    def adding_ours(self, engine: Engine) -> Iterator[None]:
        """Take those for our own that are added within the block: others may be there before."""
        theirs, their_ends = _count(engine), _count_ends(engine)
        yield
        # The dialect's own listen to openings, too, and were there before.
        openings = _count_openings(engine.pool) - _count_openings(_POOL)
        self._ours[engine] = (_count(engine) - theirs, _count_ends(engine) - their_ends, openings)

    def note(self, listener: Listener) -> None:
        """Keep one of theirs for engines that are made later."""
        self._theirs.append(listener)

    def add_theirs(self, engine: Engine) -> None:
        """Let all of theirs that were kept listen to a new engine."""
        for listener in self._theirs:
            listener.add_to(engine)

    def has_any(self, engine: Engine) -> bool:
        """Tell whether anybody else listens by now, to this engine or to all, or reads its log.

        Or a test has a fault for statements.
        """
        if FAULTS or engine.logger.isEnabledFor(logging.INFO):
            # By `echo=True`, or by the level of the logger "sqlalchemy.engine".
            return True
        return _count(engine) != self._ours[engine][0]

    def has_for_ends(self, engine: Engine) -> bool:
        """Tell whether anybody else listens to a ROLLBACK, or to what goes back to the pool."""
        return _count_ends(engine) != self._ours[engine][1]

    def has_for_openings(self, engine: Engine) -> bool:
        """Tell whether anybody else may tell a new connection something."""
        return _count_openings(engine.pool) != self._ours[engine][2]


# Has the listeners that all pools have.
_POOL = NullPool(lambda: None)  # type: ignore[arg-type]


def _count_openings(pool: Pool) -> int:
    return len(pool.dispatch.connect) + len(pool.dispatch.first_connect)


def _count_ends(engine: Engine) -> int:
    pool = engine.pool.dispatch
    return len(pool.checkin) + len(pool.reset) + len(engine.dispatch.rollback)


def _count(engine: Engine) -> int:
    listeners = (
        *_STATEMENTS(engine.dispatch), *_DIALECT(engine.dialect.dispatch),
        *_CONNECTIONS(engine.pool.dispatch),
    )  # fmt: skip
    return sum(map(len, listeners))
