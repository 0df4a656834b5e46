"""Notes as a resource, and what the middleware of a program does with requests to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from fastapi import FastAPI, Request
from sqlalchemy import MetaData, String, select
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ormolu import Database, Model, resource
from ormolu.web._doors import Doors

Next = Callable[[Request], Awaitable[Response]]

ANSWERED, HANDED_OVER = "answered", "handed over"

# While anything at all is overridden there are no doors.
SHUT: dict[Callable[..., Any], Callable[..., Any]] = {str: str}
OPEN: dict[Callable[..., Any], Callable[..., Any]] = {}


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(2000), unique=True)


class Page(Base):
    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(200))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 -- SQLAlchemy's own form


class Seat(Base):
    __tablename__ = "seats"

    row: Mapped[str] = mapped_column(String(20), primary_key=True)
    place: Mapped[str] = mapped_column(String(20), primary_key=True)
    text: Mapped[str | None] = mapped_column(String(200))


notes = resource(Note)
pages = resource(Page)
seats = resource(Seat, writable={"row", "place"})


class Passages:
    """What became of the requests that found a door, in their order."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def take(self) -> list[str]:
        """Return them, and forget them."""
        seen, self._seen = self._seen, []
        return seen

    def watch(self) -> tuple[Any, Any]:
        """Return `answer` and `answer_asking` of doors that note what they do."""
        answer, ask = Doors.answer, Doors.answer_asking

        async def answering(doors: Doors, entry: Any, scope: Scope, body: Any) -> Any:
            reply = await answer(doors, entry, scope, body)
            if reply is not None:
                self._seen.append(ANSWERED)
            return reply

        async def asking(doors: Doors, entry: Any, scope: Scope, body: Any) -> Any:
            reply = await ask(doors, entry, scope, body)
            self._seen.append(HANDED_OVER if reply is None else ANSWERED)
            return reply

        return answering, asking


def database(url: str, **options: Any) -> Database:
    """Return a database with the tables of this file."""
    return Database(url, metadata=Base.metadata, **{"pool_timeout": 5.0, **options})


def app_with(url: str, **options: Any) -> FastAPI:
    """Return an application with the notes; the options are FastAPI's."""
    app = FastAPI(**options)
    database(url).attach(app)
    app.include_router(notes)
    return app


async def texts(db: Database) -> list[str]:
    """Return what is stored."""
    async with db.unit_of_work(read_only=True) as session:
        return list(await session.scalars(select(Note.text).order_by(Note.id)))


async def write_and_read(
    client: httpx2.AsyncClient, path: str = "/notes", **options: Any
) -> tuple[httpx2.Response, ...]:
    """Create, change and read a note, list all, and delete it; return the answers."""
    created = await client.post(path, json={"text": "a"}, **options)
    one = f"{path}/{created.json()['id']}" if created.status_code == 201 else f"{path}/1"
    return (
        created,
        await client.patch(one, json={"text": "b"}, **options),
        await client.get(one, **options),
        await client.get(path, **options),
        await client.delete(one, **options),
    )


FINE = [201, 200, 200, 200, 204]
ALL = len(FINE)


def statuses(answers: tuple[httpx2.Response, ...]) -> list[int]:
    """Return the status of each answer."""
    return [answer.status_code for answer in answers]


class Plain:
    """A pure ASGI middleware, which does with each request what its functions say."""

    def __init__(
        self,
        app: Any,
        request: Callable[[Scope], None] | None = None,
        message: Callable[[Scope, Message], Message] | None = None,
        after: Callable[[Scope], None] | None = None,
    ) -> None:
        self._app, self._request, self._message, self._after = app, request, message, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._request is not None:
            self._request(scope)

        async def change(message: Message) -> None:
            await send(message if self._message is None else self._message(scope, message))

        await self._app(scope, receive, change)
        if scope["type"] == "http" and self._after is not None:
            self._after(scope)


class Exchange:
    """One request to an application as a server makes it, message by message."""

    def __init__(
        self, app: Any, method: str, path: str, *messages: Message | Exception, **scope: Any
    ) -> None:
        self._app, self._messages = app, list(messages)
        self._is_whole = False
        self.scope: dict[str, Any] = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"test"), (b"content-type", b"application/json")],
            "server": ("test", 80), "client": ("127.0.0.1", 1), "state": {}, **scope,
        }  # fmt: skip
        self.sent: list[Message] = []
        self.received = 0

    async def run(self) -> Exchange:
        """Let the application answer."""
        await self._app(self.scope, self._receive, self._send)
        return self

    async def _receive(self) -> Message:
        self.received += 1
        if not self._messages and self._is_whole:
            # The client has sent all, and waits for its answer.
            await asyncio.Event().wait()
        message = self._messages.pop(0) if self._messages else {"type": "http.disconnect"}
        if isinstance(message, Exception):
            raise message
        self._is_whole = message["type"] == "http.request" and not message.get("more_body")
        return message

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        """Return the status of the answer."""
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        """Return the body of the answer."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def part(content: bytes, *, more: bool = False) -> Message:
    """Return a message with a part of a body."""
    return {"type": "http.request", "body": content, "more_body": more}
