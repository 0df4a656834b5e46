"""What happens in a tenant, told to whoever listens in this process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, WebSocket

from examples.tracker.access import bearer, current_member

router = APIRouter()


class News:
    """One queue for each listener."""

    def __init__(self) -> None:
        self._listeners: dict[int, set[asyncio.Queue[str]]] = defaultdict(set)

    async def tell(self, tenant_id: int, line: str) -> None:
        """Tell all who listen to a tenant."""
        for queue in self._listeners[tenant_id]:
            queue.put_nowait(line)

    @asynccontextmanager
    async def of(self, tenant_id: int) -> AsyncIterator[AsyncIterator[str]]:
        """Listen to a tenant within the block."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners[tenant_id].add(queue)
        try:
            yield _lines(queue)
        finally:
            self._listeners[tenant_id].discard(queue)


async def _lines(queue: asyncio.Queue[str]) -> AsyncIterator[str]:
    while True:
        yield await queue.get()


@router.websocket("/news")
async def listen(socket: WebSocket, token: str) -> None:
    """Send what happens in the tenant of who asks."""
    state = socket.app.state
    async with state.database.unit_of_work(read_only=True) as session:
        member = await current_member(session, bearer(token))
    await socket.accept()
    async with state.news.of(member.tenant_id) as lines:
        async for line in lines:
            await socket.send_text(line)
