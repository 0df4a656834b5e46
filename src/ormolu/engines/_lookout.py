"""Asks one server how far it is in the log: one question for all who want to know at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from ormolu.engines._positions import Position
from ormolu.limits import Limit

__all__ = ["Lookout", "Watched", "fetch_position"]

# Seconds between two questions that nobody has asked for.
_EVERY = 0.2


class Watched(Protocol):
    """Whoever is told what a server has answered."""

    def begin(self) -> None:
        """Note that it is asked now."""
        ...

    def note(self, position: Position | None) -> None:
        """Note where it is; None if it does not answer."""
        ...


def fetch_position(
    connection: Any, question: str, read: Callable[[str], Position]
) -> Position | None:
    """Ask over a connection of the driver's, in a greenlet; None if the server does not know."""
    cursor = connection.cursor()
    try:
        cursor.execute(question)
        (answer,) = cursor.fetchone()
    finally:
        cursor.close()
    # Behind a pooler, where reads are transactions.
    connection.rollback()
    return None if answer is None else read(answer)


class Lookout:
    """Asks a server, now and then and when somebody wants to know."""

    def __init__(
        self,
        engine: AsyncEngine,
        question: str,
        read: Callable[[str], Position],
        watched: Watched,
        timeout: float,
    ) -> None:
        """Ask nothing yet.

        Args:
            engine: For this alone: of one connection, which is kept.
            question: In SQL; its answer is one text.
            read: Reads that.
            watched: Is told.
            timeout: Seconds that the server may take.
        """
        self._engine = engine
        self._question = question
        self._read = read
        self._watched = watched
        self._timeout = timeout
        self._proxy: Any = None
        self._asking: asyncio.Task[Position | None] | None = None
        self._next: asyncio.Task[Position | None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask now and then, until the end."""
        loop = asyncio.get_running_loop()
        self._watching = loop.create_task(self._watch(), context=Context())

    def look(self) -> asyncio.Future[Position | None]:
        """Return where the server is once it has answered a question that is asked after this.

        The one under way may be older than what the caller knows of.
        """
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_task(self._ask_after(self._asking), context=Context())
        # Shielded: who leaves must not end the question of the others.
        return asyncio.shield(self._next)

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def _ask_after(self, previous: asyncio.Task[Position | None] | None) -> Position | None:
        if previous is not None:
            await asyncio.wait({previous})
        self._asking, self._next = self._next, None
        self._watched.begin()
        position = await self._ask()
        self._watched.note(position)
        return position

    async def _ask(self) -> Position | None:
        try:
            async with Limit(self._timeout):
                if self._proxy is None:
                    self._proxy = await self._engine.raw_connection()
                return await greenlet_spawn(fetch_position, self._proxy, self._question, self._read)
        except Exception:
            # Whatever it is: of a server that cannot tell nothing is known.
            await self._drop()
            return None

    async def _drop(self) -> None:
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            with suppress(Exception):
                async with Limit(self._timeout):
                    await greenlet_spawn(proxy.invalidate)
                    await greenlet_spawn(proxy.close)

    async def close(self) -> None:
        """Ask no more, and close the connection."""
        tasks = [each for each in (self._watching, self._asking, self._next) if each is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._drop()
        await self._engine.dispose()
