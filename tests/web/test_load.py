"""How many requests are under way, who waits, and who is refused: by a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ormolu.controlled_delay import ControlledDelay
from ormolu.web import _load
from ormolu.web._load import Load

pytestmark = pytest.mark.anyio


class Loop:
    """An event loop whose time the test moves, and whose looks it takes."""

    def __init__(self) -> None:
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def call_at(self, _when: float, _callback: Callable[[], None]) -> object:
        return self

    def create_future(self) -> asyncio.Future[bool]:
        return asyncio.get_running_loop().create_future()

    def pass_time(self, seconds: float) -> None:
        self._now += seconds


class Connection(asyncio.Transport):
    """A connection that is read or not."""

    is_read = True
    is_closed = False

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return self.is_closed


class Crowd:
    """Requests of one loop, in the order in which they came."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.load = Load(self.loop)  # type: ignore[arg-type]
        self.load._use.look = lambda now: None  # type: ignore[method-assign]
        self.begun: list[int] = []
        self.refused: list[int] = []
        self._count = 0
        self._tasks: list[Awaitable[None]] = []

    async def come(self, count: int) -> None:
        for _ in range(count):
            self._count += 1
            if self.load.begin(is_urgent=False):
                self.begun.append(self._count)
            else:
                self._tasks.append(asyncio.create_task(self._wait(self._count)))
        await asyncio.sleep(0)

    async def _wait(self, number: int) -> None:
        (self.begun if await self.load.wait() else self.refused).append(number)

    async def end(self, count: int) -> None:
        for _ in range(count):
            self.load.end()
            await asyncio.sleep(0)

    async def look(self, *, come: int = 0, end: int = 0, times: int = 1) -> None:
        """Let a while pass after each look, in which some come, and some are answered."""
        for _ in range(times):
            await self.come(come)
            await self.end(end)
            self.loop.pass_time(0.02)
            self.load._look()
            await asyncio.sleep(0)
            await asyncio.sleep(0)


@pytest.fixture
def crowd() -> Crowd:
    """As many requests as may be under way, of a process that has no time for more."""
    return Crowd()


def be_busy(crowd: Crowd) -> ControlledDelay:
    crowd.load._use.share = 1.0
    line = ControlledDelay()
    line.begin(0.0)
    return line


async def test_no_fewer_begin_than_are_answered(crowd: Crowd) -> None:
    """Half of them at a look go, but for those that are answered in a moment."""
    await crowd.look(come=400)
    line = be_busy(crowd)
    await crowd.look()
    assert crowd.load._most == 200
    await crowd.look(come=40, end=40, times=20)
    assert crowd.load._most == pytest.approx(120)  # 2,000 a second, for 60 ms
    await crowd.look(times=20)
    assert crowd.load._most == 8
    line.be_empty()


async def test_more_begin_while_nothing_waits_inside(crowd: Crowd) -> None:
    """A busy process may have time for them, one that is not busy has."""
    await crowd.look(come=20)
    line = be_busy(crowd)
    await crowd.look(times=2)
    await crowd.look(come=40)
    assert len(crowd.begun) == 20
    line.be_empty()
    await crowd.look(times=40)
    assert len(crowd.begun) == 60
    assert crowd.load._most < 10_000
    crowd.load._use.share = 0.1
    await crowd.look()
    assert crowd.load._most == float("inf")


async def limited(crowd: Crowd) -> ControlledDelay:
    await crowd.look(come=8)
    line = be_busy(crowd)
    await crowd.look(times=3)
    return line


async def test_newest_go_first_in_a_line_that_rises(crowd: Crowd) -> None:
    """An order takes an answer from nobody, and so is sooner than a refusal."""
    line = await limited(crowd)
    await crowd.look(come=2, times=6)
    await crowd.end(1)
    assert crowd.begun[8:] == [20]
    assert crowd.refused == []
    await crowd.look(times=6)
    await crowd.end(1)
    assert crowd.begun[8:] == [20, 9]
    line.be_empty()


async def test_long_line_that_rises_is_refused_soon(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one in it takes memory, and time that others need."""
    monkeypatch.setattr(_load, "_MANY", 100)
    line = await limited(crowd)
    await crowd.look(come=20, times=12)
    assert crowd.load.is_growing
    assert crowd.refused[0] == 9
    assert len(crowd.refused) + len(crowd.load.line) == 240
    assert crowd.load.line[0][0] >= crowd.loop.time() - _load._PATIENCE
    line.be_empty()


async def test_long_burst_is_not_refused(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes within a moment is answered, however long that takes."""
    monkeypatch.setattr(_load, "_MANY", 100)
    line = await limited(crowd)
    await crowd.look(come=200, times=3)
    await crowd.look(come=9, end=10, times=400)
    assert crowd.refused == []
    line.be_empty()


async def test_line_behind_a_standstill_is_not_refused(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others had the processor for a while: who has come meanwhile is answered after it."""
    monkeypatch.setattr(_load, "_MANY", 100)
    line = await limited(crowd)
    crowd.load._use.share, crowd.load._late = 0.3, 100.0
    await crowd.look(come=20, times=10)
    assert len(crowd.load.line) > 150
    assert crowd.load._is_rising
    assert not crowd.load.is_growing
    crowd.load._use.share = 1.0
    await crowd.look(come=8, end=8, times=5)
    await crowd.look(come=2, end=8, times=50)
    assert not crowd.load.line
    assert crowd.refused == []
    line.be_empty()


async def test_few_are_refused_at_a_look(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look takes no longer than a moment, and those who begin meanwhile are the newest."""
    monkeypatch.setattr(_load, "_MANY", 100)
    monkeypatch.setattr(_load, "_AT_ONCE", 10)
    line = await limited(crowd)
    await crowd.look(come=20, times=12)
    before = len(crowd.refused)
    await crowd.look(come=20)
    assert len(crowd.refused) == before + 10
    line.be_empty()


async def test_line_in_which_all_are_late_is_refused(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is: the newest would go first, and it has waited for too long as well."""
    monkeypatch.setattr(_load, "_MANY", 100)
    monkeypatch.setattr(_load, "_AT_ONCE", 10)
    line = await limited(crowd)
    await crowd.look(come=20, times=12)
    assert len(crowd.load.line) > 100
    crowd.loop.pass_time(2 * _load._PATIENCE)
    await crowd.look(come=3)
    assert len(crowd.load.line) > 100
    crowd.loop.pass_time(2 * _load._PATIENCE)
    await crowd.look()
    assert not crowd.load.line
    line.be_empty()


async def test_few_are_under_way_in_a_flood(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins beyond those only waits inside; and a process that has time stays limited."""
    monkeypatch.setattr(_load, "_MANY", 100)
    await crowd.look(come=400)
    line = be_busy(crowd)
    await crowd.look(come=400, end=100, times=12)
    assert crowd.load.is_growing
    assert crowd.load._most == pytest.approx(75)  # 5,000 a second, for 15 ms
    await crowd.look(come=100, end=20, times=12)
    assert crowd.load._most == pytest.approx(60)  # 1,000 a second, for 60 ms
    crowd.load._use.share = 0.1
    await crowd.look(come=100, end=20)
    assert crowd.load._most == pytest.approx(60)
    line.be_empty()


async def test_refusals_before_a_request_is_parsed(crowd: Crowd) -> None:
    """Only of a line that grows, and beyond what is soon answered; connections rest after some."""
    connection = Connection()
    assert not crowd.load.refuses(connection)
    line = await limited(crowd)
    await crowd.look(come=20, end=2, times=60)
    assert crowd.load.is_growing
    crowd.load._most = (crowd.load._under_way + len(crowd.load.line) + 3) / _load._WITH_LINE
    assert [crowd.load.refuses(connection) for _ in range(5)] == [False] * 3 + [True] * 2
    await crowd.come(1)  # one of those that were let in stands in line now
    assert crowd.load.refuses(connection)
    await crowd.end(1)
    assert [crowd.load.refuses(connection) for _ in range(2)] == [False, True]
    assert connection.is_read
    crowd.load._refusals = _load._AT_ONCE
    assert crowd.load.refuses(connection)
    assert not connection.is_read
    await crowd.look()
    assert connection.is_read
    line.be_empty()


async def test_connections_rest_no_longer_than_they_are_open(crowd: Crowd) -> None:
    """One that is closed meanwhile is left alone."""
    connection = Connection()
    crowd.load.is_growing, crowd.load._refusals, crowd.load._most = True, _load._AT_ONCE, 0
    assert crowd.load.refuses(connection)
    connection.is_closed = True
    await crowd.look(times=2)
    assert not connection.is_read
    assert crowd.load._timer is None


async def test_what_has_come_during_a_long_rest_is_refused(crowd: Crowd) -> None:
    """It has waited for longer than anybody in line; what comes after it is not."""
    connection = Connection()
    crowd.load.is_growing, crowd.load._refusals, crowd.load._most = True, _load._AT_ONCE, 0
    assert crowd.load.refuses(connection)
    crowd.loop.pass_time(2 * _load._PATIENCE)
    await crowd.look()
    assert not crowd.load.is_growing
    assert crowd.load.refuses(connection)
    assert crowd.load._timer is not None
    await crowd.look()
    assert not crowd.load.refuses(connection)
    assert crowd.load._timer is None


async def test_who_has_left_the_line_is_not_refused(crowd: Crowd) -> None:
    """Nor counted as one who is."""
    line = await limited(crowd)
    await crowd.look(come=20, end=2, times=20)
    left = [future for _, future in crowd.load.line]
    for future in left:
        future.cancel()
    await crowd.look(come=20, end=2, times=60)
    assert crowd.load.refused == len(crowd.refused)
    assert crowd.load.line[0][1] not in left
    await crowd.look(come=1, end=2, times=400)
    assert not crowd.load.line
    line.be_empty()


async def test_growth_is_over_with_the_flood(crowd: Crowd) -> None:
    """Whoever comes then is answered."""
    line = await limited(crowd)
    await crowd.look(come=20, end=2, times=60)
    assert crowd.load.is_growing
    await crowd.look(come=1, end=2, times=26)
    assert not crowd.load.is_growing
    line.be_empty()


def test_metrics_count_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all loops together."""
    loads: dict[Any, Load] = {1: Load(Loop()), 2: Load(Loop())}  # type: ignore[arg-type]
    loads[1].refused, loads[2].refused = 2, 3
    monkeypatch.setattr(_load, "_LOADS", loads)
    assert _load._refused() == [(5, {})]


async def test_slow_while_is_no_growth(crowd: Crowd) -> None:
    """A line is not refused in which nobody waits for long, though more come than are answered."""
    line = await limited(crowd)
    await crowd.look(come=5, end=4, times=100)
    assert not crowd.load.is_growing
    await crowd.look(come=4, end=5, times=100)
    assert crowd.refused == []
    await crowd.look(come=5, end=4, times=200)
    assert crowd.refused
    line.be_empty()
