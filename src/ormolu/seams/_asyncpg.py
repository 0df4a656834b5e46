"""What asyncpg keeps to itself of a connection."""

from __future__ import annotations

from typing import Any

__all__ = ["has_open_transaction", "transport_of"]


def has_open_transaction(connection: Any) -> bool:
    """Tell whether asyncpg counts a transaction: it does after a BEGIN that failed, for good."""
    return bool(getattr(connection, "_top_xact", None))


def transport_of(connection: Any) -> Any:
    """Return the transport, whose socket has options; None if the connection has none."""
    return getattr(connection, "_transport", None)
