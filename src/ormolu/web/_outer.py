"""What is around applications, where no list of routes leads from the one to the other.

The outermost application may have no database itself, or reach another through code of its own. So
requests tell: Starlette notes the outermost router of each. Knows no resource.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import Scope

__all__ = ["Outer", "applications_behind", "hear_outer", "note_outer", "outer_routers"]

# By their id, as routers have no hash.
_known: weakref.WeakValueDictionary[int, Router] = weakref.WeakValueDictionary()
# The ids of the outermost routers through which requests came to an application.
_ways: weakref.WeakKeyDictionary[Starlette, set[int]] = weakref.WeakKeyDictionary()
_listeners: list[Callable[[Scope], None]] = []


@dataclass(frozen=True, eq=False)
class Outer:
    """What is known of an application around others.

    Attributes:
        router: Its routes, and those of what is mounted in it.
    """

    router: Router


def note_outer(scope: Scope) -> None:
    """Note the router around an application, if the request came through one."""
    router, app = scope.get("router"), scope.get("app")
    if router is None or not isinstance(app, Starlette) or router is app.router:
        return
    ways = _ways.setdefault(app, set())
    is_known = _known.get(id(router)) is router
    if is_known and id(router) in ways:
        return
    if not is_known:
        # An id comes again once its router is gone.
        for others in list(_ways.values()):
            others.discard(id(router))
    _known[id(router)] = router
    ways.add(id(router))
    for listen in _listeners:
        listen(scope)


def applications_behind(router: Router) -> list[Starlette]:
    """Return the applications that requests have come to through an outermost router."""
    if _known.get(id(router)) is not router:
        return []
    return [app for app, ways in list(_ways.items()) if id(router) in ways]


def hear_outer(listen: Callable[[Scope], None]) -> None:
    """Call a function with the scope whenever another one was noted, before the request goes on."""
    _listeners.append(listen)


def outer_routers() -> list[Outer]:
    """Return those that the program still holds."""
    return [Outer(router) for router in list(_known.values())]
