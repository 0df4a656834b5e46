"""A server that is silent is dead within a second, whoever waits; one that is busy is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.util import await_, greenlet_spawn

from ormolu import DatabaseDownError, OverloadedError
from ormolu.controlled_delay import Patience
from ormolu.engines._condition import Condition
from ormolu.engines._counts import Counts
from ormolu.engines._pool import FairPool
from ormolu.engines._server import Server
from ormolu.engines._url import read_url
from tests.fixtures.clocks import OwnClock, run_on_own_clock

_TARGET = read_url("postgresql://u@h/d")


class Driver:
    """A connection that does nothing."""

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class Simulation:
    """A server, a pool of its connections, and requests that want one."""

    def __init__(self, loop: OwnClock, *, size: int = 5, overflow: int = 10) -> None:
        self.server = Server(_TARGET, 1.0, 30.0, Condition(Counts()))
        self.server.ask = self._ask
        self.loop = loop
        self.opening: Callable[[], Any] = lambda: None
        self.answers: list[tuple[str, float]] = []
        self.most_at_once = self._at_once = 0
        self.pool = FairPool(self._connect, pool_size=size, max_overflow=overflow)
        self.pool.watch_server(self.server, Patience(30.0, 30.0))

    def _connect(self, _record: object = None) -> object:
        return self.server.open(self._open)

    def _ask(self) -> None:
        self._connect()

    def _open(self) -> object:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.opening()
        finally:
            self._at_once -= 1
        return Driver()

    async def take(self) -> Any:
        """Take a connection as a unit of work does."""
        async with self.server.answering():
            return await greenlet_spawn(self.pool.connect)

    async def request(self, seconds: float = 0.0) -> None:
        """Take a connection, hold it, give it back; note what came of it, and when."""
        try:
            connection = await self.take()
        except (DatabaseDownError, OverloadedError) as error:
            self.answers.append((type(error).__name__, self.loop.now))
            return
        await asyncio.sleep(seconds)
        await greenlet_spawn(connection.close)
        self.answers.append(("served", self.loop.now))

    async def burst(self, count: int, seconds: float = 0.0) -> None:
        """Let so many requests come at once, and wait for all."""
        await asyncio.gather(*(self.request(seconds) for _ in range(count)))

    def counts(self) -> dict[str, int]:
        names = [name for name, _ in self.answers]
        return {name: names.count(name) for name in names}


def silent() -> None:
    """Open a connection to a server that never answers."""
    await_(asyncio.sleep(3600))


def slow(seconds: float) -> Callable[[], None]:
    """Open a connection that takes so long."""
    return lambda: await_(asyncio.sleep(seconds))


@pytest.mark.parametrize("count", [20, 64, 300])
def test_burst_is_no_overload(count: int) -> None:
    """Each holds its connection for 0.3 s: all are served, by 15 connections at most."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop)
        await simulation.burst(count, 0.3)
        assert simulation.counts() == {"served": count}
        assert simulation.pool.checkedin() <= 15

    run_on_own_clock(main)


def test_silent_server_is_dead_within_its_limit() -> None:
    """Also for those who stand in the pool's line behind the ones who ask it."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop)
        simulation.opening = silent
        await simulation.burst(64)
        assert simulation.counts() == {"DatabaseDownError": 64}
        assert {at for _, at in simulation.answers} == {1.0}
        assert simulation.pool.checkedout() == 0

    run_on_own_clock(main)


def test_server_that_dies_under_a_line_is_found_out() -> None:
    """All connections are in use by those whom it does not answer: the line asks it itself."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop, size=2, overflow=0)
        held = [await simulation.take() for _ in range(2)]
        simulation.opening = silent
        await simulation.burst(5)
        assert simulation.counts() == {"DatabaseDownError": 5}
        assert {at for _, at in simulation.answers} == {1.5}
        for connection in held:
            connection.close()

    run_on_own_clock(main)


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "open"])
def test_line_of_a_living_server_waits(is_full: bool) -> None:
    """One that answers, be it by refusing a connection more, is waited for."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop, size=1, overflow=0)
        connection = await simulation.take()
        asked: list[float] = []

        def open_one() -> None:
            asked.append(loop.now)
            if is_full:
                raise ValueError

        simulation.opening = open_one
        loop.call_later(10, connection.close)
        await simulation.request()
        assert simulation.answers == [("served", 10.0)]
        assert 5 < len(asked) <= 20
        await asyncio.sleep(60)
        assert len(asked) <= 20

    run_on_own_clock(main)


def test_line_that_moves_asks_nobody() -> None:
    """Turns that come are sign enough."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop, size=1, overflow=0)
        await simulation.request()
        opened: list[float] = []
        simulation.opening = lambda: opened.append(loop.now)
        await simulation.burst(30, 0.3)
        assert simulation.counts() == {"served": 31}
        assert opened == []

    run_on_own_clock(main)


def test_few_connections_are_opened_at_once() -> None:
    """A burst takes its server 5 s: each of them is a sign that it lives."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop, size=40)
        simulation.opening = slow(0.5)
        await simulation.burst(40, 60)
        assert simulation.counts() == {"served": 40}
        assert simulation.most_at_once == 4

    run_on_own_clock(main)


def test_signs_of_life_are_no_excuse_for_ever() -> None:
    """Where others are answered and one is not, that one waits as long as for its turn."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop)
        simulation.opening = silent

        async def chat() -> None:
            while True:
                simulation.server.give_sign()
                await asyncio.sleep(0.5)

        chatting = asyncio.create_task(chat())
        await simulation.request()
        assert simulation.answers == [("DatabaseDownError", 30.0)]
        chatting.cancel()

    run_on_own_clock(main)


def test_clock_stands_while_the_loop_does() -> None:
    """A process that did not run for 5 s has not waited for the server."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop)
        simulation.opening = slow(0.9)
        for at in (0.1, 0.3, 0.5):
            loop.call_later(at, loop.pass_time, 5.0)
        await simulation.request()
        assert simulation.counts() == {"served": 1}

    run_on_own_clock(main)


def test_clock_stands_in_the_line() -> None:
    """Who waited for 20 s for a place has the whole limit for the connection."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop, size=1, overflow=0)
        connection = await simulation.take()

        def leave() -> None:
            connection.invalidate()
            connection.close()
            simulation.opening = slow(0.9)

        loop.call_later(20, lambda: asyncio.ensure_future(greenlet_spawn(leave)))
        await simulation.request()
        assert simulation.counts() == {"served": 1}
        assert simulation.answers[0][1] == pytest.approx(20.9)

    run_on_own_clock(main)


def test_who_does_not_want_to_wait_is_told_so() -> None:
    """A lane goes without a connection where a session would stand in line."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop, size=1, overflow=0)
        connection = await simulation.take()
        async with simulation.server.answering(may_wait=False):
            with pytest.raises(OverloadedError, match="All 1 connections are in use"):
                await greenlet_spawn(simulation.pool.connect)
        connection.close()

    run_on_own_clock(main)


def test_surplus_stays_for_the_next_burst() -> None:
    """Bursts every few seconds open their connections once; later five are left."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop)
        opened: list[float] = []
        simulation.opening = lambda: opened.append(loop.now)
        for _ in range(6):
            await simulation.burst(15, 1.0)
            await asyncio.sleep(2)
        assert len(opened) == 15
        await asyncio.sleep(30)
        assert simulation.pool.checkedin() == 5
        assert simulation.pool.overflow() == 0

    run_on_own_clock(main)


def test_disposed_pool_looks_after_nothing() -> None:
    """Neither at its surplus, nor at its line; the next one knows the same server."""

    async def main(loop: OwnClock) -> None:
        simulation = Simulation(loop, size=1, overflow=1)
        await simulation.burst(2)
        late = asyncio.create_task(simulation.burst(4, 0.1))
        await asyncio.sleep(0.05)
        simulation.pool.dispose()
        simulation.pool = simulation.pool.recreate()
        await late
        assert simulation.pool in simulation.server.lines
        assert simulation.counts() == {"served": 6}

    run_on_own_clock(main)
