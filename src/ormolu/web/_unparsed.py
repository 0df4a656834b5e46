"""Refuses requests that the server has not parsed: to parse one takes longer than to refuse it.

Between two requests a doorkeeper takes the place of a connection's protocol. It answers only what
is beyond doubt one request, from its first byte to its last, and leaves all else to the protocol.
Knows neither load nor limits.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection
from typing import Any

from ormolu.seams import renew_keep_alive

__all__ = ["Doorkeeper"]

# All headers but those by which a server finds the end of a request, or changes its protocol.
_HEADERS = (
    rb"(?:(?!(?i:connection|content-length|expect|transfer-encoding|upgrade):)"
    rb"[!#-'*+.0-9A-Z^-z|~-]++:[^\x00\r\n]*+\r\n"
    rb"|(?i:connection: keep-alive\r\n))*+"
)
_REQUEST = re.compile(
    rb"(?:DELETE|GET|PATCH|POST|PUT) (/[!-~]*) HTTP/1\.1\r\n"
    + _HEADERS
    + rb"(?:(?i:content-length): *(\d{1,9})\r\n"
    + _HEADERS
    + rb")?\r\n"
)


class Doorkeeper(asyncio.Protocol):
    """Receives what comes over one connection in place of its protocol."""

    def __init__(
        self,
        transport: asyncio.Transport,
        seconds: float,
        answer: bytes,
        always: Collection[bytes],
        refuses: Callable[[asyncio.Transport], bool],
    ) -> None:
        """Take the place of the protocol.

        Args:
            transport: The connection, between two requests.
            seconds: After which the server closes it, if it hears nothing of it.
            answer: What is sent to who is refused.
            always: Ends of paths that are never refused.
            refuses: Tells of each request whether it is refused.
        """
        self._transport = transport
        self._protocol: Any = transport.get_protocol()
        self._answer = answer
        self._always = tuple(always)
        self._refuses = refuses
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._renew_at = self._loop.time() + seconds / 2
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Refuse a request, or leave it and those after it to the protocol."""
        if self._is_refusable(data) and self._is_kept_open() and self._refuses(self._transport):
            self._transport.write(self._answer)
        else:
            self._transport.set_protocol(self._protocol)
            self._protocol.data_received(data)

    def _is_kept_open(self) -> bool:
        now = self._loop.time()
        if now < self._renew_at:
            return True
        self._renew_at = now + self._seconds / 2
        return renew_keep_alive(self._protocol)

    def _is_refusable(self, data: bytes) -> bool:
        found = _REQUEST.match(data)
        if found is None:
            return False
        path, length = found.groups()
        is_whole = len(data) - found.end() == int(length or 0)
        return is_whole and not path.partition(b"?")[0].endswith(self._always)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        closes_later: bool | None = self._protocol.eof_received()
        return closes_later

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()
