"""Which deadline a route has: its own, its resource's, or that of its databases.

Knows how an endpoint is marked; neither requests nor clocks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, NamedTuple

__all__ = ["deadline_of", "is_marked", "mark_deadline"]

_MARK = "ormolu_deadline"


class _Mark(NamedTuple):
    given: float | None
    default: float


def mark_deadline(endpoint: Callable[..., Any], given: float | None, default: float = inf) -> None:
    """Mark an endpoint all of whose work is the database's.

    Args:
        endpoint: What the route calls.
        given: Seconds that its requests may take, whatever those of the databases are.
        default: Seconds where neither says anything.
    """
    setattr(endpoint, _MARK, _Mark(given, default))


def _mark_of(endpoint: Any) -> _Mark | None:
    while isinstance(endpoint, functools.partial):
        endpoint = endpoint.func
    mark = getattr(endpoint, _MARK, None)
    return mark if isinstance(mark, _Mark) else None


def is_marked(endpoint: Any) -> bool:
    """Tell whether all work of an endpoint is the database's."""
    return _mark_of(endpoint) is not None


def deadline_of(endpoint: Any, databases: Iterable[float | None]) -> float:
    """Return the seconds that a request of a route may take.

    Args:
        endpoint: What the route calls, None if it is not known.
        databases: The deadlines of those that it may use.
    """
    given, default = _mark_of(endpoint) or _Mark(None, inf)
    if given is not None:
        return given
    return min((each for each in databases if each is not None), default=default)
