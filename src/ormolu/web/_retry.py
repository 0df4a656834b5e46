"""`@retry`: which routes may be run again where others have thrown their transaction away.

Knows how a route is marked; neither requests nor how they are run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from ormolu.engines import Engines
from ormolu.errors import ConfigurationError
from ormolu.sessions import MOST_REPEATS
from ormolu.web._survey import is_ours

__all__ = ["may_be_marked", "repeats_of", "retry"]

_F = TypeVar("_F", bound=Callable[..., Any])

_MARK = "ormolu_repeats"
_MOST = 10


@overload
def retry(function: _F) -> _F: ...
@overload
def retry(*, times: int = MOST_REPEATS) -> Callable[[_F], _F]: ...
def retry(function: Any = None, *, times: int = MOST_REPEATS) -> Any:
    """Let the requests of a route be run again when others were in the way.

    After a deadlock, a conflict of serialisable transactions, a lock that did not come free: with
    a new session, the same body, the dependencies called anew. Nothing of the run before is
    stored, nothing of its answer was sent, its background tasks and `after_commit` functions are
    not run. What else it has done, such as a call of another service, is done again.

    Write it below the route's decorator, on the function: `@retry`, or `@retry(times=...)`.

    Args:
        function: The route's function.
        times: How often it may be run again, up to 10; 0 for never, with
            `Database(retry="all")` too.

    Raises:
        ConfigurationError: `times` is out of its range.
    """
    if not 0 <= times <= _MOST:
        message = f"@retry(times={times}): write 0 to {_MOST}."
        raise ConfigurationError(message)

    def mark(marked: Any) -> Any:
        setattr(marked, _MARK, times)
        return marked

    return mark if function is None else mark(function)


def may_be_marked(endpoint: Any) -> bool:
    """Tell quickly whether `repeats_of` may find something at a route."""
    return hasattr(endpoint, _MARK) or hasattr(endpoint, "door") or hasattr(endpoint, "func")


def repeats_of(endpoint: Any, databases: Iterable[Engines]) -> int:
    """Return how often requests of a route may be run again.

    Args:
        endpoint: What the route calls.
        databases: Those of the request.
    """
    is_each = False
    for engines in databases:
        if engines.options.retry == "never":
            return 0
        is_each = is_each or engines.options.retry == "all"
    while isinstance(endpoint, functools.partial):
        endpoint = endpoint.func
    times = getattr(endpoint, _MARK, None)
    if isinstance(times, int):
        return times
    if is_each:
        return MOST_REPEATS
    door = getattr(endpoint, "door", None)
    # Whoever wraps the function of a resource takes its attributes along, and does more than it.
    is_of_resource = door is not None and is_ours(door) and door.function is endpoint
    return MOST_REPEATS if is_of_resource else 0
