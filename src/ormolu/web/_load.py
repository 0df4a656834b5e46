"""The requests of one event loop: how many are under way, who waits to begin, and who is refused.

Knows no messages of ASGI. How the limits were found is told in decision 47.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from functools import cache
from math import inf

from ormolu.controlled_delay import has_standing_line
from ormolu.telemetry import observe
from ormolu.web._processor import ProcessorUse

__all__ = ["Load", "load_of"]

# Seconds between two looks.
_LOOK_EVERY = 0.02

# A process is busy that takes so much of the processor that it can get. What waits in its lines
# then, for longer than so many seconds, had better not have begun.
_BUSY = 0.8
_STANDING = 0.04

# Seconds that looks come late, on average, where the requests under way leave no time for others.
_LATE = 0.1

# However busy it is, so many are under way: they may wait for others, which takes no time; and as
# many as are answered in so many seconds: with half of that 0.9 of the capacity was too much, as
# those that begin together share turns, snapshots and syncs. What lasts for longer is watched.
_LEAST = 8
_WORTH = 0.06

# While more come than are answered, so many are enough, or as many as are answered in so many
# seconds; and half as many wait: whoever waits for longer than that is not answered sooner.
_ENOUGH = 64
_WORTH_OF_FLOOD = 0.015
_WITH_LINE = 1.5

# Seconds over which those who come and those who are answered are compared, once the line has stood
# for twice as long, and its last one waits for as long: more than so many times as many, and it
# grows without end.
_SPAN = 0.5
_GROWING = 1.1

# The same for a first look: who goes next may be told sooner than who is refused.
_SHORT_SPAN = 0.1
_RISING = 1.5

# A line that rises, and is so long, is refused what it is by the first look: each one who waits
# takes some 10 kB. No burst is that long, or it ends before.
_MANY = 1000

# Seconds that one waits in a line that grows: a later answer is of little use.
_PATIENCE = 0.1

# Requests refused at one look, and connections that are read again: each takes 15 to 20 us with
# what the kernel does, so that both take no more than an eighth of the time.
_AT_ONCE = 80


class Load:
    """The requests of one event loop, those of all its applications together.

    Attributes:
        loop: The event loop.
        line: Who waits, and since when.
        refused: How many were refused.
        is_growing: Whether more come than are answered, and go on to come.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.refused = 0
        self.is_growing = False
        self.line: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self._under_way = self._came = self._answered = 0
        self._most = inf
        self._is_rising = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._late = 0.0
        self._idle_at = self._standing_since = self._growing_since = 0.0
        self._use = ProcessorUse()
        # When it was looked, how many had come by then, and how many were answered.
        self._looks: deque[tuple[float, int, int]] = deque()
        # Connections that are not read for a moment, and since when.
        self._resting: deque[tuple[float, asyncio.Transport]] = deque()
        # Those that are read again since the last look, after so long a rest that what they have
        # received is old.
        self._stale: set[asyncio.Transport] = set()
        # Since the last look: how many were let in unparsed and have not come, how many were not.
        self._let_in = self._refusals = 0

    def begin(self, *, is_urgent: bool) -> bool:
        """Begin a request, unless it has to wait."""
        self._came += 1
        self._let_in = max(0, self._let_in - 1)
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

    def refuses(self, connection: asyncio.Transport) -> bool:
        """Tell whether a request is refused that comes now; its connection then rests a moment."""
        if connection not in self._stale:
            if not self.is_growing:
                return False
            if self._under_way + len(self.line) + self._let_in < _WITH_LINE * self._most:
                self._let_in += 1
                return False
        self._came += 1
        self.refused += 1
        self._refusals += 1
        if self._refusals > _AT_ONCE:
            connection.pause_reading()
            self._resting.append((self.loop.time(), connection))
        return True

    def _begin_next(self) -> None:
        is_newest_first = self._is_rising or self.is_growing
        while self.line and self._under_way < self._most:
            _, future = self.line.pop() if is_newest_first else self.line.popleft()
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
        self._looks.append((now, self._came, self._answered))
        while len(self._looks) > 2 and now - self._looks[1][0] >= _SPAN:
            self._looks.popleft()
        self._judge(now)
        self._set_limit(now)
        if self.is_growing:
            self._refuse(now - _PATIENCE)
        self._begin_next()
        self._let_in = self._refusals = 0
        self._read_again(now - _PATIENCE)
        self._timer = None
        if self._under_way or self.line or self._resting or self._stale or self.is_growing:
            self._arm(now)
        else:
            self._most, self._late = inf, 0.0
            self._is_rising = False
            self._looks.clear()

    def _set_limit(self, now: float) -> None:
        """Set how many may be under way: fewer while some of them wait for time of the process."""
        is_busy = self._use.share > _BUSY
        soon = max(_LEAST, self._answers_in(_WORTH))
        if self.is_growing:
            self._most = min(soon, max(_ENOUGH, self._answers_in(_WORTH_OF_FLOOD)))
        elif (is_busy and has_standing_line(_STANDING, now)) or self._late > _LATE:
            self._most = max(soon, min(self._most, self._under_way) / 2)
        elif not (is_busy or self.line):
            self._most = inf
        elif not is_busy or not has_standing_line(0.0, now):
            self._most += 1 + self._most / 16

    def _since(self, span: float) -> tuple[float, int, int]:
        """Return how long ago a look was, at least so long, and how many came and left since."""
        now = self._looks[-1][0]
        at, came, answered = next(
            (each for each in reversed(self._looks) if now - each[0] >= span), self._looks[0]
        )
        return now - at, self._came - came, self._answered - answered

    def _answers_in(self, seconds: float) -> float:
        passed, _, answered = self._since(_SHORT_SPAN)
        return seconds * answered / passed if passed else 0.0

    def _judge(self, now: float) -> None:
        """Tell whether the line grows without end: it never empties, and more come than leave."""
        if not self.line:
            self._standing_since = now
        if self._use.share <= _BUSY:
            self._idle_at = now
        stood = now - self._standing_since
        # Those of a burst have come before.
        self._is_rising = stood >= 4 * _LOOK_EVERY and self._is_exceeded(
            min(_SHORT_SPAN, stood / 2), _RISING
        )
        if self.is_growing:
            grown = max(2 * _LOOK_EVERY, min(_SPAN, now - self._growing_since))
            self.is_growing = self._is_exceeded(grown, _GROWING)
        else:
            self._growing_since = now
            # A process that has stood still, as others had its processor, catches up.
            is_flood = self._is_rising and now - self._idle_at >= _SHORT_SPAN
            self.is_growing = (is_flood and len(self.line) >= _MANY) or (
                stood >= 2 * _SPAN
                and self._is_exceeded(_SPAN, _GROWING)
                and len(self.line) >= self._since(_SPAN)[2]
            )

    def _is_exceeded(self, span: float, times: float) -> bool:
        _, came, answered = self._since(span)
        return came > times * answered

    def _refuse(self, before: float) -> None:
        """Refuse those who have waited since before then."""
        # Where the newest has waited for too long, all have: whoever comes next is to go first.
        is_stale = bool(self.line) and self.line[-1][0] < before
        for _ in range(len(self.line) if is_stale else _AT_ONCE):
            if not self.line or self.line[0][0] >= before:
                break
            _, future = self.line.popleft()
            if not future.done():
                self.refused += 1
                future.set_result(False)

    def _read_again(self, before: float) -> None:
        """Read from the connections that have rested for the longest."""
        self._stale.clear()
        # A process that has time for it lets nobody wait for long after a flood.
        most = _AT_ONCE if self._use.share > _BUSY else 4 * _AT_ONCE
        for _ in range(min(most, len(self._resting))):
            since, connection = self._resting.popleft()
            if not connection.is_closing():
                if since < before:
                    self._stale.add(connection)
                connection.resume_reading()


_LOADS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Load]
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


def load_of(loop: asyncio.AbstractEventLoop) -> Load:
    """Return the requests of an event loop."""
    _install_metrics()
    found = _LOADS.get(loop)
    if found is None:
        found = _LOADS[loop] = Load(loop)
    return found
