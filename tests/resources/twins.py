"""Two applications with the same resources, rows and requests: by doors, and by the session.

Where a driver has no lanes, and so no doors, both ways were the session's: there is one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from typing import Any
from unittest.mock import patch

import httpx2
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import MetaData, Table
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import Database, SessionDep
from ormolu.lanes import _pinned_lane, why_no_lanes_for
from tests.fixtures.apps import client_to

__all__ = ["Observer", "Twins", "by_the_session", "shown", "stored_rows", "twins_of"]

# FastAPI notes it for those within; what a door answers does not come there.
_WITHIN = "fastapi_middleware_astack"


async def by_the_session(session: SessionDep) -> None:
    """Use the session of each request first: then all that follows is its business."""
    await session.connection()


class Observer:
    """ASGI middleware that counts the requests that a door has answered."""

    def __init__(self, app: Any) -> None:
        self.count = 0
        self.app: Any = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at what became of its scope."""
        await self.app(scope, receive, send)
        self.count += _WITHIN not in scope


class Twins:
    """The two applications, each with its database, the one with doors first."""

    def __init__(self) -> None:
        self.databases: list[Database] = []
        self.clients: list[httpx2.AsyncClient] = []
        self._observers: list[Observer] = []

    def add(self, db: Database, observer: Observer, client: httpx2.AsyncClient) -> None:
        """Add the first or the second application."""
        self.databases.append(db)
        self._observers.append(observer)
        self.clients.append(client)

    @property
    def answered(self) -> int:
        """Return how many requests a door has answered, where there are doors."""
        assert self._observers[-1].count == 0
        return self._observers[0].count

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request to both, compare the answers, and return one."""
        answers = [await client.request(method, path, **options) for client in self.clients]
        door, *sessions = map(shown, answers)
        for session in sessions:
            assert door == session, f"{method} {path} {options}: {door} is not {session}"
        return answers[0]

    async def send_all(
        self, requests: Sequence[tuple[str, str, dict[str, Any]]], fine: Collection[int] = ()
    ) -> None:
        """Send requests to each at the same time; compare the answers but for some statuses."""
        found = []
        for client in self.clients:
            waiting = [client.request(method, path, **each) for method, path, each in requests]
            found.append([shown(each) for each in await asyncio.gather(*waiting)])
        for request, door, session in zip(requests, *found, strict=True):
            assert door == session or door[0] in fine, f"{request}: {door} is not {session}"

    async def race(self, requests: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        """Send requests to each at the same time, in whatever order they come to be done."""
        for client in self.clients:
            waiting = [client.request(method, path, **each) for method, path, each in requests]
            assert {each.status_code for each in await asyncio.gather(*waiting)} == {200}

    async def first(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request where there are doors alone."""
        return await self.clients[0].request(method, path, **options)

    async def call(
        self, method: str, path: str, messages: Sequence[dict[str, Any]], **changes: Any
    ) -> tuple[int, Any]:
        """Call both applications as a server of its own kind would; return what was sent."""
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": [], "scheme": "http", "server": ("test", 80),
            "http_version": "1.1", **changes,
        }  # fmt: skip
        door, session = [await _call(each, dict(scope), messages) for each in self._observers]
        assert door == session, f"{method} {path} {changes}: {door} is not {session}"
        return door

    async def through(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send as `send`, and check that the door answered; a read twice, as its shape is new."""
        if method == "GET":
            await self.send(method, path, **options)
        before = self.answered
        answer = await self.send(method, path, **options)
        assert self.answered == before + 1, f"past the door: {method} {path} {answer.text}"
        return answer

    async def past(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send as `send`, and check that the door handed it over; a read twice."""
        before = self.answered
        if method == "GET":
            await self.send(method, path, **options)
        answer = await self.send(method, path, **options)
        assert self.answered == before, f"through the door: {method} {path} {answer.text}"
        return answer

    async def execute(self, *statements: str) -> None:
        """Execute SQL in both databases, behind the program's back."""
        for db in self.databases:
            async with db.unit_of_work() as session:
                for statement in statements:
                    await (await session.connection()).exec_driver_sql(statement)

    async def compare(self, *tables: Table) -> None:
        """Compare the rows of both databases, as they are stored."""
        first, *others = [
            [await stored_rows(db, table) for table in tables] for db in self.databases
        ]
        for other in others:
            assert first == other, f"{first} is not {other}"


async def _call(app: ASGIApp, scope: Scope, messages: Sequence[dict[str, Any]]) -> tuple[int, Any]:
    """Return status and body; of messages that are not there the first read is a failure."""
    waiting, sent = list(messages), []
    scope = {name: value for name, value in scope.items() if value is not None}

    async def receive() -> dict[str, Any]:
        assert waiting, "There is nothing more to receive"
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        return 0, repr(error)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


async def stored_rows(db: Database, table: Table) -> list[str]:
    preparer = db.engine.dialect.identifier_preparer
    shown = "CAST(stored AS text)"
    if db.engine.dialect.name == "sqlite":
        # Of any type, and text that is no UTF-8.
        names = map(preparer.format_column, table.columns)
        shown = ", ".join(f"typeof({name}), hex({name})" for name in names)
    statement = f"SELECT {shown} FROM {preparer.format_table(table)} AS stored"
    async with db.unit_of_work(read_only=True) as session:
        rows = (await (await session.connection()).exec_driver_sql(statement)).all()
    return sorted(map(repr, rows))


def shown(answer: httpx2.Response) -> tuple[Any, ...]:
    """Return what a client can tell answers apart by."""
    kind = answer.headers.get("content-type", "")
    body = json.loads(answer.content) if "json" in kind and answer.content else answer.content
    # As text: 1 is 1.0 to Python, and NaN is not itself.
    return answer.status_code, sorted(answer.headers.multi_items()), repr(body)


@asynccontextmanager
async def twins_of(
    urls: Sequence[str],
    metadata: MetaData,
    *routers: APIRouter,
    prefix: str = "",
    root_path: str = "",
    prepare: Callable[[FastAPI], object] = lambda _app: None,
) -> AsyncIterator[Twins]:
    """Serve resources twice, each from a database of its own."""
    twins = Twins()
    async with AsyncExitStack() as stack:
        # A busy machine makes any statement long now and then, and a lane would leave it alone.
        stack.enter_context(patch.object(_pinned_lane, "_LONG", inf))
        for url, dependencies in zip(urls, ([], [Depends(by_the_session)]), strict=True):
            app = FastAPI(dependencies=dependencies)
            db = Database(url, metadata=metadata, pool_timeout=20.0, connect_timeout=20.0)
            db.attach(app)
            prepare(app)
            for router in routers:
                app.include_router(router, prefix=prefix)
            await stack.enter_async_context(app.router.lifespan_context(app))
            observer = Observer(app)
            client = client_to(observer, root_path)
            twins.add(db, observer, await stack.enter_async_context(client))
            if why_no_lanes_for(db.engine.dialect.driver):
                break
        yield twins
