"""Whether a server lives: the limit that tells one that is dead from one that is busy.

To open a connection and to begin on it has a short limit, so that requests to a dead server are
answered soon. Its clock stands still while one waits in the pool's line and while this process
does not get to run, and begins anew with each sign of life.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine
from sqlalchemy.util import await_, greenlet_spawn

from ormolu.engines._condition import Condition
from ormolu.engines._hosts import Hosts
from ormolu.engines._silence import Silence
from ormolu.engines._url import Target
from ormolu.errors import DatabaseDownError
from ormolu.limits import Limit

__all__ = ["Answering", "LineWatch", "Server", "answering_now", "open_and_close"]

_log = logging.getLogger("ormolu")

# Silence is counted in steps, and a late step counts as one: while the event loop was blocked, or
# the process had no CPU, the server may have answered.
_STEPS = 8

# Connections that are opened at once. All of a burst together would keep their server and this
# process busy for longer than the limit, and none of them would be there in time.
_OPENINGS = 4


_SILENT = "The database gave no connection and no sign of life within {} s."

_GONE = "The file {} is gone. Put it back; or start the program anew, which makes an empty one."


class _Histogram(Protocol):
    def record(self, amount: float, attributes: Mapping[str, str]) -> None: ...


class _Instruments(Protocol):
    @property
    def wait_time(self) -> _Histogram: ...

    @property
    def create_time(self) -> _Histogram: ...


_C = TypeVar("_C")


class _Line(Protocol):
    def fail_line(self, message: str) -> None: ...

    def checkedout(self) -> int: ...

    def distrust(self) -> None: ...


class Server:
    """What the two engines of a database on one event loop know of their server.

    Attributes:
        target: Where it is, and the database there.
        timeout: Seconds that it may be silent; None for a file, which has no server.
        ask: Opens a connection and closes it, in a greenlet.
        file: What has to be there once the database is open; SQLite would make an empty one.
        signs: How many signs of life it has given.
        lag: Seconds that it is behind its primary, as far as that is known; 0.0 of a primary.
        lines: The pools, in whose lines others wait.
        silence: Looks for it, while connections are in use.
        condition: What is known of it beside whether it lives.
        instruments: What is told of waits and openings; None without OpenTelemetry.
        pinned: How many connections in use are of lanes, which have limits of their own.
        hosts: Where it may be, if that is one of several places.
    """

    def __init__(
        self, target: Target, timeout: float, patience: float, condition: Condition
    ) -> None:
        """Know nothing yet.

        Args:
            target: See the attribute.
            timeout: Seconds that it may be silent, if it is no file.
            patience: Seconds after which even a server that gives signs of life has taken too long.
            condition: See the attribute.
        """
        self.timeout: float | None = None if target.backend.is_file else timeout
        self._patience = patience
        self.be_at(target, condition)

    def be_at(self, target: Target, condition: Condition) -> None:
        """Know nothing of another database, or nothing any more, on the running event loop."""
        self.target: Target = target
        # None if it is not to be asked.
        self.ask: Callable[[], None] | None = None
        self.condition: Condition = condition
        self.instruments: _Instruments | None = None
        self.file: Path | None = None
        self.signs: int = 0
        self.lag: float = 0.0
        self.lines: weakref.WeakSet[_Line] = weakref.WeakSet()
        self.pinned: int = 0
        self.silence: Silence = Silence(self)
        self.hosts: Hosts | None = Hosts(target.hosts) if target.hosts else None
        self._openings = asyncio.Semaphore(_OPENINGS)

    def open(self, connect: Callable[[], _C]) -> _C:
        """Open a connection, few at once; in a greenlet.

        Raises:
            DatabaseDownError: The file is gone.
        """
        if self.file is not None and not self.file.exists():
            raise DatabaseDownError(_GONE.format(self.file))
        if self.timeout is None:
            return self._connect(connect)
        await_(self._openings.acquire())
        try:
            connection = self._connect(connect)
        finally:
            self._openings.release()
        self.give_sign()
        return connection

    def _connect(self, connect: Callable[[], _C]) -> _C:
        began_at = time.monotonic()
        connection = connect()
        if self.instruments is not None:
            self.instruments.create_time.record(time.monotonic() - began_at, {})
        return connection

    def give_sign(self) -> None:
        """Note that it has answered."""
        self.signs += 1

    def be_dead(self, message: str) -> None:
        """Tell those who wait for connections in use, which may never be given back."""
        for line in list(self.lines):
            line.fail_line(message)

    def doubt(self) -> None:
        """Have all idle connections looked at before they are used: one was lost."""
        for line in list(self.lines):
            line.distrust()

    @property
    def in_use(self) -> int:
        """Return how many connections are out of the pools, beside those of lanes."""
        return sum(line.checkedout() for line in self.lines) - self.pinned

    async def is_silent(self) -> bool:
        """Ask for a sign of life, and tell those who wait in line if there is none."""
        assert self.ask is not None
        try:
            async with self.answering() as answering:
                answering.begin()
                await greenlet_spawn(self.ask)
        except DatabaseDownError as error:
            self.be_dead(str(error))
            return True
        except OSError as error:
            self.be_dead(str(error))
            return False
        except Exception as error:
            # It refuses us, as one with too many connections does; so it lives.
            _log.debug("The database refuses to be asked: %s", type(error).__name__)
        self.give_sign()
        return False

    def answering(self, *, may_wait: bool = True) -> Answering:
        """Limit, for the time of a block, how long the server may take to give a connection.

        Args:
            may_wait: Whether the block may wait in the pool's line first.
        """
        most = self._patience if self.timeout is None else self._patience / self.timeout
        return Answering(self, most_steps=max(_STEPS, round(most * _STEPS)), may_wait=may_wait)


class Answering:
    """A block within which a server has to give a connection.

    Attributes:
        may_wait: Whether the pool's line may be waited in.
    """

    def __init__(self, server: Server, *, most_steps: int, may_wait: bool) -> None:
        """Limit nothing yet: the clock runs once `begin` is called."""
        self.may_wait = may_wait
        self._server = server
        self._most_steps = most_steps
        self._limit = Limit(None)
        self._timer: asyncio.TimerHandle | None = None
        self._signs = self._steps = self._all_steps = 0

    async def __aenter__(self) -> Answering:
        """Let the pool find this; see `answering_now`."""
        self._token = _NOW.set(self)
        await self._limit.__aenter__()
        return self

    def begin(self) -> None:
        """Let the clock run: the pool's line is behind us."""
        if self._timer is None and self._server.timeout is not None:
            self._signs = self._server.signs
            self._arm(self._server.timeout)

    def _arm(self, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(timeout / _STEPS, self._step, timeout)

    def _step(self, timeout: float) -> None:
        self._all_steps += 1
        self._steps = self._steps + 1 if self._signs == self._server.signs else 0
        self._signs = self._server.signs
        if self._steps < _STEPS and self._all_steps < self._most_steps:
            self._arm(timeout)
        else:
            # Set first: whoever gets the freed place in the pool must not wait anew.
            self._server.be_dead(_SILENT.format(timeout))
            self._limit.expire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the clock.

        Raises:
            DatabaseDownError: It has run out.
        """
        _NOW.reset(self._token)
        # Break a reference cycle: both hold the task's context, which holds this object.
        del self._token
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError as late:
            raise DatabaseDownError(_SILENT.format(self._server.timeout)) from late


def open_and_close(
    held: weakref.ref[Engine], arguments: Mapping[str, Any], hosts: Hosts | None
) -> None:
    """Open a connection of an engine's, to where its others lead, and close it; in a greenlet."""
    engine = held()
    if engine is None:
        return
    dialect = engine.dialect
    positional, named = dialect.create_connect_args(engine.url)
    place = hosts.arguments if hosts is not None else {}
    dialect.do_close(dialect.connect(*positional, **{**named, **arguments, **place}))


_NOW: ContextVar[Answering | None] = ContextVar("ormolu_answering", default=None)


def answering_now() -> Answering | None:
    """Return the block that the current task is in, None if it is in none."""
    return _NOW.get()


class _Moving(Protocol):
    count: int

    def __len__(self) -> int: ...


class LineWatch:
    """Asks the server for a sign of life where a line does not move and nothing else tells.

    Those who have the connections may do other work, or wait for a server that never answers.
    """

    def __init__(self, line: _Moving, server: Server) -> None:
        """Watch nothing yet."""
        self._line = line
        self._server = server
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[bool] | None = None

    def begin(self) -> None:
        """Watch the line as long as anybody waits in it."""
        if self._timer is None and self._server.timeout and self._server.ask:
            loop = asyncio.get_running_loop()
            seen = (self._line.count, self._server.signs)
            self._timer = loop.call_later(self._server.timeout / 2, self._look, seen)

    def stop(self) -> None:
        """Watch it no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, seen: tuple[int, int]) -> None:
        self._timer = None
        if not len(self._line):
            return
        is_quiet = seen == (self._line.count, self._server.signs)
        if is_quiet and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._server.is_silent())
        self.begin()
