"""What a door is given and gives: the body of a request, a reply; and what makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, Protocol

from fastapi import FastAPI
from sqlalchemy import Dialect
from starlette.types import Message, Receive, Scope

from ormolu.engines import Engines
from ormolu.lanes import Lanes

__all__ = ["Body", "Door", "DoorMaker", "NoDoorError", "Reply", "Sent"]


class Reply(NamedTuple):
    """A successful answer.

    Attributes:
        status: HTTP status.
        headers: Names in lower case, and values.
        body: Bytes.
        is_over_relations: Whether it depends on rows of other models.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_over_relations: bool = False


class Sent(Protocol):
    """The body of a request."""

    async def read(self, most: int) -> bytes | None:
        """Return it; None if it is larger than that, or does not come."""
        ...


class Body:
    """The body of a request, which is read once and can be read again by whoever comes after.

    Attributes:
        is_spent: Whether a part of it was received, and is not kept.
    """

    def __init__(self, receive: Receive) -> None:
        self.is_spent = False
        self._receive = receive
        # Of each message that came.
        self._parts: list[bytes] = []
        self._size = 0
        self._is_more = True
        self._end: Message | Exception | None = None

    async def read(self, most: int) -> bytes | None:
        """Return the body; None if it is larger than that, or does not come."""
        while self._is_more and self._size <= most:
            await self._keep_next()
            if self._end is not None:
                return None
        return self._join(0) if self._size <= most else None

    def replay(self, *, most: int | None = 0) -> Receive:
        """Return what receives all that came, as one message, and then what comes.

        Args:
            most: Bytes up to which that is kept, and can be received again; None for all.
        """
        given, is_ended = 0, False

        async def receive() -> Message:
            nonlocal given, is_ended
            if given == len(self._parts) and self._may_keep(most):
                await self._keep_next()
            if given < len(self._parts):
                body, given = self._join(given), len(self._parts)
                return {"type": "http.request", "body": body, "more_body": self._is_more}
            if self._end is None or is_ended:
                self.is_spent = self.is_spent or self._is_more
                return await self._receive()
            is_ended = True
            if isinstance(self._end, Exception):
                raise self._end
            return self._end

        return receive

    async def is_abandoned(self, seconds: float, *, most: int) -> bool:
        """Wait for so long; tell whether the client has left. What comes meanwhile is kept.

        Args:
            seconds: How long.
            most: Bytes that are kept.
        """
        listening = asyncio.ensure_future(self._listen(most))
        try:
            await asyncio.wait({listening}, timeout=seconds)
        finally:
            listening.cancel()
            await asyncio.wait({listening})
        return self._is_left

    async def _listen(self, most: int) -> None:
        """Keep what comes, until the client leaves."""
        while self._may_keep(most):
            await self._keep_next()
        if not self._is_more and self._end is None:
            await self._keep_next()
        if not self._is_left:
            await asyncio.Event().wait()

    @property
    def _is_left(self) -> bool:
        return isinstance(self._end, Mapping) and self._end["type"] == "http.disconnect"

    def _may_keep(self, most: int | None) -> bool:
        is_small = most is None or self._size < most
        return is_small and self._is_more and self._end is None

    async def _keep_next(self) -> None:
        try:
            message = await self._receive()
        except Exception as error:
            # Of middleware that counts, say: it is for the application's handlers.
            self._end = error
            return
        if message["type"] != "http.request":
            self._end = message
            return
        self._parts.append(message.get("body", b""))
        self._size += len(self._parts[-1])
        self._is_more = bool(message.get("more_body", False))

    def _join(self, start: int) -> bytes:
        parts = self._parts[start:]
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Door(Protocol):
    """Answers the requests of one route of one application, from one database.

    Attributes:
        is_outdated: Whether it has to be made anew.
        is_open: Whether it has answers for whoever asks, before FastAPI's dependencies are called.
        is_guarded: Whether it has more for who asks with what these return.
    """

    @property
    def is_outdated(self) -> bool: ...

    @property
    def is_open(self) -> bool: ...

    @property
    def is_guarded(self) -> bool: ...

    async def answer(
        self, scope: Scope, body: Sent, given: Mapping[str, Any] | None
    ) -> Reply | None:
        """Answer a request; None hands it over, and then nothing was changed.

        Args:
            scope: Of the request.
            body: Of it.
            given: What the dependencies of the route returned, by its parameters; None if they
                were not asked.

        Raises:
            UnavailableError: There is no outcome, and none to be had by trying again.
            Exception: The same, if it is a write.
        """
        ...


class NoDoorError(Exception):
    """A route has no door; the message says why."""


class DoorMaker(Protocol):
    """What an endpoint carries as `door`.

    Attributes:
        is_ormolu: Marks it, since the program may have an attribute of that name.
        subject: What its doors are to; those of makers with the same need one check.
        reads_body: Whether its requests have a body.
        is_read: Whether nothing is changed, whatever comes of it.
        function: The endpoint.
        session: The dependency that gives the session.
    """

    is_ormolu: bool
    reads_body: bool
    is_read: bool
    function: Callable[..., Any]
    session: Callable[..., Any]

    @property
    def subject(self) -> Hashable: ...

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
