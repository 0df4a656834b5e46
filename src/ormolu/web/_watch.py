"""A request while it runs: how long it may, and whether its client is still there.

Knows the request's task, its message channel and its units of work; neither routes nor lanes. Most
requests are over before anybody looks: what costs more than an entry in a dict is made for those
that last.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from math import inf
from typing import Any

from starlette.types import Message, Receive, Scope

from ormolu.engines import EngineOptions, Engines
from ormolu.errors import DeadlineExceededError
from ormolu.limits import Limit
from ormolu.seams import has_departed
from ormolu.web._deadline import deadline_of, is_marked
from ormolu.web._units import units_of

__all__ = ["WATCH_KEY", "ClientLeftError", "Lookouts", "Watch", "settle", "watch_of"]

WATCH_KEY = "ormolu.watch"

# Seconds between looks at the requests that run: one that is seen twice lasts.
_LOOK_EVERY = 0.05

# Seconds that whoever receives has for leaving.
_LEAVING = 1.0

# Seconds past the deadline within which a COMMIT is answered, or its outcome is not known.
_COMMITTING = 1.0

# Seconds between looks at a request that is to be cancelled, and cannot be at the moment.
_AGAIN = 0.01


class ClientLeftError(Exception):
    """The client of a request is gone; nobody gets the answer."""


class Watch:
    """One request, from the gate to the beginning of its answer.

    Attributes:
        function: The endpoint whose door is asked first, if there is one.
        error: Why the request was cancelled, if it was.
    """

    error: DeadlineExceededError | ClientLeftError | None = None
    _seconds: float | None = None
    _is_settled = False
    _is_lasting = False
    _is_receiving = False
    _is_body_read = False
    _has_left = False
    _limit: Limit | None = None
    _timer: asyncio.TimerHandle | None = None
    _listener: asyncio.Task[None] | None = None

    _kept: deque[Message]

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        lookouts: Lookouts,
        function: Callable[..., Any] | None,
    ) -> None:
        """Watch a request of the current task, until `end`.

        Args:
            scope: Of it.
            receive: Its messages.
            lookouts: Those of the gate.
            function: See the attribute.
        """
        self.function: Callable[..., Any] | None = function
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._loop = loop = task.get_loop()
        lookout = lookouts.last
        if lookout is None or lookout.loop is not loop:
            lookout = lookouts.move(loop)
        self._scope = scope
        self._receive = receive
        self._engines = lookouts.engines
        self._began_at = time.monotonic()
        self._context = copy_context()
        self._lookout = lookout
        self._peers = lookout.new
        lookout.new[self] = None
        if not lookout.is_looking:
            lookout.begin()
        scope[WATCH_KEY] = self

    async def receive(self) -> Message:
        """Return the next message, one that came while nobody asked first."""
        if self._listener is not None:
            while not self._kept and not self._listener.done():
                await asyncio.wait({self._listener})
            if self._kept:
                return self._kept.popleft()
        self._is_receiving = True
        try:
            message = await self._receive()
        finally:
            self._is_receiving = False
        # Whoever asks hears of a departure, and acts on it.
        self._is_body_read = not message.get("more_body", False)
        if self._is_lasting:
            self._listen()
        return message

    def limit(self, seconds: float) -> None:
        """Let the request take so long, counted from its beginning."""
        self._seconds = seconds
        if self._is_lasting:
            self._look()
        elif seconds < 2 * _LOOK_EVERY:
            self.note_lasting()

    def note_lasting(self) -> None:
        """Begin to look at the clock, and at the client."""
        self._peers.pop(self, None)
        self._is_lasting = True
        self._look()
        self._listen()

    def settle(self) -> None:
        """Note that the answer begins, or is stored: from now on nobody cancels the request."""
        self._is_settled = True
        if self._limit is not None:
            self._limit.end()

    def resume(self) -> None:
        """Note that the request is run again, since nothing of it was stored or sent."""
        self._is_settled, self._limit, self.error = False, None, None
        if self._is_lasting:
            self._look()
            self._listen()

    def end(self, error: BaseException | None) -> bool:
        """Note that the request is over; tell whether it was cancelled here, and only here."""
        self._peers.pop(self, None)
        self._lookout.lasting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._scope.pop(WATCH_KEY, None)
        if self._is_settled or self._limit is None or not self._limit.end():
            return False
        # What the program has made of the cancellation is no better answer.
        return isinstance(error, (asyncio.CancelledError, Exception))

    @property
    def is_listening(self) -> bool:
        """Tell whether the client's departure is waited for."""
        return self._listener is not None

    async def stop_listening(self) -> None:
        """Wait for it no more; what receives may be the program's, and is over after this."""
        assert self._listener is not None
        self._listener.cancel()
        await asyncio.wait({self._listener}, timeout=_LEAVING)

    def _look(self) -> None:
        """Cancel the request if its time is over or its client gone, else look later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.error is not None:
            return
        seconds = self._allowed()
        left = self._began_at + seconds - time.monotonic()
        if left <= 0:
            self._expire(seconds, left)
        elif self._has_left and self._stops_for_departed and not self._is_settled:
            if self._is_at_work and not self._is_committing:
                self._cancel(ClientLeftError())
            else:
                self._look_in(_AGAIN)
        elif left < inf:
            self._look_in(left)

    def _expire(self, seconds: float, left: float) -> None:
        """Cancel the request, unless it waits for a COMMIT: that is given up a moment later."""
        if not self._is_committing:
            if not self._is_settled:
                message = f"It took longer than its deadline, {seconds:g} s."
                self._cancel(DeadlineExceededError(message))
        elif left > -_COMMITTING:
            self._look_in(_AGAIN)
        else:
            # Whoever has sent it says that nobody knows the outcome.
            for unit in units_of(self._scope).values():
                unit.give_up_commit()

    def _look_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _cancel(self, error: DeadlineExceededError | ClientLeftError) -> None:
        counts = self._engines.counts
        if isinstance(error, DeadlineExceededError):
            counts.deadlines += 1
        else:
            counts.departures += 1
        self.error = error
        self._limit = Limit(None)
        self._limit.begin(self._task)
        self._limit.expire()

    def _allowed(self) -> float:
        if self._seconds is not None:
            return self._seconds
        return deadline_of(self._endpoint, [each.deadline for each in self._options])

    @property
    def _stops_for_departed(self) -> bool:
        return all(each.cancel_departed for each in self._options)

    @property
    def _options(self) -> list[EngineOptions]:
        """Return those of each database that is attached around the route."""
        return [each.options for each in {self._engines, *units_of(self._scope)}]

    @property
    def _endpoint(self) -> Any:
        return self.function or self._scope.get("endpoint")

    @property
    def _is_committing(self) -> bool:
        return any(unit.is_committing for unit in units_of(self._scope).values())

    @property
    def _is_at_work(self) -> bool:
        if is_marked(self._endpoint):
            return True
        return any(unit.is_at_work for unit in units_of(self._scope).values())

    def _listen(self) -> None:
        """Wait for the client's departure, once nothing else can come from it."""
        if self._is_settled or self._is_receiving or self._listener is not None:
            return
        if (self._is_body_read or not _has_body(self._scope)) and self._stops_for_departed:
            if has_departed(self._receive) is not None:
                self._lookout.look_for_departure(self)
                return
            self._kept = deque()
            # What receives may be the program's, which looks at the request's context.
            work = self._wait_for_departure()
            self._listener = self._loop.create_task(work, context=self._context)

    def look_for_departure(self) -> None:
        """Look whether the client has left, where the server tells that without being asked."""
        if has_departed(self._receive):
            self._lookout.lasting.pop(self, None)
            self._has_left = True
            self._look()

    async def _wait_for_departure(self) -> None:
        is_over = False
        while not is_over:
            try:
                message = await self._receive()
            except Exception:
                # Whoever asks will meet it.
                return
            self._kept.append(message)
            if message["type"] == "http.disconnect":
                self._has_left = True
                self._look()
            # The empty body of a request without one is kept for whoever asks; no more can come.
            is_over = self._has_left or self._is_body_read
            self._is_body_read = not message.get("more_body", False)
            is_over = is_over or not self._is_body_read


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


class Lookouts:
    """Those of one gate.

    Attributes:
        engines: The database of the gate.
        last: That of the event loop that was here last.
    """

    def __init__(self, engines: Engines) -> None:
        """Have none yet."""
        self.engines: Engines = engines
        self.last: _Lookout | None = None

    def move(self, loop: asyncio.AbstractEventLoop) -> _Lookout:
        """Return a lookout on another event loop."""
        self.last = _Lookout(loop)
        return self.last


class _Lookout:
    """Finds the requests on one event loop that last: one timer for all of them.

    Attributes:
        loop: The event loop.
        new: Those that came since the last look.
        lasting: Those that last, and whose server tells of a departure without being asked.
        is_looking: Whether there is a next look.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.new: dict[Watch, None] = {}
        self.lasting: dict[Watch, None] = {}
        self.is_looking = False
        self._seen: dict[Watch, None] = {}

    def begin(self) -> None:
        self.is_looking = True
        # Not in the context of the request that happens to be here.
        self.loop.call_later(_LOOK_EVERY, self._look, context=Context())

    def look_for_departure(self, watch: Watch) -> None:
        self.lasting[watch] = None
        if not self.is_looking:
            self.begin()

    def _look(self) -> None:
        self.is_looking = True
        for watch in list(self._seen):
            watch.note_lasting()
        for watch in list(self.lasting):
            watch.look_for_departure()
        self._seen, self.new = self.new, {}
        self.is_looking = False
        if self._seen or self.lasting:
            self.begin()


def watch_of(scope: Scope) -> Watch | None:
    """Return the watch of a request, None where no gate was passed."""
    watch: Watch | None = scope.get(WATCH_KEY)
    return watch


def settle(scope: Scope) -> None:
    """Note that the answer to a request begins, or what it asks for is stored."""
    watch: Watch | None = scope.get(WATCH_KEY)
    if watch is not None:
        watch.settle()
