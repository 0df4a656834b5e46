"""Lines on a clock of their own: patient in a burst, short where the line never gets empty."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from ormolu import OverloadedError
from ormolu.controlled_delay import SHORT, STANDING, ControlledDelay, Patience
from ormolu.engines._line import Line
from tests.fixtures.clocks import OwnClock, run_on_own_clock

PATIENCE = Patience(line=60.0, lock=5.0)


def test_line_that_moves_is_waited_for() -> None:
    """As long as it moves now and then; one that has not moved since one came is given up soon."""
    delay = ControlledDelay()
    delay.begin(0.0)
    assert delay.end_of(0.0, PATIENCE) == 5.0
    delay.move(4.0)
    assert delay.end_of(0.0, PATIENCE) == 64.0
    assert delay.end_of(4.5, PATIENCE) == 9.5
    delay.move(63.0)
    assert delay.end_of(0.0, PATIENCE) == 123.0


def test_nobody_waits_longer_than_they_asked_for() -> None:
    """In a line that does not move the shorter limit counts."""
    assert ControlledDelay().end_of(1.0, Patience(line=0.5, lock=5.0)) == 1.5


def test_newcomer_to_a_standing_line_is_answered_soon() -> None:
    """Until it was empty once, be it that it moves."""
    delay = ControlledDelay()
    delay.begin(0.0)
    delay.move(STANDING + 0.5)
    assert delay.end_of(STANDING, PATIENCE) == STANDING + SHORT
    assert delay.end_of(STANDING, Patience(0.2, 5.0)) == STANDING + 0.2
    assert delay.end_of(STANDING - 0.1, PATIENCE) == STANDING + 0.5 + 60.0
    delay.be_empty()
    delay.begin(STANDING)
    assert delay.end_of(STANDING + 1, PATIENCE) == STANDING + 6


class Waiters:
    """Tasks in a line, with the moment at which each was served or sent away."""

    def __init__(self, loop: OwnClock, patience: Patience = PATIENCE) -> None:
        self.served: list[tuple[int, float]] = []
        self.late: list[tuple[int, float]] = []
        self.given_back: list[str] = []
        self.line: Line[str] = Line(
            patience, too_late=lambda waited, _: OverloadedError(f"{waited}"),
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
    """One turn in 0.3 s: the last one is served after 90 s, and none is sent away."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop)
        await waiters.come(*range(300))
        while len(waiters.line):
            await asyncio.sleep(0.3)
            waiters.line.serve("turn")
        await asyncio.gather(*waiters.tasks)
        assert [number for number, _ in waiters.served] == list(range(300))
        assert waiters.late == []

    run_on_own_clock(main)


def test_line_that_does_not_move_is_given_up() -> None:
    """By each after the same time; one that has moved, long after its last move."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop)
        await waiters.come(0)
        await asyncio.sleep(1)
        await waiters.come(1)
        await asyncio.sleep(9)
        assert waiters.late == [(0, 5.0), (1, 6.0)]
        await waiters.come(2, 3)
        await asyncio.sleep(3)
        assert waiters.line.serve("turn")
        await asyncio.sleep(100)
        assert waiters.late[2:] == [(3, 73.0)]

    run_on_own_clock(main)


def test_standing_line_sends_newcomers_away_soon() -> None:
    """Where more come than are served, later ones wait 5 s; the first ones keep their time."""

    async def main(loop: OwnClock) -> None:
        waiters = Waiters(loop, Patience(30.0, 30.0))
        await waiters.come(0, 1)
        await asyncio.sleep(12)
        await waiters.come(2)
        await asyncio.sleep(5)
        assert waiters.late == [(2, 17.0)]
        assert waiters.line.serve("turn")
        assert waiters.line.serve("turn")
        assert not waiters.line.serve("turn")
        await waiters.come(3)
        await asyncio.sleep(40)
        assert waiters.served == [(0, 17.0), (1, 17.0)]
        assert waiters.late == [(2, 17.0), (3, 47.0)]

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
        waiters = Waiters(loop, Patience(30.0, 30.0))
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
        waiters = Waiters(loop, patience=Patience(1.0, 1.0))
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
