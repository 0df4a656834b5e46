"""Whether the program listens to what an engine does, beside ourselves.

Who sends statements past SQLAlchemy must not do so behind the back of a tracer, or of a listener
that sets a role on each connection that is taken from the pool.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter

from sqlalchemy import Engine

__all__ = ["Listeners"]

# Each request may ask, so that what is asked for is no loop of Python's.
_STATEMENTS = attrgetter(
    "after_cursor_execute", "after_execute", "before_cursor_execute", "before_execute", "begin",
    "commit", "engine_connect", "rollback",
)  # fmt: skip
_DIALECT = attrgetter("do_execute", "do_execute_no_params", "do_executemany", "do_setinputsizes")
_CONNECTIONS = attrgetter("checkin", "checkout", "reset")


class Listeners:
    """Tells listeners of the program's from our own."""

    def __init__(self) -> None:
        # How many of all, and of those who hear of the end of a transaction.
        self._ours: weakref.WeakKeyDictionary[Engine, tuple[int, int]]
        self._ours = weakref.WeakKeyDictionary()

    @contextmanager
    def adding_ours(self, engine: Engine) -> Iterator[None]:
        """Take those for our own that are added within the block: others may be there before."""
        theirs, their_ends = _count(engine), _count_ends(engine)
        yield
        self._ours[engine] = (_count(engine) - theirs, _count_ends(engine) - their_ends)

    def are_there(self, engine: Engine) -> bool:
        """Tell whether anybody else listens by now, to this engine or to all, or reads its log."""
        if engine.logger.isEnabledFor(logging.INFO):
            # By `echo=True`, or by the level of the logger "sqlalchemy.engine".
            return True
        return _count(engine) != self._ours[engine][0]

    def hear_ends(self, engine: Engine) -> bool:
        """Tell whether anybody else listens to a ROLLBACK, or to what goes back to the pool."""
        return _count_ends(engine) != self._ours[engine][1]


def _count_ends(engine: Engine) -> int:
    pool = engine.pool.dispatch
    return len(pool.checkin) + len(pool.reset) + len(engine.dispatch.rollback)


def _count(engine: Engine) -> int:
    heard = (
        *_STATEMENTS(engine.dispatch), *_DIALECT(engine.dialect.dispatch),
        *_CONNECTIONS(engine.pool.dispatch),
    )  # fmt: skip
    return sum(map(len, heard))
