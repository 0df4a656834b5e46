"""What asyncpg keeps to itself of a connection."""

from __future__ import annotations

from typing import Any

__all__ = ["has_open_transaction", "socket_of", "transport_of"]


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
