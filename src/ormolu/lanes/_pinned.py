"""A connection that a lane takes out of a pool and keeps; one that breaks is replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy.util import greenlet_spawn

from ormolu.engines import Counts, EnginePair, Engines
from ormolu.errors import DatabaseDownError
from ormolu.lanes._lane import NotDoneError
from ormolu.timing import Stopwatch
from ormolu.transactions import Access

__all__ = ["PinnedConnection"]


class PinnedConnection:
    """One connection out of the pool of an engine.

    Attributes:
        counts: What its database was asked to do.
        stopwatch: Is told how long statements take; None if nobody wants to know.
    """

    def __init__(
        self,
        engines: Engines,
        access: Access,
        has_listeners: Callable[[], bool],
        pair: EnginePair | None = None,
    ) -> None:
        """Take none yet.

        Args:
            engines: Of a database.
            access: What the connection is for.
            has_listeners: Tells whether the program listens to what goes past it here.
            pair: Of a replica; None for the database itself.
        """
        pair = pair or engines.opened
        self._engine = pair.of(access)
        self._server = pair.server
        self._listeners = engines.listeners
        self.counts: Counts = engines.counts
        self.stopwatch: Stopwatch | None = engines.stopwatch
        self._has_listeners = has_listeners
        self._guard = asyncio.Lock()
        self._recycle = engines.options.pool_recycle
        self._taken_at = 0.0
        self._proxy: Any = None
        self._is_closed = False

    @property
    def has_listeners(self) -> bool:
        """Tell whether the program listens to events that a lane does not fire."""
        return self._has_listeners() or self._listeners.has_any(self._engine.sync_engine)

    async def take(self) -> Any:
        """Return the driver's connection.

        Raises:
            DatabaseDownError: The server is silent.
            NotDoneError: None can be had.
        """
        if self._proxy is None:
            async with self._guard:
                await self._connect()
        proxy: Any = self._proxy
        return proxy.driver_connection

    async def _connect(self) -> None:
        if self._proxy is not None:
            return
        if self._is_closed:
            raise NotDoneError
        try:
            # The lane does not wait in the pool's queue, where requests wait.
            async with self._server.answering(may_wait=False):
                self._proxy = await self._engine.raw_connection()
            self._server.pinned += 1
            self._taken_at = time.monotonic()
        except DatabaseDownError:
            raise
        except Exception as error:
            raise NotDoneError from error

    async def renew(self) -> None:
        """Give back a connection that was kept for `pool_recycle`, so that the pool closes it."""
        if self._proxy is not None and 0 <= self._recycle < time.monotonic() - self._taken_at:
            await greenlet_spawn(self._take_proxy().close)

    async def cancel_statement(self) -> None:
        """Cancel, over another connection, what one of PostgreSQL's runs; do what can be done."""
        with suppress(Exception):
            number = self._proxy.driver_connection.get_server_pid()
            async with self._server.answering(may_wait=False):
                proxy = await self._engine.raw_connection()
                try:
                    driver: Any = proxy.driver_connection
                    await driver.execute(f"SELECT pg_cancel_backend({int(number)})")
                finally:
                    await greenlet_spawn(proxy.close)

    async def drop(self) -> None:
        """Throw the connection away; the next `take` opens another one."""
        if self._proxy is not None:
            proxy = self._take_proxy()
            await greenlet_spawn(proxy.invalidate)
            await greenlet_spawn(proxy.close)

    async def give_back(self) -> None:
        """Give the connection back to the pool for good, also one that is on its way."""
        self._is_closed = True
        async with self._guard:
            if self._proxy is not None:
                await greenlet_spawn(self._take_proxy().close)

    def _take_proxy(self) -> Any:
        proxy, self._proxy = self._proxy, None
        self._server.pinned -= 1
        return proxy
