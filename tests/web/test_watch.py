"""What the gate does with a request whose time is over, and where it looks for the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu import (
    ConfigurationError,
    Database,
    NoUnitOfWorkError,
    SessionDep,
    deadline,
    resource,
    retry,
)
from ormolu.errors import DeadlineExceededError
from ormolu.testing import fail_nth_statement
from ormolu.web._begun import Begun
from ormolu.web._deadline import deadline_of, mark_deadline
from ormolu.web._watch import Watch, settle
from tests.reliability._serving import served
from tests.reliability._slow import PATIENCE, Client
from tests.web.notes import Note, attached, texts


async def never() -> None:
    await asyncio.Event().wait()


async def answer(app: FastAPI, client: Client) -> int | None:
    async with app.router.lifespan_context(app):
        return await client.run()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_deadline_is_above_zero(seconds: float) -> None:
    """Wherever it is written."""
    for declare in (
        lambda: Database("sqlite://", deadline=seconds),
        lambda: resource(Note, deadline=seconds),
        lambda: deadline(seconds),
    ):
        with pytest.raises(ConfigurationError, match="write seconds, above 0"):
            declare()


def test_nearest_deadline_counts() -> None:
    """The resource's, else the shortest of the databases', else what holds for lists."""

    async def endpoint() -> None: ...

    assert deadline_of(endpoint, [None]) == inf
    assert deadline_of(endpoint, [None, 3.0, 2.0]) == 2.0
    mark_deadline(endpoint, None, 30.0)
    assert deadline_of(endpoint, [None]) == 30.0
    assert deadline_of(endpoint, [50.0]) == 50.0
    mark_deadline(endpoint, inf)
    # As a program may call a route's function.
    assert deadline_of(partial(endpoint), [50.0]) == inf


def test_nothing_is_settled_where_no_gate_was_passed() -> None:
    """What a lane stores is the business of whoever asked it to."""
    scope: Scope = {}
    settle(scope)
    assert scope == {}


async def test_deadline_of_the_database() -> None:
    """It is the whole request's, whatever that waits for; a route may have more time."""
    app = FastAPI()
    attached(app, deadline=0.5)

    @app.get("/never")
    async def wait() -> None:
        await never()

    @app.get("/later", dependencies=[Depends(deadline(inf))])
    async def wait_longer() -> None:
        await asyncio.sleep(0.7)

    async with app.router.lifespan_context(app):
        assert await Client(app, "GET", "/never").run() == 504
        assert await Client(app, "GET", "/later").run() == 200


def late_app() -> tuple[FastAPI, Database]:
    """An application with a route whose time is over as soon as it waits."""
    app = FastAPI()
    db = attached(app)

    @app.post("/late", dependencies=[Depends(deadline(0.01))])
    async def late(session: SessionDep) -> None:
        session.add(Note(text="late"))
        await session.flush()
        await never()

    return app, db


async def test_own_handler_answers() -> None:
    """The application may answer in its own words, but for a success."""
    app, _ = late_app()

    @app.exception_handler(DeadlineExceededError)
    async def handle(_request: Request, error: DeadlineExceededError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, status_code=599)

    client = Client(app, "POST", "/late")
    assert await answer(app, client) == 599
    assert client.sent[1]["body"] == b'{"message":"It took longer than its deadline, 0.01 s."}'


async def test_middleware_sees_the_answer() -> None:
    """Middleware of Starlette's kind runs the application in a task of its own."""
    app, db = late_app()
    seen: list[int] = []

    @app.middleware("http")
    async def note(request: Request, call_next: Callable[[Request], Any]) -> Any:
        response = await call_next(request)
        seen.append(response.status_code)
        return response

    async with app.router.lifespan_context(app):
        assert await Client(app, "POST", "/late").run() == 504
        assert seen == [504]
        assert await texts(db) == []


async def test_answer_that_comes_all_the_same_counts() -> None:
    """A route that goes on after its cancellation has made its own decision."""
    app = FastAPI()
    db = attached(app)

    @app.post("/on")
    async def go_on(request: Request, session: SessionDep) -> None:
        session.add(Note(text="stored"))
        await deadline(0.0001)(request)
        with suppress(asyncio.CancelledError):
            await never()

    async with app.router.lifespan_context(app):
        assert await Client(app, "POST", "/on").run() == 200
        assert await texts(db) == ["stored"]


async def test_error_made_of_the_cancellation_is_no_answer() -> None:
    """What a route raises since it was cancelled is not what its client is told."""
    app = FastAPI()
    attached(app)

    @app.get("/error", dependencies=[Depends(deadline(0.01))])
    async def fail() -> None:
        try:
            await never()
        except asyncio.CancelledError as error:
            raise RuntimeError from error

    assert await answer(app, Client(app, "GET", "/error")) == 504


async def test_cancellation_of_others_is_theirs() -> None:
    """Who else cancels a request is not answered in its place."""
    app, begun = FastAPI(), asyncio.Event()
    attached(app)

    @app.get("/never", dependencies=[Depends(deadline(60))])
    async def wait() -> None:
        begun.set()
        await never()

    async with app.router.lifespan_context(app):
        client = Client(app, "GET", "/never")
        request = asyncio.create_task(client.run())
        await begun.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert client.sent == []


async def test_mounted_application_is_watched_once() -> None:
    """The outer gate watches; the shorter deadline of both counts."""
    inner, outer = FastAPI(), FastAPI()
    attached(inner, deadline=0.02)
    attached(outer)

    @inner.get("/never")
    async def wait() -> None:
        await never()

    outer.mount("/inner", inner)
    async with inner.router.lifespan_context(inner):
        assert await answer(outer, Client(outer, "GET", "/inner/never")) == 504


async def test_resource_of_a_mounted_application_has_its_deadline() -> None:
    """Its door is one of the inner gate's."""
    inner, outer = FastAPI(), FastAPI()
    db, _ = attached(inner), attached(outer)
    inner.include_router(resource(Note, deadline=0.05, session=db.session))
    outer.mount("/inner", inner)
    async with inner.router.lifespan_context(inner), db.unit_of_work() as holder:
        holder.add(Note(text="held"))
        await holder.flush()
        waiting = Client(outer, "POST", "/inner/notes", b'{"text":"waits for its turn"}')
        assert await answer(outer, waiting) == 504
        await holder.commit()
        assert await texts(db) == ["held"]


def test_websocket_has_no_deadline() -> None:
    """The error says so."""
    app = FastAPI()
    attached(app)

    @app.websocket("/socket", dependencies=[Depends(deadline(1.0))])
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    with (
        TestClient(app) as client,
        pytest.raises(NoUnitOfWorkError, match="a WebSocket has no deadline"),
        client.websocket_connect("/socket"),
    ):
        pass


@pytest.mark.parametrize("cancels", [True, False])
async def test_departed_client(cancels: bool) -> None:
    """Its request goes on where the database says so."""
    app = FastAPI()
    db = attached(app, cancel_departed=cancels)
    begun, go = asyncio.Event(), asyncio.Event()

    @app.post("/notes")
    async def create(session: SessionDep) -> None:
        session.add(Note(text="departed"))
        await session.flush()
        begun.set()
        await go.wait()

    async with app.router.lifespan_context(app):
        client = Client(app, "POST", "/notes")
        request = asyncio.create_task(client.run())
        await begun.wait()
        client.leave()
        if not cancels:
            await asyncio.sleep(0.2)
            go.set()
        assert await request == (499 if cancels else 200)
        assert await texts(db) == ([] if cancels else ["departed"])


async def test_departure_that_the_server_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn knows it without being asked: a request that lasts needs no task that receives."""
    app, begun, left = FastAPI(), asyncio.Event(), asyncio.Event()
    attached(app)
    asked: list[Watch] = []
    monkeypatch.setattr(Watch, "_wait_for_departure", asked.append)

    @app.post("/notes")
    async def create(session: SessionDep) -> None:
        session.add(Note(text="departed"))
        await session.flush()
        begun.set()
        try:
            await never()
        finally:
            left.set()

    async with served(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /notes HTTP/1.1\r\nHost: test\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            writer.close()
            await left.wait()
    assert asked == []


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("waits", [0.0, 0.3])
async def test_request_that_is_run_again_is_watched_on(leaves: bool, waits: float) -> None:
    """The deadline is that of all runs; nobody is run again for who has left."""
    app, begun = FastAPI(), asyncio.Event()
    db, runs = attached(app), []

    @app.post("/again")
    @retry
    async def again(request: Request, session: SessionDep) -> None:
        runs.append(1)
        session.add(Note(text="again"))
        if len(runs) == 1:
            await asyncio.sleep(waits)
        await session.flush()
        begun.set()
        if not leaves:
            await deadline(0.0001)(request)
        await never()

    async with app.router.lifespan_context(app):
        client = Client(app, "POST", "/again")
        request = asyncio.create_task(client.run())
        with fail_nth_statement(1):
            await begun.wait()
        if leaves:
            client.leave()
        assert await request == (499 if leaves else 504)
        assert len(runs) == 2
        assert await texts(db) == []


class _Channel:
    """ASGI middleware whose messages are none that a server would send."""

    def __init__(self, app: ASGIApp, message: Message | Exception) -> None:
        self._app = app
        self._message = message
        self.asked = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def strange() -> Message:
            self.asked.set()
            if isinstance(self._message, Exception):
                raise self._message
            return self._message

        await self._app(scope, strange if scope["type"] == "http" else receive, send)


@pytest.mark.parametrize(
    ("message", "length"),
    [
        ({"type": "http.request", "body": b"a"}, 1),
        ({"type": "http.request"}, 0),
        (RuntimeError("broken"), -1),
    ],
)
async def test_messages_of_no_server_are_left_alone(
    message: Message | Exception, length: int
) -> None:
    """Nobody is taken for departed by them; whoever asks gets them."""
    app = FastAPI()
    attached(app)
    channel = _Channel(app, message)

    @app.post("/length")
    async def measure(request: Request) -> int:
        await channel.asked.wait()
        await asyncio.sleep(0.05)
        try:
            return len(await request.body())
        except RuntimeError:
            return -1

    client = Client(channel, "POST", "/length")
    async with app.router.lifespan_context(app), asyncio.timeout(PATIENCE):
        assert await client.run() == 200
    assert client.sent[1]["body"] == str(length).encode()


async def test_body_in_parts_is_received_by_its_reader() -> None:
    """A part that came while nobody asked is the first that the reader gets."""
    app = FastAPI()
    attached(app)
    parts = [b"a", b"b", b""]
    asked = asyncio.Event()

    async def receive() -> Message:
        asked.set()
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
        await never()
        raise AssertionError

    @app.post("/parts")
    async def read(request: Request) -> str:
        await asked.wait()
        await asyncio.sleep(0.05)
        return (await request.body()).decode()

    client = Client(lambda scope, _, send: app(scope, receive, send), "POST", "/parts")
    assert await answer(app, client) == 200
    assert client.sent[1]["body"] == b'"ab"'


async def test_begun_work_goes_on_as_if_awaited() -> None:
    """Results, errors and cancellations go both ways."""
    begun = asyncio.Event()

    async def work(*, fails: bool) -> str:
        try:
            await begun.wait()
        except asyncio.CancelledError:
            return "cancelled"
        if fails:
            raise LookupError
        return "done"

    async def rest(of: Begun[str]) -> str:
        return await of

    at_once = Begun(asyncio.sleep(0, "slept"))
    assert not at_once.is_done
    assert await at_once == "slept"
    task = asyncio.create_task(rest(Begun(work(fails=False))))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cancelled"
    waiting = [Begun(work(fails=fails)) for fails in (False, True)]
    begun.set()
    assert await waiting[0] == "done"
    with pytest.raises(LookupError):
        await waiting[1]
    over = Begun(work(fails=False))
    assert over.is_done
    assert over.result == await over == "done"
