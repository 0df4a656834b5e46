"""A cancelled statement ends in a server of PostgreSQL, however long it takes to ask for that.

The drivers ask over another connection. Whoever has cancelled waits for it a moment only, and then
closes the first connection, with which the drivers would take the request back: on a busy machine,
or far from the server, the statement would run to its end, with all its locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from importlib import import_module
from typing import Any

from ormolu.seams import cancelling_class

__all__ = ["cancel_arguments"]

# Seconds that the request may take.
_PATIENCE = 10.0


def cancel_arguments(driver: str) -> dict[str, Any]:
    """Return the arguments of a driver's connect that let its requests to cancel go on."""
    if driver == "asyncpg":
        return {"connection_class": cancelling_class(_PATIENCE)}
    if driver == "psycopg":
        return {"async_creator_fn": _psycopg_class().connect}
    return {}


@cache
def _psycopg_class() -> type[Any]:
    plain: type[Any] = import_module("psycopg").AsyncConnection

    class CancellingConnection(plain):  # type: ignore[misc]
        """Cancels in a task of its own."""

        async def cancel_safe(self, *, timeout: float = _PATIENCE) -> None:
            del timeout
            await _by_itself(super().cancel_safe(timeout=_PATIENCE))

    return CancellingConnection


_under_way: set[asyncio.Task[None]] = set()


async def _by_itself(work: Coroutine[Any, Any, None]) -> None:
    """Wait for what goes on when nobody waits for it any more."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_forget)
    await asyncio.shield(task)


def _forget(task: asyncio.Task[None]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        # Where nobody waits any more an error is nobody's: a server that cannot be asked has ended
        # the statement, or will when it finds that its client is gone.
        task.exception()
