"""A limit ends its block, and that only."""

from __future__ import annotations

import asyncio

import pytest

from ormolu import limits
from ormolu.limits import Limit

pytestmark = pytest.mark.anyio


async def lose_cancellations(count: int) -> None:
    """Wait for ever, and go on waiting after so many cancellations."""
    for _ in range(count):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_block_is_left_although_cancellations_are_lost(
    lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that loses a cancellation does not hang: it gets another one."""
    monkeypatch.setattr(limits, "_LEAVING", 0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20), Limit(0.01):
            await lose_cancellations(lost)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_block_in_time_is_not_disturbed() -> None:
    """What is done in time is done, and nothing comes after it."""
    async with Limit(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)


async def test_errors_of_the_block_are_its_own() -> None:
    """An error on the way out of a block whose time is over is what is told."""
    with pytest.raises(ValueError, match="mine"):
        async with Limit(0.01):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                message = "mine"
                raise ValueError(message) from None


async def test_foreign_cancellation_goes_on() -> None:
    """Who cancels the task too is told so, not that the time was over."""

    async def wait() -> None:
        async with Limit(0.01) as limit:
            limit.expire()
            task.cancel()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(wait())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_limit_ends_when_it_is_told() -> None:
    """A limit without seconds waits for `expire`."""
    with pytest.raises(TimeoutError):
        async with Limit(None) as limit:
            asyncio.get_running_loop().call_soon(limit.expire)
            await asyncio.Event().wait()
