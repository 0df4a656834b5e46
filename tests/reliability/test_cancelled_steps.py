"""Requests and units of work that are cancelled at each single place where they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from ormolu import Database
from ormolu.sqlite import _short
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.reliability._bank import (
    OPERATIONS,
    SEEDED,
    Event,
    Operation,
    State,
    User,
    app_of,
    database_of,
)
from tests.reliability._observer import Observer, observer_of, violations_after
from tests.reliability._steps import Moment, Run, cancel_scope, cancel_task

_MAX_STEPS = 150


async def send_to(app: FastAPI, operation: Operation, sent: list[Message]) -> None:
    """Call the application in this task, as a server does, with nothing between."""
    path, _, query = operation.path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": operation.method, "path": path, "raw_path": path.encode(), "headers": [],
        "query_string": query.encode(), "root_path": "", "server": ("test", 80),
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)


async def find_violations(
    db: Database,
    observer: Observer,
    app: FastAPI,
    work: Callable[[list[Message]], Coroutine[Any, Any, None]],
    result: State,
    run: Run,
    *,
    cold: bool = False,
) -> list[str]:
    """Cancel the work at each step in turn; return what went wrong, and where."""
    found: list[str] = []
    moments: tuple[Moment, ...] = ("early", "late")
    async with client_of(app) as client:
        for moment in moments:
            was_reached, step = True, 0
            while was_reached:
                step += 1
                assert step < _MAX_STEPS
                await observer.seed()
                await client.get("/users/1")
                if cold:
                    await db._engines.opened.dispose()
                sent: list[Message] = []
                was_reached = await run(work(sent), step, moment)
                is_answered = bool(sent) and sent[0]["status"] < 400
                allowed = {result} if is_answered or not was_reached else {SEEDED, result}
                violations = await violations_after(db, client, observer, allowed)
                found.extend(f"{moment} {step}: {violation}" for violation in violations)
            assert step > 1
    return found


@pytest.fixture(autouse=True)
def _threads_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement at once waits nowhere: it could not be cancelled."""
    monkeypatch.setattr(_short, "_PROOFS", 10**9)


@pytest.fixture(params=[cancel_task, cancel_scope])
def run(request: pytest.FixtureRequest, backend: Backend) -> Run:
    """The way to cancel."""
    return request.param  # type: ignore[no-any-return]


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_cancelled_request_is_whole_or_nothing(
    backend: Backend, database_url: str, operation: Operation, run: Run
) -> None:
    """Wherever it is cancelled: all of it or nothing is stored, and the pool is whole."""
    db = database_of(database_url)
    app = app_of(db)

    async def request(sent: list[Message]) -> None:
        await send_to(app, operation, sent)

    async with observer_of(backend, database_url) as observer:
        found = await find_violations(db, observer, app, request, operation.result, run)
    assert not found, "\n".join(found)


@pytest.fixture
async def unheard_futures() -> AsyncIterator[None]:
    """Let asyncpg, cancelled while it connects, forget a future; nothing else may."""
    loop = asyncio.get_running_loop()
    theirs = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "unexpected connection_lost() call" not in str(context.get("exception")):
            theirs(loop, context) if theirs else loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    yield
    loop.set_exception_handler(theirs)


@pytest.mark.long
@pytest.mark.usefixtures("unheard_futures")
async def test_cancelled_opening_of_a_connection_leaves_nothing(
    backend: Backend, database_url: str, run: Run
) -> None:
    """A connection that is being made when the request is cancelled is not lost either."""
    db, operation = database_of(database_url), OPERATIONS[0]
    app = app_of(db)

    async def request(sent: list[Message]) -> None:
        await send_to(app, operation, sent)

    async with observer_of(backend, database_url) as observer:
        found = await find_violations(db, observer, app, request, operation.result, run, cold=True)
    assert not found, "\n".join(found)


@pytest.mark.long
async def test_cancelled_unit_of_work_is_whole_or_nothing(
    backend: Backend, database_url: str, run: Run
) -> None:
    """A unit of work of its own, and one inside another, are as safe as a request's."""
    db = database_of(database_url, pool_size=2, max_overflow=0)

    async def work(_sent: list[Message]) -> None:
        async with db.unit_of_work(read_only=True) as outer:
            await outer.get(User, 1)
            async with db.unit_of_work() as inner:
                inner.add(User(name="Bob"))
                await inner.flush()
                inner.add(Event(name="Bob"))
            await outer.get(User, 1)

    async with observer_of(backend, database_url) as observer:
        result = SEEDED.with_user("Bob")
        found = await find_violations(db, observer, app_of(db), work, result, run)
    assert not found, "\n".join(found)
