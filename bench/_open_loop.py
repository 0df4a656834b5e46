"""Requests that come whether or not the earlier ones are answered, as those of many clients do.

wrk asks again only once it has an answer, and so never asks more than a server can give. Times
count from when a request was due, be it that no connection was free then.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from bench._requests import Request

__all__ = ["Flood", "Outcome"]

# Connections, and so requests that wait for an answer, at most; others are not sent.
_MOST = 8000
_DRAIN_SECONDS = 20.0
_PAUSE = 0.002


@dataclass
class Outcome:
    """What became of the requests of one flood.

    Attributes:
        seconds: For which requests came.
        sent: How many came.
        successes: Seconds that each one took that was answered well.
        in_time: How many of these while others still came.
        refused: How many were answered with 503.
        broken: How many were answered otherwise, or not at all.
    """

    seconds: float
    sent: int = 0
    successes: list[float] = field(default_factory=list)
    in_time: int = 0
    refused: int = 0
    broken: int = 0

    @property
    def goodput(self) -> float:
        """Return the successes of a second, while requests came."""
        return self.in_time / self.seconds

    @property
    def p99(self) -> float:
        """Return the seconds that 99 % of the successes took at most."""
        return statistics.quantiles(self.successes, n=100)[98] if len(self.successes) > 1 else 0.0


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, note: Callable[[_Connection, int], None]) -> None:
        self.due_at: float | None = None
        self.transport: asyncio.Transport
        self.is_open = False
        self._note = note
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.is_open = transport, True

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        _, found, length = head.lower().partition(b"content-length: ")
        if end and len(body) >= (int(length.split(b"\r\n")[0]) if found else 0):
            self._received = b""
            self._note(self, int(head[9:12]))

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_open = False
        if self.due_at is not None:
            self._note(self, 0)


class Flood:
    """Requests to one server, at a rate or as many at once as there are connections."""

    def __init__(self, port: int, request: Request) -> None:
        self._port = port
        self._request = request
        self._numbers = count(1)
        self._free: list[_Connection] = []
        self._open = 0

    async def run(self, seconds: float, rate: float) -> Outcome:
        """Send so many requests a second, by chance, and wait for what is under way."""
        self._outcome = outcome = Outcome(seconds)
        began_at = due_at = time.perf_counter()
        self._end_at = began_at + seconds
        opening: set[asyncio.Task[None]] = set()
        while (now := time.perf_counter()) < self._end_at:
            while due_at <= now:
                outcome.sent += 1
                self._send(due_at, opening)
                due_at += random.expovariate(rate)
            await asyncio.sleep(min(_PAUSE, max(0.0, due_at - now)))
        await self._drain(opening)
        return outcome

    async def saturate(self, seconds: float, connections: int) -> Outcome:
        """Let each of some connections ask again and again."""
        self._outcome = outcome = Outcome(seconds)
        self._end_at = time.perf_counter() + seconds
        opening: set[asyncio.Task[None]] = set()
        self._asks_again = True
        for _ in range(connections):
            self._send(time.perf_counter(), opening)
        await asyncio.sleep(seconds)
        self._asks_again = False
        await self._drain(opening)
        return outcome

    _asks_again = False

    def _send(self, due_at: float, opening: set[asyncio.Task[None]]) -> None:
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                self._ask(connection, due_at)
                return
        if self._open >= _MOST:
            self._outcome.broken += 1
            return
        self._open += 1
        task = asyncio.get_running_loop().create_task(self._open_one(due_at))
        opening.add(task)
        task.add_done_callback(opening.discard)

    async def _open_one(self, due_at: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self._note), "127.0.0.1", self._port
            )
        except OSError:
            self._open -= 1
            self._outcome.broken += 1
        else:
            self._ask(connection, due_at)

    def _ask(self, connection: _Connection, due_at: float) -> None:
        connection.due_at = due_at
        request = self._request.fill({"number": next(self._numbers), "id": 1, "limit": 20})
        body = (request.body or "").encode()
        headers = {"Host": "test", "Content-Length": len(body), **request.all_headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n"
        connection.transport.write(head.encode() + body)

    def _note(self, connection: _Connection, status: int) -> None:
        assert connection.due_at is not None
        now, outcome = time.perf_counter(), self._outcome
        if 200 <= status < 300:
            outcome.successes.append(now - connection.due_at)
            outcome.in_time += now < self._end_at
        elif status == 503:
            outcome.refused += 1
        else:
            outcome.broken += 1
        connection.due_at = None
        if not connection.is_open:
            self._open -= 1
        elif self._asks_again:
            self._ask(connection, now)
        else:
            self._free.append(connection)

    async def _drain(self, opening: set[asyncio.Task[None]]) -> None:
        deadline = time.perf_counter() + _DRAIN_SECONDS
        while opening or self._open > len(self._free):
            if time.perf_counter() > deadline:
                self._outcome.broken += self._open - len(self._free)
                return
            await asyncio.sleep(_PAUSE)
