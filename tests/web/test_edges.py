"""What the gate and its neighbours do at the edges."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ormolu import Database
from tests.fixtures.apps import client_of
from tests.web.notes import Base, Note, attached, texts


def test_health_routes_are_left_out() -> None:
    """`attach(app, health=False)` adds no route."""
    app = FastAPI()
    Database("sqlite://", metadata=Base.metadata).attach(app, health=False)
    assert TestClient(app).get("/healthz").status_code == 404


async def test_readiness_asks_once_a_second() -> None:
    """Two probes within a second are one question."""
    app = FastAPI()
    db = attached(app)
    asked: list[int] = []
    ping = db.ping

    async def counted() -> None:
        asked.append(1)
        await ping()

    app.state.ormolu.probes[0]._ping = counted
    async with client_of(app) as client:
        answers = [await client.get("/readyz") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len(asked) == 1


async def test_answer_after_a_failed_commit_is_dropped() -> None:
    """An application that goes on sending after its COMMIT failed does not get through."""
    app = FastAPI()
    db = attached(app)

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        session = await db.session(Request(scope))
        session.add_all([Note(text="a"), Note(text="a")])
        for _ in range(2):
            try:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"stored"})
            except Exception:
                continue

    app.mount("/raw", stubborn)
    async with client_of(app) as client:
        answer = await client.post("/raw/")
        assert (answer.status_code, answer.json()["code"]) == (409, "unique_violation")
        assert await texts(db) == []


async def test_unchanged_object_is_no_write() -> None:
    """Setting what is there already does not make a reading request fail."""
    async with Database("sqlite://", metadata=Base.metadata) as db:
        async with db.unit_of_work() as session:
            session.add(Note(text="a"))
        async with db.unit_of_work(read_only=True) as session:
            note = await session.get_one(Note, 1)
            note.text = "a"
            await session.flush()
        assert note.text == "a"


async def test_connection_that_cannot_be_discarded_is_only_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If ROLLBACK and discarding both fail, the error of the work itself is what is seen."""

    async def fail(_session: Any) -> None:
        raise OSError

    async with Database("sqlite://", metadata=Base.metadata) as db:
        with monkeypatch.context() as broken, pytest.raises(ValueError, match="mine"):
            async with db.unit_of_work():
                broken.setattr(AsyncSession, "rollback", fail)
                broken.setattr(AsyncSession, "invalidate", fail)
                raise ValueError("mine")
    assert "could not be discarded" in caplog.text


async def test_probes_at_once_share_one_answer() -> None:
    """Probes that come while the database is asked are not told that it is down."""
    app = FastAPI()
    attached(app)
    async with client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5


async def test_a_probe_that_gives_up_leaves_the_others_their_answer() -> None:
    """A probe that is cancelled does not cancel the question."""
    app = FastAPI()
    attached(app)
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def ping() -> None:
        is_asked.set()
        await may_answer.wait()

    async with client_of(app) as client:
        app.state.ormolu.probes[0]._ping = ping
        first = asyncio.ensure_future(client.get("/readyz"))
        second = asyncio.ensure_future(client.get("/readyz"))
        await is_asked.wait()
        first.cancel()
        may_answer.set()
        assert (await second).status_code == 200
