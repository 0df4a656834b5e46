"""More requests than one process can serve: as many as it can are answered soon, others at once.

Under more load than that all requests that have begun take time from each other, and past a point
each is answered after its client has gone. So where a busy process has lines of requests that have
begun, fewer may be under way, and who comes beyond waits here, before any middleware of the
program's. While as many are answered as come, everybody is served in turn, as a burst is, or any
fixed number of clients. Only where more come than are answered, the newest are served first, and
those who have waited are refused (Facebook's adaptive LIFO, as in `controlled_delay`).
"""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Collection
from functools import cache
from pathlib import Path
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu.controlled_delay import has_standing_line
from ormolu.errors import ConfigurationError
from ormolu.telemetry import observe

__all__ = ["Overload", "OverloadMode", "check_overload"]

OverloadMode = Literal["adaptive", "off"]

# Seconds between two looks.
_LOOK_EVERY = 0.02

# A process is busy that takes so much of the processor that it can get, measured over so many
# seconds, and what waits in its lines then, for longer than that, had better not have begun.
_BUSY = 0.8
_STANDING = 0.1

# Seconds that looks come late, on average, where the requests under way leave no time for others.
_LATE = 0.1

# However busy it is, so many are under way: they may wait for others, which takes no time.
_LEAST = 8

# Seconds over which those who come and those who are answered are compared, once the line has stood
# for twice as long: more than so many times as many, and it grows without end.
_SPAN = 0.5
_GROWING = 1.1

# Seconds that one waits in a line that grows: a later answer is of little use.
_PATIENCE = 0.2

# Of the control group of a container, https://docs.kernel.org/admin-guide/cgroup-v2.html
_LIMIT_FILE = Path("/sys/fs/cgroup/cpu.max")

_NO_LIMIT = 1e9

_ADMITTED = "ormolu.admitted"


def check_overload(mode: OverloadMode) -> None:
    """Refuse what is no mode.

    Raises:
        ConfigurationError: It is none.
    """
    if mode not in {"adaptive", "off"}:
        message = (
            f'attach(overload={mode!r}): write "adaptive", or "off" to begin all requests at once, '
            "however many they are."
        )
        raise ConfigurationError(message)


class Overload:
    """ASGI middleware, the outermost: begins requests, lets them wait, or refuses them with 503."""

    def __init__(self, app: ASGIApp, type_: str, always: Collection[str]) -> None:
        """Serve an application.

        Args:
            app: The application.
            type_: The `type` of the problem of who is refused.
            always: Paths that are never refused: the probes'.
        """
        self._app = app
        self._always = always
        body = json.dumps(
            {
                "type": type_, "title": "Service Unavailable", "status": 503, "code": "overloaded",
                "detail": "Too many requests at once. Try again.",
            }
        ).encode()  # fmt: skip
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", b"1"),
        ]
        self._start: Message = {"type": "http.response.start", "status": 503, "headers": headers}
        self._body: Message = {"type": "http.response.body", "body": body}
        self._load: _Load | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on in its turn."""
        if scope["type"] != "http" or _ADMITTED in scope:
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        load = self._load
        if load is None or load.loop is not loop:
            load = self._load = _load_of(loop)
            _install_metrics()
        is_urgent = scope["path"] in self._always
        if not load.begin(is_urgent=is_urgent) and not await load.wait():
            await send(self._start)
            await send(self._body)
            return
        scope[_ADMITTED] = True
        has_begun = False

        def pass_on(message: Message) -> Awaitable[None]:
            nonlocal has_begun
            if not has_begun:
                # A stream that goes on is no load for as long as it lasts.
                has_begun = True
                load.end()
            return send(message)

        try:
            await self._app(scope, receive, pass_on)
        finally:
            if not has_begun:
                load.end()


class _Load:
    """The requests of one event loop, those of all its applications together.

    Attributes:
        loop: The event loop.
        line: Who waits, and since when.
        refused: How many were refused.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._under_way = self.refused = 0
        self._most = _NO_LIMIT
        self._came = self._answered = 0
        self.line: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self._is_growing = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._late = self._standing_since = 0.0
        self._use = _Use()
        # When the line was looked at, how many had come then, and how many were answered.
        self._looks: deque[tuple[float, int, int]] = deque()

    def begin(self, *, is_urgent: bool) -> bool:
        """Begin a request, unless it has to wait."""
        self._came += 1
        if self._timer is None:
            self._arm(self.loop.time())
        if (self.line or self._under_way >= self._most) and not is_urgent:
            return False
        self._under_way += 1
        return True

    async def wait(self) -> bool:
        """Wait in line for the beginning; return whether it has come.

        Raises:
            CancelledError: The request was given up meanwhile.
        """
        future: asyncio.Future[bool] = self.loop.create_future()
        self.line.append((self.loop.time(), future))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result():
                self.end()
            raise

    def end(self) -> None:
        """Note that a request is answered, and begin the next one in line."""
        self._under_way -= 1
        self._answered += 1
        self._begin_next()

    def _begin_next(self) -> None:
        while self.line and self._under_way < self._most:
            _, future = self.line.pop() if self._is_growing else self.line.popleft()
            if not future.done():
                self._under_way += 1
                future.set_result(True)

    def _arm(self, now: float) -> None:
        self._due = now + _LOOK_EVERY
        self._timer = self.loop.call_at(self._due, self._look)

    def _look(self) -> None:
        """Look how late the loop is, how busy the process, and at the line."""
        now = self.loop.time()
        self._late += (now - self._due - self._late) / 4
        self._use.look(now)
        self._set_limit(now)
        self._judge(now)
        if self._is_growing:
            self._refuse(now - _PATIENCE)
        self._begin_next()
        self._timer = None
        if self._under_way or self.line:
            self._arm(now)
        else:
            self._most, self._late = _NO_LIMIT, 0.0

    def _set_limit(self, now: float) -> None:
        """Set how many may be under way: fewer while some of them wait for time of the process."""
        is_busy = self._use.share > _BUSY and has_standing_line(_STANDING, now)
        if is_busy or self._late > _LATE:
            self._most = max(_LEAST, min(self._most, self._under_way) * 0.8)
        elif self.line:
            self._most += 1 + self._most / 16
        else:
            self._most = _NO_LIMIT

    def _judge(self, now: float) -> None:
        """Tell whether the line grows without end: it never empties, and more come than leave."""
        if not self.line:
            self._looks.clear()
            self._is_growing = False
            return
        if not self._looks:
            self._standing_since = now
        self._looks.append((now, self._came, self._answered))
        while len(self._looks) > 1 and now - self._looks[1][0] >= _SPAN:
            self._looks.popleft()
        if now - self._standing_since >= 2 * _SPAN:
            # Those of a burst have come before.
            _, came, answered = self._looks[0]
            self._is_growing = self._came - came > _GROWING * (self._answered - answered)

    def _refuse(self, before: float) -> None:
        """Refuse those who have waited since before then."""
        while self.line and self.line[0][0] < before:
            _, future = self.line.popleft()
            if not future.done():
                self.refused += 1
                future.set_result(False)


class _Use:
    """How much of the processor the process takes.

    Attributes:
        share: Of the time that one thread of Python at a time can get: 1 for all.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self._at = self._used = 0.0

    def look(self, now: float) -> None:
        """Measure anew, if the last time is long enough ago."""
        passed = now - self._at
        if passed >= _STANDING:
            used = time.process_time()
            self.share = (used - self._used) / (passed * _processors())
            self._at, self._used = now, used


@cache
def _processors() -> float:
    """Return 1, or the part of a processor that a container's limit leaves."""
    try:
        quota, period = _LIMIT_FILE.read_text().split()
        return min(1.0, float(quota) / float(period))
    except (OSError, ValueError):
        # No such limit: the quota is "max", or this is another system.
        return 1.0


_LOADS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Load]
_LOADS = weakref.WeakKeyDictionary()


def _refused() -> list[tuple[float, dict[str, str]]]:
    return [(sum(each.refused for each in list(_LOADS.values())), {})]


@cache
def _install_metrics() -> None:
    observe(
        "counter",
        "ormolu.requests.refused",
        "{request}",
        "Requests refused since more came than the process could answer.",
        _refused,
    )


def _load_of(loop: asyncio.AbstractEventLoop) -> _Load:
    found = _LOADS.get(loop)
    if found is None:
        found = _LOADS[loop] = _Load(loop)
    return found
