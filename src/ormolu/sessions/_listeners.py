"""Whether the program listens to a session, be it to this one or to all.

Each request asks. SQLAlchemy makes a session's own list of listeners when it is first looked at,
so that is avoided: a session without such a list has the listeners that all sessions of its class
have, and those are read from one unused session.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy.orm import Session

__all__ = ["has_end_listeners", "has_query_listeners", "has_transaction_listeners"]

_QUERIES = attrgetter("do_orm_execute", "loaded_as_persistent")

_TRANSACTIONS = attrgetter(
    "after_begin", "after_commit", "after_rollback", "after_soft_rollback",
    "after_transaction_create", "after_transaction_end", "before_commit",
)  # fmt: skip

_ENDS = attrgetter("after_rollback", "after_soft_rollback", "after_transaction_end")

# Where SQLAlchemy keeps a session's own listeners, in its `__dict__`.
_PLACE = "dispatch"


def has_query_listeners(session: Session) -> bool:
    """Tell whether the program listens to queries, or to the objects that they load."""
    return any(_QUERIES(_listeners_of(session)))


def has_transaction_listeners(session: Session) -> bool:
    """Tell whether the program listens to beginnings or ends of transactions."""
    return any(_TRANSACTIONS(_listeners_of(session)))


def has_end_listeners(session: Session) -> bool:
    """Tell whether the program listens to a ROLLBACK."""
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
    # Reading it makes the list.
    assert session.dispatch is not None
    return session
