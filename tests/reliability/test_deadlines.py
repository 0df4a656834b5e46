"""A request past its deadline: cancelled in the server too, rolled back, answered 504."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from fastapi import Depends, FastAPI, Request
from sqlalchemy import event, text
from sqlalchemy.util import await_

from ormolu import SessionDep, deadline
from tests.fixtures.backends import Backend
from tests.reliability._slow import Client, Job, Slow, add_routes, slow_app

pytestmark = pytest.mark.anyio

_SLOW_ROW = b'{"name":"slow"}'
_BATCH = (
    b'{"operations":[{"op":"create","data":{"name":"quick"}},'
    b'{"op":"create","data":{"name":"slow"}}]}'
)


# Those whose COMMIT is to be late.
_COMMITTING: list[Request] = []


def _add(app: FastAPI) -> None:
    add_routes(app, 0.2)

    @app.post("/soon", dependencies=[Depends(deadline(0.02))])
    async def soon(session: SessionDep) -> str:
        session.add(Job(name="quick"))
        await session.flush()
        return str(await session.scalar(text("SELECT name FROM slow_jobs")))

    @app.post("/commit")
    async def commit(request: Request, session: SessionDep) -> None:
        _COMMITTING.append(request)
        session.add(Job(name="late"))
        await session.commit()
        await asyncio.Event().wait()

    @app.post("/end")
    async def end(request: Request, session: SessionDep) -> None:
        _COMMITTING.append(request)
        session.add(Job(name="late"))


@pytest.fixture(scope="module")
async def slow(backend: Backend, module_url: str) -> AsyncIterator[Slow]:
    async with slow_app(backend, module_url, _add) as found:
        yield found


@pytest.fixture(autouse=True)
async def _empty(slow: Slow) -> None:
    await slow.observer.execute("DELETE FROM jobs")


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/read", b""),
        ("POST", "/write", b""),
        ("POST", "/soon", b""),
        ("GET", "/slow", b""),
        ("GET", "/slow/1", b""),
        ("POST", "/slow:query", b"{}"),
        ("POST", "/jobs", _SLOW_ROW),
        ("POST", "/jobs:batch", _BATCH),
        ("GET", "/s/slow", b""),
        ("GET", "/s/slow/1", b""),
        ("POST", "/s/jobs", _SLOW_ROW),
    ],
)
async def test_request_past_its_deadline_stores_nothing(
    slow: Slow, method: str, path: str, body: bytes
) -> None:
    """It is answered 504, nothing of it runs any more, and the next requests are served."""
    client = Client(slow.app, method, path, body)
    assert await client.run() == 504
    assert b'"code":"deadline_exceeded"' in client.sent[1]["body"]
    await slow.wait_for(0)
    assert await slow.stored() == 0
    await slow.assert_well()


@pytest.mark.long
async def test_others_of_a_lane_go_on(slow: Slow) -> None:
    """Requests that came together each have their own deadline; what others wait for is done."""
    late = [Client(slow.app, "GET", "/slow/1") for _ in range(3)]
    late.append(Client(slow.app, "POST", "/jobs", _SLOW_ROW))
    quick = [Client(slow.app, "POST", "/free/jobs", b'{"name":"quick"}') for _ in range(3)]
    quick.append(Client(slow.app, "POST", "/free/write"))
    answers = await asyncio.gather(*[each.run() for each in (*late, *quick)])
    assert answers == [504, 504, 504, 504, 201, 201, 201, 200]
    await slow.wait_for(0)
    assert await slow.stored() == 4
    await slow.assert_well()


@pytest.fixture
async def _late_commits(slow: Slow) -> AsyncIterator[None]:
    """Let the deadline of a request pass while it is in its COMMIT."""
    engine = slow.db.engine.sync_engine

    def pass_deadline(_connection: object) -> None:
        if _COMMITTING:
            await_(deadline(0.001)(_COMMITTING.pop()))
            await_(asyncio.sleep(0.1))

    event.listen(engine, "commit", pass_deadline)
    yield
    event.remove(engine, "commit", pass_deadline)


@pytest.mark.long
@pytest.mark.usefixtures("_late_commits")
async def test_commit_is_not_interrupted(slow: Slow) -> None:
    """Whoever is in its COMMIT when its time is over is stored, and answered so."""
    assert await Client(slow.app, "POST", "/end").run() == 200
    await slow.wait_for(0)
    assert await slow.stored() == 1
    await slow.assert_well()


@pytest.mark.usefixtures("_late_commits")
async def test_commit_by_hand_is_not_interrupted(slow: Slow) -> None:
    """What the program has committed itself stays; what it does after that is cancelled."""
    assert await Client(slow.app, "POST", "/commit").run() == 504
    assert await slow.stored() == 1
    await slow.assert_well()


@pytest.fixture
async def _endless_commits(slow: Slow) -> AsyncIterator[None]:
    """Let the deadline of a request pass while it is in its COMMIT, which nobody answers."""
    engine = slow.db.engine.sync_engine
    is_over: list[bool] = []

    def wait(_connection: object) -> None:
        if _COMMITTING:
            await_(deadline(0.001)(_COMMITTING.pop()))
            try:
                await_(asyncio.Event().wait())
            finally:
                is_over.append(True)

    event.listen(engine, "commit", wait)
    yield
    event.remove(engine, "commit", wait)
    assert is_over == [True]


@pytest.mark.usefixtures("_endless_commits")
@pytest.mark.parametrize("path", ["/end", "/commit"])
async def test_commit_without_an_answer_is_given_up(slow: Slow, path: str) -> None:
    """A server that lives may not answer a COMMIT: one that has lost its standbys, say."""
    client = Client(slow.app, "POST", path)
    assert await client.run() == 503
    assert json.loads(client.sent[1]["body"])["code"] == "outcome_unknown"
    await slow.assert_well()
