"""What asyncpg keeps to itself of a connection."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["cancelling_class", "has_open_transaction", "socket_of", "transport_of"]


def has_open_transaction(connection: Any) -> bool:
    """Tell whether asyncpg counts a transaction: it does after a BEGIN that failed, for good."""
    return bool(getattr(connection, "_top_xact", None))


def transport_of(connection: Any) -> Any:
    """Return the transport, whose socket has options; None if the connection has none."""
    return getattr(connection, "_transport", None)


def socket_of(connection: Any) -> int | None:
    """Return the number of a connection's socket, of whichever driver; None if it is not known."""
    if hasattr(connection, "fileno"):  # psycopg
        return int(connection.fileno())
    stream = transport_of(connection) or getattr(connection, "_writer", None)  # asyncmy, aiomysql
    opened = None if stream is None else stream.get_extra_info("socket")
    return None if opened is None else int(opened.fileno())


@cache
def cancelling_class(seconds: float) -> type[Any]:
    """Return asyncpg's class of connections, one whose requests to cancel outlast its end.

    asyncpg takes them back when the connection is closed: the statement would run on in the server.

    Args:
        seconds: How long they may take.
    """
    plain: type[Any] = import_module("asyncpg").Connection

    class CancellingConnection(plain):  # type: ignore[misc]
        """Takes back what is left of its requests to cancel some time after its end."""

        def _clean_tasks(self) -> None:
            take_back = super()._clean_tasks
            if getattr(self, "_cancellations", None) and (loop := _running_loop()) is not None:
                loop.call_later(seconds, take_back)
            else:
                take_back()

    return CancellingConnection


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
