"""What uvicorn keeps to itself of a connection and its requests.

It is not imported: what it gave an application to receive by leads to it, unless something around
the application has put its own in that place.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["connection_between_requests", "has_departed", "renew_keep_alive"]

_MODULES = "uvicorn.protocols.http."
_HTTPTOOLS = f"{_MODULES}httptools_impl"


def has_departed(receive: Any) -> bool | None:
    """Tell whether the client of a request has left; None if only `receive` can tell.

    Args:
        receive: What the application got to receive the request's body by.
    """
    cycle = getattr(receive, "__self__", None)
    if not type(cycle).__module__.startswith(_MODULES):
        return None
    has_left: bool | None = getattr(cycle, "disconnected", None)
    return has_left


def connection_between_requests(receive: Any) -> tuple[asyncio.Transport, float] | None:
    """Return the connection of a request that is over, if nothing of the next one has come.

    And the seconds after which the server closes it, if nothing comes. Known only where httptools
    parses the requests.

    Args:
        receive: What the application got to receive the request's body by.
    """
    cycle: Any = getattr(receive, "__self__", None)
    if type(cycle).__module__ != _HTTPTOOLS:
        return None
    try:
        transport: asyncio.Transport = cycle.transport
        protocol: Any = transport.get_protocol()
        seconds: float = protocol.timeout_keep_alive
        # The parser makes another scope at the first byte of a request.
        is_over = (
            cycle.response_complete
            and cycle.keep_alive
            and not cycle.more_body
            and protocol.scope is cycle.scope
        )
    except AttributeError:
        return None
    return (transport, seconds) if is_over and not transport.is_closing() else None


def renew_keep_alive(protocol: Any) -> bool:
    """Let uvicorn wait anew before it closes a connection; False if that cannot be done."""
    try:
        protocol._unset_keepalive_if_required()  # noqa: SLF001 -- as it does with what it receives
        protocol.timeout_keep_alive_task = protocol.loop.call_later(
            protocol.timeout_keep_alive, protocol.timeout_keep_alive_handler
        )
    except AttributeError:
        return False
    return True
