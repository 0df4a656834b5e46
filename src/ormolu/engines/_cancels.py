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

# Seconds that a request of asyncpg's may take, which sets no limit; psycopg sets its own.
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

        async def cancel_safe(self, **options: Any) -> None:
            await _by_itself(super().cancel_safe(**options))

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
        # Whoever waits gets an error; where nobody does any more it is nobody's, and asyncio would
        # log it as forgotten.
        task.exception()
