"""Requests that come whether or not the earlier ones are answered, as those of many clients do.

wrk asks again only once it has an answer, and so never asks more than a server can give. The
requests come by way of a proxy, which has opened its connections before, keeps them, and turns away
what comes while all are busy. Times count from when a request was due.

A request costs the generator some 15 us, so that one core sends more than one process can refuse.
"""

from __future__ import annotations

import random
import select
import socket
import statistics
import time
from dataclasses import dataclass, field
from itertools import count

from bench._requests import PLACE, Request

__all__ = ["Flood", "Outcome"]

# Connections of the proxy, of which a server may close those that it has not used for long.
_CONNECTIONS = 4000
_AT_ONCE = 50
_PAUSE = 0.02
# Seconds after the last request in which answers still count.
_DRAIN_SECONDS = 1.0
_BYTES = 65536


@dataclass
class Outcome:
    """What became of the requests of one flood.

    Attributes:
        seconds: For which requests came.
        sent: How many of them were sent.
        unsent: How many came while no connection was free.
        successes: Seconds that each one took that was answered well.
        in_time: How many of these while others still came.
        refused: How many were answered with 503.
        broken: How many were answered otherwise, or not at all.
    """

    seconds: float
    sent: int = 0
    unsent: int = 0
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


class _Connection:
    """One connection, with one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due_at = 0.0
        self.is_busy = False
        self.unsent = b""
        self._received = b""
        self.socket.connect_ex(("127.0.0.1", port))

    def receive(self) -> int | None:
        """Return the status of an answer that is whole, 0 if there is none, or None: it goes on."""
        try:
            data = self.socket.recv(_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return 0
        if not data:
            return 0
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        _, found, length = head.lower().partition(b"content-length: ")
        if not end or len(body) < (int(length.split(b"\r\n", 1)[0]) if found else 0):
            return None
        self._received = b""
        return int(head[9:12])


class Flood:
    """Requests to one server, at a rate or as many at once as there are connections."""

    def __init__(self, port: int, request: Request) -> None:
        self._port = port
        self._numbers = count(10_000_000)
        # `split` gives texts and the names of places in turns.
        self._body = _parts(request.body or "")
        lines = "".join(f"{name}: {text}\r\n" for name, text in request.all_headers.items())
        self._head = _parts(f"{request.method} {request.path} HTTP/1.1\r\nHost: test\r\n{lines}")
        self._events = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._free: list[_Connection] = []
        self._outcome = Outcome(0.0)
        self._end_at = 0.0
        self._asks_again = False

    def connect(self) -> None:
        """Open all connections, slowly: uvloop takes one of them in each turn of its loop."""
        while len(self._connections) < _CONNECTIONS:
            self._free.extend(self._open() for _ in range(_AT_ONCE))
            time.sleep(_PAUSE)

    def run(self, seconds: float, rate: float) -> Outcome:
        """Send so many requests a second, by chance, and wait for what is under way."""
        self._outcome = outcome = Outcome(seconds)
        due_at = time.perf_counter()
        self._end_at = due_at + seconds
        while (now := time.perf_counter()) < self._end_at:
            while due_at <= now:
                self._send(due_at)
                due_at += random.expovariate(rate)
            self._receive(max(0.0, due_at - time.perf_counter()))
        self._drain()
        return outcome

    def saturate(self, seconds: float, connections: int) -> Outcome:
        """Let each of some connections ask again and again."""
        self._outcome = outcome = Outcome(seconds)
        self._end_at = time.perf_counter() + seconds
        self._asks_again = True
        for _ in range(connections):
            self._send(time.perf_counter())
        while (now := time.perf_counter()) < self._end_at:
            self._receive(self._end_at - now)
        self._asks_again = False
        self._drain()
        return outcome

    def _send(self, due_at: float) -> None:
        if self._free:
            # The one that was used last, as proxies do.
            connection = self._free.pop()
        elif len(self._connections) < _CONNECTIONS:
            connection = self._open()
        else:
            self._outcome.unsent += 1
            return
        self._outcome.sent += 1
        self._ask(connection, due_at)

    def _open(self) -> _Connection:
        connection = _Connection(self._port)
        self._connections[connection.socket.fileno()] = connection
        self._events.register(connection.socket, select.EPOLLIN)
        return connection

    def _ask(self, connection: _Connection, due_at: float) -> None:
        connection.due_at, connection.is_busy = due_at, True
        values = {"number": next(self._numbers), "id": 1, "limit": 20}
        body = _fill(self._body, values)
        head = _fill(self._head, values)
        request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        try:
            connection.socket.send(request)
        except BlockingIOError:
            # The kernel has not connected it yet.
            connection.unsent = request
            self._events.modify(connection.socket, select.EPOLLOUT)
        except OSError:
            self._close(connection)

    def _receive(self, seconds: float) -> None:
        for number, event in self._events.poll(seconds):
            connection = self._connections[number]
            if connection.unsent and event & select.EPOLLOUT:
                connection.socket.send(connection.unsent)
                connection.unsent = b""
                self._events.modify(connection.socket, select.EPOLLIN)
                continue
            status = connection.receive()
            if status == 0:
                self._close(connection)
            elif status is not None:
                self._note(connection, status)

    def _note(self, connection: _Connection, status: int) -> None:
        now, outcome = time.perf_counter(), self._outcome
        if 200 <= status < 300:
            outcome.successes.append(now - connection.due_at)
            outcome.in_time += now < self._end_at
        elif status == 503:
            outcome.refused += 1
        else:
            outcome.broken += 1
        connection.is_busy = False
        if self._asks_again:
            outcome.sent += 1
            self._ask(connection, now)
        else:
            self._free.append(connection)

    def _close(self, connection: _Connection) -> None:
        """Note that a connection is lost: what waits for an answer on it is broken."""
        if connection.is_busy:
            self._outcome.broken += 1
        else:
            self._free.remove(connection)
        del self._connections[connection.socket.fileno()]
        connection.socket.close()

    def _drain(self) -> None:
        deadline = self._end_at + _DRAIN_SECONDS
        while len(self._connections) > len(self._free) and time.perf_counter() < deadline:
            self._receive(0.1)
        self._outcome.broken += len(self._connections) - len(self._free)
        for connection in self._connections.values():
            connection.socket.close()
        self._events.close()


def _parts(pattern: str) -> list[str]:
    """Return texts and the names of places in turns."""
    return PLACE.split(pattern)


def _fill(parts: list[str], values: dict[str, int]) -> str:
    """Return the text of a pattern with values in its places."""
    if len(parts) == 1:
        return parts[0]
    return "".join(str(values[part]) if index % 2 else part for index, part in enumerate(parts))
