"""Reads that are asked for at the same time, and are the same, are one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any

import pytest
from sqlalchemy import DateTime, Integer, Time, literal, select

from ormolu.errors import OverloadedError
from ormolu.lanes import NotDoneError, Plan, Slot, _sqlite
from ormolu.lanes._pinned_lane import PinnedLane
from ormolu.resources.http import _read_works
from tests.lanes.things import Served, Thing, database_of, execute, served, statuses, turns

BOTH = pytest.mark.backends("sqlite", "asyncpg")


class Sent:
    """The statements that go to the database, in order, and what was made of them."""

    def __init__(self, shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.made = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        lanes: Any = shop.lanes
        if hasattr(lanes, "_reads"):
            lanes._reads._sqlite.set_trace_callback(self._note)
        else:
            monkeypatch.setattr(PinnedLane, "_read", self._watched(PinnedLane._read))

    def _note(self, text: str) -> None:
        self.count += text.startswith("SELECT")

    def _watched(self, read: Any) -> Any:
        async def watched(lane: Any, text: str, arguments: Sequence[Any]) -> Any:
            self.count += 1
            rows = await read(lane, text, arguments)
            await self.may_go_on.wait()
            return rows

        return watched

    def make(self, *found: Sequence[Any]) -> list[Any]:
        self.made += 1
        return [tuple(row) for rows in found for row in rows]


def plan_of(shop: Served) -> Plan:
    condition = Thing.id >= literal(Slot("least"), Integer())
    return Plan(select(Thing.id).where(condition), [Integer()], shop.db.engine.dialect)


@pytest.mark.long
@BOTH
async def test_same_reads_are_sent_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the same, with the same values, shares the statement and what it gave."""
    async with served(database_url) as shop:
        await shop.fill(3)
        await shop.client.get("/things")
        sent, plan, fetch = Sent(shop, monkeypatch), plan_of(shop), shop.lanes.fetch
        calls = [fetch(((plan, (least,)),), sent.make) for least in (2, 1, 2, 2, 1, 3)]
        found = await asyncio.gather(*calls)
        assert [len(rows) for rows in found] == [2, 3, 2, 2, 3, 1]
        assert sent.count <= 4  # two lanes of PostgreSQL know nothing of each other
        assert sent.made == sent.count
        assert found[0] is found[2] or found[0] is found[3]


@pytest.mark.long
@BOTH
async def test_lists_share(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a list that are asked for together are read once, and each has its own link."""
    async with served(database_url) as shop:
        await shop.fill(9)
        await shop.client.get("/things?limit=2")
        sent = Sent(shop, monkeypatch)
        sent.may_go_on.clear()
        calls = [asyncio.ensure_future(shop.client.get("/things?limit=2")) for _ in range(20)]
        await turns(50)
        sent.may_go_on.set()
        answers = await asyncio.gather(*calls)
        assert statuses(answers) == [200] * 20
        assert len({answer.text for answer in answers}) == 1
        assert all("cursor=" in answer.headers["link"] for answer in answers)
        # SQLite: a page and its end for each turn of the event loop.
        assert sent.count < 20
        assert shop.passed_on == []


@pytest.mark.backends("asyncpg")
async def test_who_comes_later_reads_anew(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that is under way may have missed what the one who comes now knows of."""
    async with served(database_url) as shop:
        await shop.fill(1)
        sent, plan, fetch = Sent(shop, monkeypatch), plan_of(shop), shop.lanes.fetch
        sent.may_go_on.clear()
        early = [asyncio.ensure_future(fetch(((plan, (1,)),), sent.make)) for _ in range(4)]
        async with asyncio.timeout(5):
            while not sent.count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await turns(20)
        await execute(database_url, "INSERT INTO things (name, number) VALUES ('late', 0)")
        late = [asyncio.ensure_future(fetch(((plan, (1,)),), sent.make)) for _ in range(4)]
        await turns(20)
        sent.may_go_on.set()
        assert all(len(rows) == 2 for rows in await asyncio.gather(*late))
        assert all(len(rows) == 1 for rows in await asyncio.gather(*early))


@BOTH
async def test_who_leaves_takes_nothing_along(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those who share a read, one may be cancelled."""
    async with served(database_url) as shop:
        await shop.fill(2)
        await shop.client.get("/things")
        sent, plan, fetch = Sent(shop, monkeypatch), plan_of(shop), shop.lanes.fetch
        calls = [asyncio.ensure_future(fetch(((plan, (1,)),), sent.make)) for _ in range(6)]
        await turns(1)
        calls[0].cancel()
        calls[3].cancel()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [rows for rows in found if isinstance(rows, list)] == [[(1,), (2,)]] * (
            6 if "sqlite" in database_url else 4
        )


@pytest.mark.backends("asyncpg")
async def test_who_leaves_while_it_is_sent(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those whose read is under way some may be cancelled, the first of them too."""
    async with served(database_url, pool_size=2, max_overflow=0) as shop:
        await shop.fill(2)
        sent, plan, fetch = Sent(shop, monkeypatch), plan_of(shop), shop.lanes.fetch
        sent.may_go_on.clear()
        calls = [asyncio.ensure_future(fetch(((plan, (1,)),), sent.make)) for _ in range(4)]
        async with asyncio.timeout(5):
            while not sent.count:  # noqa: ASYNC110
                await asyncio.sleep(0)
        calls[0].cancel()
        calls[2].cancel()
        await turns(2)
        sent.may_go_on.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in found] == [True, False] * 2
        assert found[1] == found[3] == [(1,), (2,)]
        assert sent.count == 1


@BOTH
async def test_error_is_of_those_who_share_it(database_url: str) -> None:
    """Others of the batch have their rows, those too that are sent after it."""
    # In the smallest pool all reads of PostgreSQL are of one lane, and so of one batch.
    async with served(database_url, pool_size=2, max_overflow=0) as shop:
        await shop.fill(2)
        plan, broken, fetch = plan_of(shop), plan_of(shop), shop.lanes.fetch
        broken.text = broken.text.replace("things.id >=", "1/0 >=").replace("FROM things", "FROM x")
        calls: list[Any] = [
            fetch(((each, (1,)),), list) for each in (broken, plan, broken, plan, broken)
        ]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(each, NotDoneError) for each in found] == [True, False] * 2 + [True]


@pytest.mark.backends("asyncpg")
async def test_wait_in_a_batch_is_bounded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads are taken many at once; each waits for its turn as long as it would in line."""
    async with served(database_url, pool_size=2, max_overflow=0, pool_timeout=0.2) as shop:
        await shop.fill(2)
        sent, plan, fetch = Sent(shop, monkeypatch), plan_of(shop), shop.lanes.fetch
        sent.may_go_on.clear()
        calls: list[Any]
        calls = [asyncio.ensure_future(fetch(((plan, (n,)),), list)) for n in (1, 2, 2)]
        await asyncio.sleep(0.4)
        sent.may_go_on.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(each, OverloadedError) for each in found] == [False, True, True]
        assert sent.count == 1


@pytest.mark.backends("asyncpg")
async def test_values_that_only_look_alike(database_url: str) -> None:
    """Times with zones are equal in Python where PostgreSQL tells them apart."""
    early, late = (time.fromisoformat(text) for text in ("10:00:00+00:00", "12:00:00+02:00"))
    assert early == late
    async with database_of(database_url) as db, served(database_url) as shop:
        slot = literal(Slot("value"), Time(timezone=True))
        plan = Plan(select(slot.label("value")), [Time(timezone=True)], db.engine.dialect)
        calls: list[Any]
        calls = [shop.lanes.fetch(((plan, (value,)),), list) for value in (early, late)]
        found = await asyncio.gather(*calls)
        assert [rows[0][0].utcoffset() for rows in found] == [
            value.utcoffset() for value in (early, late)
        ]
        moment = datetime(2020, 1, 1, tzinfo=UTC)
        slot = literal(Slot("value"), DateTime(timezone=True))
        plan = Plan(select(slot.label("v")), [DateTime(timezone=True)], db.engine.dialect)
        assert await shop.lanes.fetch(((plan, (moment,)),), list) == [(moment,)]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_snapshot_that_cannot_be_opened(database_url: str) -> None:
    """It is left to a session, for points and for lists."""
    async with served(database_url) as shop:
        await shop.fill(1)
        assert statuses([await shop.read(1), await shop.client.get("/things")]) == [200] * 2
        await turns(2)
        lanes: Any = shop.lanes
        lanes._reads._sqlite.execute("BEGIN")
        assert statuses([await shop.read(1), await shop.client.get("/things")]) == [200] * 2
        assert len(shop.passed_on) == 2
        lanes._reads._sqlite.execute("ROLLBACK")


@pytest.mark.long
@BOTH
async def test_first_pages_of_any_number(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Query strings are remembered, a few of them, and each has its own page."""
    monkeypatch.setattr(_read_works, "_FIRST_PAGES", 3)
    async with served(database_url) as shop:
        await shop.fill(9)
        for _ in range(2):
            for size in range(1, 9):
                answer = await shop.client.get(f"/things?limit={size}")
                assert len(answer.json()["items"]) == size
        assert shop.passed_on == []


@pytest.mark.long
@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("seconds", [0.0, 60.0])
async def test_turn_takes_reads_for_some_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Whoever comes after that is of a later one, in order; nothing else happens meanwhile."""
    async with served(database_url) as shop:
        await shop.fill(1)
        await shop.client.get("/things/1")
        monkeypatch.setattr(_sqlite, "_TURN", seconds)
        monkeypatch.setattr(_sqlite, "_AT_ONCE", 1)
        turn, done = 0, list[tuple[int, int]]()

        async def read(number: int) -> None:
            if number % 2:
                await shop.client.get("/things?limit=1")
            else:
                await shop.client.get("/things/1")
            done.append((turn, number))

        tasks = [asyncio.ensure_future(read(number)) for number in range(8)]
        while len(done) < len(tasks):
            turn += 1
            await asyncio.sleep(0)
        assert done == sorted(done)
        assert len({turn for turn, _ in done}) == (1 if seconds else 8)
        assert shop.passed_on == []
