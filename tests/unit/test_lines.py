"""Lines on a clock of their own: patient in a burst, short where the line never gets empty."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from ormolu import OverloadedError
from ormolu.controlled_delay import SHORT, STANDING, ControlledDelay
from ormolu.engines._line import Line
from tests.fixtures.clocks import OwnClock, run_on_own_clock


def test_burst_is_waited_for() -> None:
    """Whoever comes before the line has stood for long may wait as long as the line moves."""
    delay = ControlledDelay()
    assert [delay.limit(now, 30.0) for now in (5.0, 5.0, 14.9)] == [30.0] * 3


def test_newcomer_to_a_standing_line_is_answered_soon() -> None:
    """Until it was empty once; nobody waits longer than they asked for."""
    delay = ControlledDelay()
    delay.limit(0.0, 30.0)
    assert delay.limit(STANDING, 30.0) == SHORT
    assert delay.limit(STANDING, 0.2) == 0.2
    delay.be_empty()
    assert delay.limit(STANDING, 30.0) == 30.0


class Waiters:
    """Tasks in a line, with the moment at which each was served or sent away."""

    def __init__(self, loop: OwnClock, patience: float = 30.0) -> None:
        self.served: list[tuple[int, float]] = []
        self.late: list[tuple[int, float]] = []
        self.given_back: list[str] = []
        self.line: Line[str] = Line(
            patience, too_late=lambda waited: OverloadedError(f"{waited}"),
            give_back=self.given_back.append,
        )  # fmt: skip
        self._loop = loop
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, *numbers: int) -> None:
        """Let some get into the line."""
        self.tasks += [asyncio.create_task(self._wait(number)) for number in numbers]
        await asyncio.sleep(0)

    async def _wait(self, number: int) -> None:
        try:
            await self.line.wait()
        except OverloadedError:
            self.late.append((number, self._loop.now))
        else:
            self.served.append((number, self._loop.now))


def test_burst_of_300_is_served_in_its_order() -> None:
    """One turn in 0.09 s: the last one is served after 27 s, and none is sent away."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop)
        await waiters.come(*range(300))
        while len(waiters.line):
            await asyncio.sleep(0.09)
            waiters.line.serve("turn")
        await asyncio.gather(*waiters.tasks)
        assert [number for number, _ in waiters.served] == list(range(300))
        assert waiters.late == []

    run_on_own_clock(main)


def test_standing_line_sends_newcomers_away_soon() -> None:
    """Where more come than are served, later ones wait a second; the first ones keep their time."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop)
        await waiters.come(0, 1)
        await asyncio.sleep(12)
        await waiters.come(2)
        await asyncio.sleep(5)
        assert waiters.late == [(2, 13.0)]
        assert waiters.line.serve("turn")
        assert waiters.line.serve("turn")
        assert not waiters.line.serve("turn")
        await waiters.come(3)
        await asyncio.sleep(40)
        assert waiters.served == [(0, 17.0), (1, 17.0)]
        assert waiters.late == [(2, 13.0), (3, 47.0)]

    run_on_own_clock(main)


def test_who_leaves_holds_nobody_up() -> None:
    """Neither one who waits, nor one whose turn has just come and who has not heard of it."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop)
        await waiters.come(0, 1, 2)
        first, second, third = waiters.tasks
        first.cancel()
        await asyncio.sleep(0)
        assert waiters.line.serve("turn")
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert waiters.given_back == ["turn"]
        assert waiters.line.serve("turn")
        await third
        assert [number for number, _ in waiters.served] == [2]

    run_on_own_clock(main)


def test_empty_line_is_a_new_one_whoever_left_it() -> None:
    """One that was left by the last who waited does not stand any more."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop)
        await waiters.come(0)
        await asyncio.sleep(9)
        waiters.tasks[0].cancel()
        with suppress(asyncio.CancelledError):
            await waiters.tasks[0]
        await asyncio.sleep(2)
        await waiters.come(1)
        await asyncio.sleep(29)
        assert waiters.line.serve("turn")
        await waiters.tasks[1]
        assert waiters.late == []

    run_on_own_clock(main)


@pytest.mark.parametrize("is_late", [True, False])
def test_who_was_sent_away_gets_no_turn(is_late: bool) -> None:
    """Nor is anything given back for one whose time is over before they hear of it."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop, patience=1.0)
        await waiters.come(0)
        if is_late:
            loop.pass_time(2.0)
            # The timer has run, the task has not.
            loop.call_later(0, lambda: None)
        waiters.line.fail(lambda: OverloadedError("dead"))
        waiters.line.fail(lambda: OverloadedError("dead"))
        assert not waiters.line.serve("turn")
        await waiters.tasks[0]
        assert len(waiters.late) == 1
        assert waiters.given_back == []

    run_on_own_clock(main)
