"""What a door is given and gives: the body of a request, a reply; and what makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from fastapi import FastAPI
from sqlalchemy import Dialect
from starlette.types import Message, Receive, Scope

from ormolu.engines import Engines
from ormolu.lanes import Lanes

__all__ = ["Body", "Door", "DoorMaker", "NoDoorError", "Reply"]


class Reply(NamedTuple):
    """A successful answer.

    Attributes:
        status: HTTP status.
        headers: Names in lower case, and values.
        body: Bytes.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Body:
    """The body of a request, which is read once and can be read again by whoever comes after."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._chunks: list[bytes] = []
        self._is_more: bool | None = None
        self._end: Message | Exception | None = None

    async def read(self, most: int) -> bytes | None:
        """Return the body; None if it is larger than that, or does not come."""
        size = 0
        while True:
            try:
                message = await self._receive()
            except Exception as error:
                # Of middleware that counts, say: it is for the application's handlers.
                self._end = error
                return None
            if message["type"] != "http.request":
                self._end = message
                return None
            chunk = message.get("body", b"")
            self._is_more = bool(message.get("more_body", False))
            size += len(chunk)
            if chunk:
                self._chunks.append(chunk)
            if size > most:
                return None
            if not self._is_more:
                return self._join()

    async def receive(self) -> Message:
        """Return what was read, as one message, and then what comes.

        Raises:
            Exception: What kept the body from being read.
        """
        if self._is_more is not None:
            more, self._is_more = self._is_more, None
            return {"type": "http.request", "body": self._join(), "more_body": more}
        end, self._end = self._end, None
        if isinstance(end, Exception):
            raise end
        return await self._receive() if end is None else end

    def _join(self) -> bytes:
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)


class Door(Protocol):
    """Answers the requests of one route of one application, from one database.

    Attributes:
        is_outdated: Whether it has to be made anew.
    """

    @property
    def is_outdated(self) -> bool: ...

    async def answer(self, scope: Scope, body: Body) -> Reply | None:
        """Answer a request; None hands it over, and then nothing was changed.

        Raises:
            UnavailableError: There is no outcome, and none to be had by trying again.
            Exception: The same, if it is a write.
        """
        ...


class NoDoorError(Exception):
    """A route has no door; the message says why."""


@runtime_checkable
class DoorMaker(Protocol):
    """What an endpoint carries as `door`.

    Attributes:
        reads_body: Whether its requests have a body.
        is_read: Whether nothing is changed, whatever comes of it.
        function: The endpoint.
        session: The dependency that gives the session.
    """

    reads_body: bool
    is_read: bool
    function: Callable[..., Any]
    session: Callable[..., Any]

    def check(self, app: FastAPI, dialect: Dialect) -> None:
        """Check that the route can be served from a backend at all.

        Raises:
            ConfigurationError: It cannot.
        """
        ...

    def make(self, app: FastAPI, engines: Engines, lanes: Lanes) -> Door:
        """Return the door of an application.

        Raises:
            NoDoorError: There is none; any other error is logged, and means the same.
        """
        ...
