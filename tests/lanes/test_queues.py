"""Lines: bounded, first come first served, without timers; who leaves leaves the others alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Integer, select
from sqlalchemy.dialects import sqlite

from ormolu.controlled_delay import Patience
from ormolu.errors import OutcomeUnknownError, OverloadedError
from ormolu.lanes import Item, NotDoneError, Plan, _pinned_lane
from ormolu.lanes._lane import Lane
from tests.lanes.things import (
    Served,
    Thing,
    execute,
    locked,
    served,
    statuses,
    turns,
    until_waiting,
)

BOTH = pytest.mark.backends("sqlite", "asyncpg")

PATIENCE = Patience(5.0, 5.0)
PLAN = Plan(select(Thing.number), [Integer()], sqlite.dialect())


class Work:
    """What a lane is given to do: notes its batches, and waits until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = asyncio.Event()

    async def run(self, batch: list[Item]) -> None:
        self.batches.append([item.arguments[0] for item in batch])
        await self.may_go_on.wait()
        for item in batch:
            item.resolve(item.arguments[0])


def item(number: int, size: int = 0) -> Item:
    return Item(PLAN, (number,), size=size)


async def test_batches_are_bounded_and_in_order() -> None:
    """Who waits goes next, as many as a batch holds, in the order in which they came."""
    work = Work()
    lane = Lane(work.run, patience=PATIENCE, batch=3)
    first = [lane.put(item(0))]
    await turns(2)
    futures = first + [lane.put(item(number)) for number in range(1, 8)]
    assert work.batches == [[0]]
    work.may_go_on.set()
    assert await asyncio.gather(*futures) == list(range(8))
    assert work.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]
    assert lane.load == 0


async def test_idle_lane_sends_at_once() -> None:
    """A lane with nothing to do begins in the next turn of the event loop: there is no timer."""
    work = Work()
    lane = Lane(work.run, patience=PATIENCE, batch=3)
    for number in range(3):
        work.may_go_on.set()
        future = lane.put(item(number))
        await turns(2)
        assert work.batches[-1] == [number]
        assert await future == number
        await turns(2)


async def test_lane_that_is_cancelled_leaves_nobody_waiting() -> None:
    """Who cancels all tasks of a loop cancels its lanes; what they were doing may be done."""
    work = Work()
    lane = Lane(work.run, patience=PATIENCE, batch=1)
    before = asyncio.all_tasks()
    under_way, waiting = lane.put(item(0)), lane.put(item(1, size=10))
    await turns(2)
    (task,) = asyncio.all_tasks() - before
    task.cancel()
    with pytest.raises(OutcomeUnknownError):
        await under_way
    with pytest.raises(NotDoneError):
        await waiting
    await turns(2)
    work.may_go_on.set()
    assert lane.load == 0
    before = asyncio.all_tasks()
    early = lane.put(item(2))
    (task,) = asyncio.all_tasks() - before
    # Before it has begun.
    task.cancel()
    await turns(2)
    later = lane.put(item(3))
    assert [await early, await later] == [2, 3]


async def test_too_many_wait() -> None:
    """More items, or more bytes, than a lane holds are refused, and counted out as they go."""
    work = Work()
    lane = Lane(work.run, patience=PATIENCE, batch=1000)
    futures = [lane.put(item(number)) for number in range(999)]
    half = 16 * 2**20
    with pytest.raises(OverloadedError):
        lane.put(item(-1, size=half * 2 + 1))
    futures.append(lane.put(item(999, size=half * 2)))
    with pytest.raises(OverloadedError, match="1000 statements"):
        lane.put(item(-2))
    await turns(2)
    futures += [lane.put(item(1000, size=half)), lane.put(item(1001, size=half))]
    with pytest.raises(OverloadedError, match="2 statements"):
        lane.put(item(-3, size=1))
    work.may_go_on.set()
    assert await asyncio.gather(*futures) == list(range(1002))


async def test_wait_is_counted() -> None:
    """Who has waited too long is refused when the turn comes, not served late."""
    work = Work()
    lane = Lane(work.run, patience=Patience(0.02, 0.02), batch=3)
    first = lane.put(item(0))
    await turns(2)
    late = lane.put(item(1))
    await asyncio.sleep(0.03)
    work.may_go_on.set()
    assert await first == 0
    with pytest.raises(OverloadedError, match="No turn came"):
        await late
    assert work.batches == [[0]]


async def test_who_waits_for_a_line_that_moves() -> None:
    """What went before has got its turn: those behind it do not count how long it waited for it."""
    work = Work()
    lane = Lane(work.run, patience=Patience(60.0, 0.02), batch=3)
    first = lane.put(item(0))
    await turns(2)
    second = lane.put(item(1))
    await asyncio.sleep(0.03)
    lane.move()
    work.may_go_on.set()
    assert [await first, await second] == [0, 1]


async def test_who_leaves_before_the_turn_is_not_served() -> None:
    """The others are, and what the one who left held is free."""
    work = Work()
    lane = Lane(work.run, patience=PATIENCE, batch=1000)
    first = lane.put(item(0))
    await turns(2)
    left, stays = lane.put(item(1, size=2**25)), lane.put(item(2))
    left.cancel()
    work.may_go_on.set()
    assert [await first, await stays] == [0, 2]
    assert work.batches == [[0], [2]]
    assert await lane.put(item(3, size=2**25)) == 3


async def test_who_leaves_during_the_turn_leaves_the_others() -> None:
    """The batch goes on to its end, with results and with errors."""
    work = Work()
    lane = Lane(work.run, patience=PATIENCE, batch=3)
    left, stays = lane.put(item(0)), lane.put(item(1))
    await turns(2)
    left.cancel()
    work.may_go_on.set()
    assert await stays == 1

    async def fail(batch: list[Item]) -> None:
        batch[0].future.cancel()
        raise LookupError

    lane = Lane(fail, patience=PATIENCE, batch=3)
    left, stays = lane.put(item(0)), lane.put(item(1))
    with pytest.raises(LookupError):
        await stays
    assert left.cancelled()


async def test_closed_lane() -> None:
    """A lane that closes does what it has, and takes no more."""
    work = Work()
    lane = Lane(work.run, patience=PATIENCE, batch=1)
    futures = [lane.put(item(number)) for number in range(3)]
    closing = asyncio.create_task(lane.close())
    await turns(2)
    with pytest.raises(NotDoneError):
        lane.put(item(3))
    work.may_go_on.set()
    await closing
    assert [future.result() for future in futures] == [0, 1, 2]
    await lane.close()


def lane_of(shop: Served) -> Lane:
    """Return the lane that writes."""
    writes: Any = shop.lanes._writes  # type: ignore[attr-defined]
    lane: Lane = writes._lane
    return lane


@pytest.mark.long
@BOTH
@pytest.mark.parametrize(("limit", "most"), [("_MOST_ITEMS", 5), ("_MOST_BYTES", 100)])
async def test_overload_is_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    """Who finds the line full is told to come again, at once; the others are stored."""
    monkeypatch.setattr(f"ormolu.lanes._lane.{limit}", most)
    async with served(database_url) as shop:
        await shop.fill(1)
        answers = await asyncio.gather(*(shop.create(f"new {n}") for n in range(20)))
        refused = [each for each in answers if each.status_code == 503]
        assert set(statuses(answers)) == {201, 503}
        assert {each.json()["code"] for each in refused} == {"overloaded"}
        assert {each.headers["retry-after"] for each in refused} == {"1"}
        assert await execute(database_url, "SELECT count(*) FROM things") == [(21 - len(refused),)]


@pytest.mark.long
@BOTH
async def test_bytes_of_changes_are_counted(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes of many bytes fill a line as new rows do."""
    monkeypatch.setattr("ormolu.lanes._lane._MOST_BYTES", 100)
    async with served(database_url) as shop:
        await shop.fill(1)
        calls = [shop.change(1, name=f"{number}" * 60) for number in range(9)]
        assert set(statuses(await asyncio.gather(*calls))) == {200, 503}


async def cancelled(calls: list[Any], count: int, is_begun: Callable[[], bool]) -> list[Any]:
    """Send requests, and cancel the first of them once they are as far as that."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    async with asyncio.timeout(5):
        while not is_begun():  # noqa: ASYNC110
            await asyncio.sleep(0)
    for task in tasks[:count]:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.long
@BOTH
@pytest.mark.parametrize("when", ["before", "after"])
async def test_cancelled_requests(database_url: str, when: str) -> None:
    """Who leaves, before the batch is sent or after, stores nothing, and keeps it from nobody.

    Who is too late for that, since it may be stored, has its answer.
    """
    async with served(database_url) as shop:
        await shop.fill(1)
        lane = lane_of(shop)

        def is_begun() -> bool:
            return len(lane._waiting) == 8 if when == "before" else lane._under_way == 8

        calls = [shop.create(f"new {number}") for number in range(8)]
        answers = await cancelled(calls, 4, is_begun)
        left = [isinstance(each, asyncio.CancelledError) for each in answers]
        # Only PostgreSQL knows from when on it is too late.
        may_be_late = when == "after" and "sqlite" not in database_url
        assert left[4:] == [False] * 4
        assert may_be_late or left[:4] == [True] * 4
        assert set(statuses(each for each in answers if not isinstance(each, BaseException))) == {
            201
        }
        stored = await execute(database_url, "SELECT name FROM things WHERE name LIKE 'new%'")
        staying = [(f"new {number}",) for number in range(8) if not left[number]]
        assert sorted(stored) == staying
        assert statuses([await shop.create("after")]) == [201]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_writes_do_not_hold_up_reads(database_url: str) -> None:
    """Reads are answered while a batch of writes waits for its lock."""
    async with served(database_url, pool_timeout=10.0) as shop:
        await shop.fill(1)
        async with locked(database_url, "UPDATE things SET number = 7"):
            writes = asyncio.gather(*(shop.create(f"new {number}") for number in range(4)))
            await turns(10)
            for _ in range(20):
                assert statuses([await shop.read(1), await shop.client.get("/things")]) == [200] * 2
            assert not writes.done()
        assert statuses(await writes) == [201] * 4


@pytest.mark.backends("asyncpg")
async def test_lists_and_writes_do_not_hold_up_points(database_url: str) -> None:
    """Reads by a key have a connection of their own."""
    async with served(database_url, pool_timeout=5.0) as shop:
        await shop.fill(2)
        assert statuses([await shop.client.get("/parts"), await shop.read(1)]) == [200] * 2
        async with locked(database_url, "LOCK TABLE parts"):
            listed = asyncio.create_task(shop.client.get("/parts"))
            written = asyncio.create_task(shop.client.post("/parts", json={"thing_id": 1}))
            await turns(50)
            began = time.monotonic()
            assert statuses([await shop.read(key) for key in (1, 2)]) == [200] * 2
            assert time.monotonic() - began < 1
            assert not listed.done()
        assert (await listed).status_code == 200
        assert (await written).status_code == 201


@pytest.mark.backends("asyncpg")
async def test_list_takes_the_connection_that_is_free(database_url: str) -> None:
    """Whoever comes while a list is under way does not stand behind it."""
    async with served(database_url, pool_size=6, max_overflow=0) as shop:
        await shop.fill(1)
        assert statuses([await shop.client.get("/parts")]) == [200]
        async with locked(database_url, "LOCK TABLE parts") as other:
            slow = asyncio.create_task(shop.client.get("/parts"))
            await until_waiting(other)
            async with asyncio.timeout(5):
                listed = [await shop.client.get("/things") for _ in range(3)]
            assert statuses(listed) == [200] * 3
            assert not slow.done()
        assert (await slow).status_code == 200


@pytest.mark.backends("asyncpg")
@pytest.mark.parametrize("path", ["/parts", "/things/1"])
async def test_slow_read_is_left_to_sessions(
    database_url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that took long holds up the others no more: for a while a session sends it."""
    monkeypatch.setattr(_pinned_lane, "_LONG", 0.1)
    async with served(database_url, pool_timeout=5.0) as shop:
        await shop.fill(2)
        assert (await shop.client.get(path)).status_code == 200
        async with locked(database_url, "LOCK TABLE parts, things"):
            read = asyncio.create_task(shop.client.get(path))
            await asyncio.sleep(0.15)
        assert (await read).status_code == 200
        shop.passed_on.clear()
        assert (await shop.client.get(path)).status_code == 200
        assert shop.passed_on == [f"GET {path}"]


@pytest.mark.backends("asyncpg")
async def test_read_without_an_answer_is_left_to_a_session(database_url: str) -> None:
    """Those who stand behind a read wait for its answer only so long."""
    async with served(database_url, connect_timeout=1.0) as shop:
        await shop.fill(1)
        await execute(
            database_url, "ALTER TABLE things RENAME TO others",
            "CREATE VIEW things AS SELECT others.* FROM others, pg_sleep(30)",
        )  # fmt: skip
        read = asyncio.create_task(shop.read(1))
        async with asyncio.timeout(10):
            while not shop.passed_on:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        read.cancel()
        await asyncio.wait({read})
