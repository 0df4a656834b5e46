"""A server that goes silent while connections of ours wait for it: all of them are cut.

Nothing else ends such a wait. A statement may take any time and a COMMIT is not cancelled; and no
option of the socket helps where the server is stopped and its host lives, or a proxy is between.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from sqlalchemy import Engine, event

from ormolu.seams import socket_of

__all__ = ["Silence", "cut_silent_connections"]

_log = logging.getLogger("ormolu")

# How often longer than at first a server is left alone that has answered each time, at most.
_LONGEST = 8


class _Server(Protocol):
    timeout: float | None
    ask: Callable[[], None] | None
    signs: int

    @property
    def in_use(self) -> int: ...

    async def is_silent(self) -> bool: ...

    def doubt(self) -> None: ...


class Silence:
    """Asks for a sign of life while connections are in use and none comes back.

    Those who have them may do other work, or wait for a statement of theirs: then the server
    answers, and is left alone for longer each time.

    Attributes:
        is_looking: Whether there is a next look.
    """

    def __init__(self, server: _Server) -> None:
        """Look at nothing yet."""
        self._server = server
        self.is_looking: bool = False
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None
        self._signs = 0
        self._since = self._patience = 0.0

    def note_open(self, driver: Any) -> None:
        """Note a connection of the driver's, to be cut."""
        self._connections.add(driver)

    def begin(self) -> None:
        """Look at the connections in use, as long as there are any."""
        timeout = self._server.timeout
        if timeout is not None and self._server.ask is not None:
            self.is_looking = True
            loop = asyncio.get_running_loop()
            self._signs, self._since, self._patience = self._server.signs, loop.time(), timeout
            loop.call_later(timeout / 2, self._look, loop, timeout)

    def _look(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        server = self._server
        if server.in_use <= 0:
            self.is_looking = False
            return
        if server.signs != self._signs:
            self._signs, self._since, self._patience = server.signs, loop.time(), timeout
        elif loop.time() - self._since > self._patience and self._task is None:
            self._task = loop.create_task(self._ask(loop, timeout))
        loop.call_later(timeout / 2, self._look, loop, timeout)

    async def _ask(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        try:
            if await self._server.is_silent() and self._server.signs == self._signs:
                self._cut()
            self._patience = min(2 * self._patience, _LONGEST * timeout)
            self._signs, self._since = self._server.signs, loop.time()
        finally:
            self._task = None

    def _cut(self) -> None:
        """Let all connections break off, so that whoever waits for them is told."""
        connections = list(self._connections)
        _log.warning("The database is silent; its %d connections are cut.", len(connections))
        self._server.doubt()
        for driver in connections:
            with suppress(Exception):
                number = socket_of(driver)
                if number is not None and number >= 0:
                    with socket.socket(fileno=os.dup(number)) as opened:
                        opened.shutdown(socket.SHUT_RDWR)


class _Watched(Protocol):
    silence: Silence


def cut_silent_connections(engine: Engine, server: _Watched) -> None:
    """Know each connection of an engine's, to be cut."""

    @event.listens_for(engine, "connect")
    def _note(connection: Any, _record: object) -> None:
        server.silence.note_open(connection.driver_connection)
