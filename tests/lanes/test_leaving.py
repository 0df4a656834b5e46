"""Who leaves a lane: at once while nothing of it can be stored, else once the lane knows."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Integer, literal, select
from sqlalchemy.dialects import sqlite

from ormolu.lanes import Item, Plan
from ormolu.lanes._outcome import Outcome, hold
from ormolu.lanes._sqlite_writes import _Progress, _run_all, _VoidError
from tests.lanes.things import served


async def wait_for(outcome: Outcome) -> Any:
    return await outcome


async def cancelled(*outcomes: Outcome) -> list[asyncio.Task[Any]]:
    """Return tasks that wait for outcomes, and were cancelled."""
    tasks = [asyncio.create_task(wait_for(each)) for each in outcomes]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    return tasks


async def test_who_may_be_stored_waits() -> None:
    """Until it is stored, or is not."""
    stored, undone, free = Outcome(), Outcome(), Outcome()
    left: list[Outcome] = []
    free.on_leaving = partial(left.append, free)
    assert hold([stored, undone])
    tasks = await cancelled(stored, undone, free)
    assert [task.done() for task in tasks] == [False, False, True]
    assert left == [free]
    stored.set_result(1)
    assert await tasks[0] == 1
    undone.release()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]


async def test_nobody_is_held_beside_one_who_has_left() -> None:
    """All of a batch are, or none."""
    gone, there = Outcome(), Outcome()
    await cancelled(gone)
    assert not hold([there, gone])
    assert not there.is_held


async def test_batch_of_one_who_has_left_is_not_stored() -> None:
    """However late it is: up to the COMMIT."""
    plan = Plan(select(literal(1)), [Integer()], sqlite.dialect())
    batch = [Item(plan, plan.arguments({})) for _ in range(2)]
    for item in batch:
        item.future = Outcome()
    await cancelled(batch[1].future)
    connection, progress = sqlite3.connect(":memory:"), _Progress()
    with pytest.raises(_VoidError):
        _run_all(batch, progress, connection)
    connection.close()
    assert not progress.is_at_commit


@pytest.mark.backends("asyncpg")
async def test_who_leaves_before_it_is_sent(database_url: str) -> None:
    """While its lane asks for a connection."""
    async with served(database_url) as shop:
        await shop.fill(1)
        writes: Any = shop.lanes._writes  # type: ignore[attr-defined]
        assert (await shop.create("first")).status_code == 201
        # So that the next one has to be prepared.
        writes._prepared = None
        request = asyncio.create_task(shop.create("left"))
        async with asyncio.timeout(5):
            while not writes._lane._under_way:  # noqa: ASYNC110
                await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert (await shop.create("next")).status_code == 201
        names = [each["name"] for each in (await shop.client.get("/things")).json()["items"]]
        assert "left" not in names
