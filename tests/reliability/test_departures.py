"""A client that leaves: its statement is ended in the server, and nothing of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from sqlalchemy import text
from starlette.responses import StreamingResponse

from ormolu import SessionDep
from tests.fixtures.backends import Backend
from tests.reliability._slow import PATIENCE, Client, Job, Slow, add_routes, slow_app

pytestmark = pytest.mark.anyio

_SLOW_ROW = b'{"name":"slow"}'
_BATCH = (
    b'{"operations":[{"op":"create","data":{"name":"quick"}},'
    b'{"op":"create","data":{"name":"slow"}}]}'
)


class Events:
    """What the routes that wait wait for, and that they have begun to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.done = asyncio.Event()

    async def wait(self) -> None:
        self.begun.set()
        await self.go.wait()
        self.done.set()


def _add(app: FastAPI) -> None:
    add_routes(app, inf)

    @app.get("/busy")
    async def busy(session: SessionDep) -> str:
        return str(await session.scalar(text("SELECT BENCHMARK(2000000000, MD5('x'))")))

    @app.get("/alone")
    async def alone() -> None:
        await app.state.events.wait()

    @app.post("/holding")
    async def holding(session: SessionDep) -> None:
        session.add(Job(name="held"))
        await session.flush()
        await app.state.events.wait()

    @app.post("/stored")
    async def stored(session: SessionDep, tasks: BackgroundTasks) -> None:
        session.add(Job(name="stored"))
        tasks.add_task(app.state.events.wait)

    @app.get("/stream")
    async def stream(session: SessionDep) -> StreamingResponse:
        await session.scalar(text("SELECT 1"))

        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            await app.state.events.wait()
            yield b"b"

        return StreamingResponse(parts())

    @app.post("/asking")
    async def asking(request: Request, session: SessionDep) -> int:
        session.add(Job(name="asked"))
        await session.flush()
        await app.state.events.wait()
        return len(await request.body())


@pytest.fixture(scope="module")
async def slow(backend: Backend, module_url: str) -> AsyncIterator[Slow]:
    async with slow_app(backend, module_url, _add) as found:
        yield found


@pytest.fixture(autouse=True)
async def events(slow: Slow) -> Events:
    await slow.observer.execute("DELETE FROM jobs")
    slow.app.state.events = found = Events()
    return found


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/read", b""),
        ("POST", "/write", b""),
        ("GET", "/slow", b""),
        ("GET", "/slow/1", b""),
        ("POST", "/slow:query", b"{}"),
        ("POST", "/jobs", _SLOW_ROW),
        ("POST", "/jobs:batch", _BATCH),
        ("GET", "/s/slow/1", b""),
        ("POST", "/s/jobs", _SLOW_ROW),
    ],
)
async def test_departed_clients_leave_nothing(
    slow: Slow, method: str, path: str, body: bytes
) -> None:
    """Their statements end, nothing of them is stored, and the next requests are served."""
    client = Client(slow.app, method, path, body)
    request = asyncio.create_task(client.run())
    await slow.wait_for(1)
    client.leave()
    assert await request == 499
    await slow.wait_for(0)
    assert await slow.stored() == 0
    await slow.assert_well()


async def test_many_departures_free_all_readers(slow: Slow) -> None:
    """Clients that leave hold no connection any more."""
    clients = [Client(slow.app, "GET", "/read") for _ in range(5)]
    requests = [asyncio.create_task(each.run()) for each in clients]
    await slow.wait_for(5)
    for each in clients:
        each.leave()
    assert set(await asyncio.gather(*requests)) == {499}
    await slow.wait_for(0)
    await slow.assert_well()


@pytest.mark.long
async def test_others_of_a_lane_go_on(slow: Slow) -> None:
    """What others wait for in the same lanes is done."""
    leaving = [Client(slow.app, "POST", "/jobs", _SLOW_ROW), Client(slow.app, "GET", "/slow/1")]
    requests = [asyncio.create_task(each.run()) for each in leaving]
    await slow.wait_for(2)
    staying = [Client(slow.app, "POST", "/free/jobs", b'{"name":"quick"}') for _ in range(3)]
    others = [asyncio.create_task(each.run()) for each in staying]
    for each in leaving:
        each.leave()
    assert await asyncio.gather(*requests) == [499, 499]
    assert await asyncio.gather(*others) == [201, 201, 201]
    await slow.wait_for(0)
    assert await slow.stored() == 3
    await slow.assert_well()


@pytest.mark.backends("mariadb")
async def test_statement_that_does_not_look_is_killed(slow: Slow) -> None:
    """MariaDB, which nobody tells that a client has left, is told by another connection."""
    client = Client(slow.app, "GET", "/busy")
    request = asyncio.create_task(client.run())
    await slow.wait_for(1)
    client.leave()
    assert await request == 499
    # By itself it would run for minutes.
    await slow.wait_for(0, 10.0)
    await slow.assert_well()


async def test_open_transaction_of_a_departed_client_is_rolled_back(
    slow: Slow, events: Events
) -> None:
    """Whoever holds a transaction is cancelled while it does something else, too."""
    client = Client(slow.app, "POST", "/holding")
    request = asyncio.create_task(client.run())
    await events.begun.wait()
    client.leave()
    assert await request == 499
    assert not events.done.is_set()
    assert await slow.stored() == 0
    await slow.assert_well()


async def test_request_that_does_not_use_the_database_goes_on(slow: Slow, events: Events) -> None:
    """What is no business of the database is left alone."""
    client = Client(slow.app, "GET", "/alone")
    request = asyncio.create_task(client.run())
    await events.begun.wait()
    client.leave()
    await asyncio.sleep(0.2)
    events.go.set()
    assert await request == 200


@pytest.mark.parametrize("path", ["/stored", "/stream"])
async def test_what_follows_the_answer_goes_on(slow: Slow, events: Events, path: str) -> None:
    """Background tasks are run, and streams are their server's to end."""
    method = "POST" if path == "/stored" else "GET"
    client = Client(slow.app, method, path)
    request = asyncio.create_task(client.run())
    await events.begun.wait()
    assert client.status == 200
    await asyncio.sleep(0.2)
    events.go.set()
    assert await request == 200
    assert events.done.is_set()
    assert await slow.stored() == (path == "/stored")


async def test_body_is_for_the_application(slow: Slow, events: Events) -> None:
    """Whoever asks for the body late gets it, all of it; its client is not looked for before."""
    client = Client(slow.app, "POST", "/asking", b'{"name":"asked"}')
    request = asyncio.create_task(client.run())
    await events.begun.wait()
    await asyncio.sleep(0.2)
    events.go.set()
    assert await request == 200
    assert client.sent[1]["body"] == b"16"


async def test_nobody_receives_after_the_answer(slow: Slow, events: Events) -> None:
    """What waited for the client's departure has ended with the request."""
    client = Client(slow.app, "GET", "/alone")
    request = asyncio.create_task(client.run())
    async with asyncio.timeout(PATIENCE):
        await client.asked_twice.wait()
    assert client.receiving == 1
    events.go.set()
    assert await request == 200
    assert client.receiving == 0


async def test_empty_body_is_for_the_application(slow: Slow, events: Events) -> None:
    """What was received while nobody asked is given to who asks."""
    client = Client(slow.app, "POST", "/asking")
    request = asyncio.create_task(client.run())
    await events.begun.wait()
    await asyncio.sleep(0.2)
    events.go.set()
    async with asyncio.timeout(PATIENCE):
        assert await request == 200
    assert client.sent[1]["body"] == b"0"
