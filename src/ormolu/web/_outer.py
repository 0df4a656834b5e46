"""Routers around applications, of programs whose outermost application has no database itself.

No list has them, so requests tell: Starlette notes the outermost router of each. Knows no resource.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import Router

__all__ = ["Outer", "hear_outer", "note_outer", "outer_routers"]

# By their id, as routers have no hash.
_known: weakref.WeakValueDictionary[int, Router] = weakref.WeakValueDictionary()
_listeners: list[Callable[[], None]] = []


@dataclass(frozen=True, eq=False)
class Outer:
    """What is known of an application around others.

    Attributes:
        router: Its routes, and those of what is mounted in it.
    """

    router: Router


def note_outer(scope: Mapping[str, Any]) -> None:
    """Note the router around an application, if the request came through one."""
    router = scope.get("router")
    if router is not None and _known.get(id(router)) is not router:
        _known[id(router)] = router
        for listen in _listeners:
            listen()


def hear_outer(listen: Callable[[], None]) -> None:
    """Call a function whenever another one has been noted, before the request goes on."""
    _listeners.append(listen)


def outer_routers() -> list[Outer]:
    """Return those that the program still holds."""
    return [Outer(router) for router in list(_known.values())]
