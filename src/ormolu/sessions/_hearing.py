"""Whether the program listens to a session, be it to this one or to all.

Each request asks, and SQLAlchemy makes a session's own list of listeners when it is first looked
at. So it is looked at only where somebody has asked for it; for all others one unused session
serves, which hears what every session of its class hears.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy.orm import Session

__all__ = ["are_ends_heard", "are_queries_heard", "are_transactions_heard"]

_QUERIES = attrgetter("do_orm_execute", "loaded_as_persistent")

_TRANSACTIONS = attrgetter(
    "after_begin", "after_commit", "after_rollback", "after_soft_rollback",
    "after_transaction_create", "after_transaction_end", "before_commit",
)  # fmt: skip

_ENDS = attrgetter("after_rollback", "after_soft_rollback", "after_transaction_end")

# Where SQLAlchemy keeps a session's own listeners, in its `__dict__`.
_PLACE = "dispatch"


def are_queries_heard(session: Session) -> bool:
    """Tell whether the program hears of queries and of the objects that they load."""
    return any(_QUERIES(_listeners_of(session)))


def are_transactions_heard(session: Session) -> bool:
    """Tell whether the program hears of the beginnings and ends of transactions."""
    return any(_TRANSACTIONS(_listeners_of(session)))


def are_ends_heard(session: Session) -> bool:
    """Tell whether the program hears of a ROLLBACK."""
    return any(_ENDS(_listeners_of(session)))


def _listeners_of(session: Session) -> Any:
    class_: Any = type(session)
    unused: Session = _unused(class_)
    if _PLACE in vars(session) or _PLACE not in vars(unused):
        return session.dispatch
    return unused.dispatch


@cache
def _unused(class_: Any) -> Any:
    session = class_()
    # Its list is made now, and its place known.
    assert session.dispatch is not None
    return session
