"""Clients that leave, requests that are cancelled, and answers that cannot be sent."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest
from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Message

from ormolu import SessionDep, resource
from ormolu.sessions import after_commit
from tests.fixtures.apps import client_of
from tests.web.doors import (
    ANSWERED,
    HANDED_OVER,
    OPEN,
    SHUT,
    Exchange,
    Note,
    Passages,
    app_with,
    part,
)

pytestmark = pytest.mark.backends("sqlite")


class Gone(Exchange):
    """A client that has left when the answer comes."""

    async def _send(self, message: Message) -> None:
        raise ConnectionResetError


@pytest.mark.parametrize("has_doors", [True, False])
async def test_answer_that_cannot_be_sent(
    database_url: str, passages: Passages, *, has_doors: bool
) -> None:
    """What was stored stays stored, the server hears of it, and the next request is served."""
    app = app_with(database_url)
    async with client_of(app) as client:
        if not has_doors:
            app.dependency_overrides = SHUT
        for method, path in (("POST", "/notes"), ("GET", "/notes")):
            with pytest.raises(ConnectionResetError):
                await Gone(app, method, path, part(b'{"text":"a"}')).run()
        app.dependency_overrides = OPEN
        assert passages.take() == ([ANSWERED] * 2 if has_doors else [])
        assert (await client.get("/notes")).json()["items"] == [{"id": 1, "text": "a"}]
    assert passages.take() == [ANSWERED]


@pytest.mark.long
async def test_cancelled_requests(database_url: str, passages: Passages) -> None:
    """Those that wait beside one that is cancelled are served; it is stored whole or not at all."""
    app = app_with(database_url)
    async with client_of(app) as client:
        tasks = [
            asyncio.create_task(client.post("/notes", json={"text": f"{number}"}))
            for number in range(40)
        ]
        for turns in range(20):
            await asyncio.sleep(0)
            tasks[turns * 2].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        kept = {answer.json()["text"] for answer in done if not isinstance(answer, BaseException)}
        assert kept >= {f"{number}" for number in range(1, 40, 2)}
        stored = {row["text"] for row in (await client.get("/notes")).json()["items"]}
        assert kept <= stored
        assert (await client.post("/notes", json={"text": "after"})).status_code == 201
    assert HANDED_OVER not in passages.take()


async def test_cancelled_while_it_waits_for_a_lock(database_url: str, passages: Passages) -> None:
    """A request that is given up while others write leaves nothing behind that blocks."""
    app = app_with(database_url)
    async with client_of(app) as client:
        await client.post("/notes", json={"text": "a"})
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = [
            asyncio.create_task(client.patch("/notes/1", json={"text": f"{number}"}))
            for number in range(3)
        ]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        waiting[1].cancel()
        other.execute("ROLLBACK")
        other.close()
        assert (await waiting[2]).json()["text"] == "2"
        assert (await client.get("/notes/1")).json()["text"] == "2"
    assert passages.take() == [ANSWERED] * 3


@pytest.mark.long
async def test_concurrent_reads_and_writes(database_url: str, passages: Passages) -> None:
    """Whoever reads after an answer reads what it says."""
    app = app_with(database_url)

    async def one(number: int) -> None:
        created = await client.post("/notes", json={"text": f"{number}"})
        path = created.headers["location"]
        assert (await client.get(path)).json() == created.json()
        changed = await client.patch(path, json={"text": f"{number} again"})
        assert (await client.get(path)).json() == changed.json()
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404

    async with client_of(app) as client:
        await asyncio.gather(*(one(number) for number in range(30)))
    assert passages.take().count(HANDED_OVER) == 30


async def test_streams_and_background_tasks_beside_doors(
    database_url: str, passages: Passages
) -> None:
    """Routes of the program's own go on as ever, and find what doors have stored."""
    app = app_with(database_url)
    after: list[str] = []

    @app.post("/stream")
    async def stream(request: Request, session: SessionDep) -> StreamingResponse:
        sizes = [len(chunk) async for chunk in request.stream()]
        note = await session.get_one(Note, 1)
        after_commit(session, after.append, note.text)
        return StreamingResponse(iter([f"{note.text}:{sum(sizes)}"]))

    async with client_of(app) as client:
        await client.post("/notes", json={"text": "a"})
        assert (await client.post("/stream", content=b"abc")).text == "a:3"
    assert (after, passages.take()) == (["a"], [ANSWERED])


committed: list[Any] = []


async def test_hooks_after_the_commit(database_url: str, passages: Passages) -> None:
    """A resource with a hook has no doors for what the hook is about."""

    async def note(row: Any) -> None:
        committed.append(row["text"])

    app = app_with(database_url)
    app.include_router(resource(Note, path="/hooked", hooks={"after_commit": note}))
    committed.clear()
    async with client_of(app) as client:
        await client.post("/hooked", json={"text": "a"})
        assert passages.take() == []
        assert (await client.get("/hooked/1")).json()["text"] == "a"
    assert (committed, passages.take()) == (["a"], [ANSWERED])
