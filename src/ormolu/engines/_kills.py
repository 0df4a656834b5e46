"""Statements whose caller was cancelled, and connections that are thrown away, on their servers.

Drivers of PostgreSQL cancel them in the server, `sqlite+ormolu` interrupts them. MySQL runs them to
their end though their connection is gone, with all locks; they are ended over another connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_, greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

from ormolu.backends import backend_of
from ormolu.engines._server import Server
from ormolu.limits import Limit

__all__ = ["REOPEN", "kill_abandoned", "leave_soon"]

# Key in the connection's info: what opens another one like it.
REOPEN = "ormolu_reopen"

# Seconds within which a living server takes leave of a connection.
_LEAVE = 0.2


def kill_abandoned(engine: Engine, server: Server) -> None:
    """End in the server what runs on a connection that a cancelled task has left behind."""
    backend = backend_of(engine.dialect)
    under_way: set[asyncio.Task[None]] = set()

    @event.listens_for(engine, "invalidate")
    def _kill(
        _connection: DBAPIConnection, record: ConnectionPoolEntry, error: BaseException | None
    ) -> None:
        open_another = record.info.get(REOPEN)
        if not isinstance(error, asyncio.CancelledError) or open_another is None:
            return
        statement = backend.how_to_end(record.driver_connection)
        if statement is None:
            return
        run = partial(_run, statement, partial(server.open, open_another))
        task = asyncio.get_running_loop().create_task(_within(server.timeout, run))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        # Cancelled again, it goes on by itself: what follows here has to be done as well.
        with suppress(asyncio.CancelledError):
            await_(asyncio.shield(task))


async def _within(seconds: float | None, run: Callable[[], None]) -> None:
    # A server that gives no connection ends the statement when it finds that its client is gone.
    with suppress(Exception):
        async with Limit(seconds):
            await greenlet_spawn(run)


def _run(statement: str, connect: Callable[[], Any]) -> None:
    connection = connect()
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
    finally:
        connection.close()


def leave_soon(engine: Engine) -> None:
    """Take leave for a moment only of connections that are thrown away: their server may be silent.

    Of asyncpg's, which says goodbye for as long as SQLAlchemy lets it, 2 s.
    """
    if engine.dialect.driver == "asyncpg":

        @event.listens_for(engine, "invalidate")
        def _leave(connection: Any, _record: object, _error: object) -> None:
            # As SQLAlchemy does itself afterwards, which then finds nothing to do.
            if in_greenlet():
                with suppress(Exception, asyncio.CancelledError):
                    await_(_close(connection.driver_connection))


async def _close(driver: Any) -> None:
    async with Limit(_LEAVE):
        await driver.close(timeout=_LEAVE)
