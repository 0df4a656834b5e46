"""More requests than one process can serve: as many as it can are answered soon, others at once.

Under more load than that all requests that have begun take time from each other, and past a point
each is answered after its client has gone. So where a busy process has lines of requests that have
begun, fewer may be under way, and who comes beyond waits here, before any middleware of the
program's. While as many are answered as come, everybody is served in turn, as a burst is, or any
fixed number of clients. Only where more come than are answered, the newest are served first, and
those who have waited are refused (Facebook's adaptive LIFO, as in `controlled_delay`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Collection
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu.errors import ConfigurationError
from ormolu.seams import connection_between_requests
from ormolu.web._load import Load, load_of
from ormolu.web._unparsed import Doorkeeper

__all__ = ["Overload", "OverloadMode", "check_overload"]

OverloadMode = Literal["adaptive", "off"]

_ADMITTED = "ormolu.admitted"


def check_overload(mode: OverloadMode) -> None:
    """Refuse what is no mode.

    Raises:
        ConfigurationError: It is none.
    """
    if mode not in {"adaptive", "off"}:
        message = (
            f'attach(overload={mode!r}): write "adaptive", or "off" to begin all requests at once, '
            "however many they are."
        )
        raise ConfigurationError(message)


class Overload:
    """ASGI middleware, the outermost: begins requests, lets them wait, or refuses them with 503."""

    def __init__(self, app: ASGIApp, type_: str, always: Collection[str]) -> None:
        """Serve an application.

        Args:
            app: The application.
            type_: The `type` of the problem of who is refused.
            always: Paths that are never refused: the probes'.
        """
        self._app = app
        self._always = always
        self._endings = tuple(path.encode() for path in always)
        body = json.dumps(
            {
                "type": type_, "title": "Service Unavailable", "status": 503, "code": "overloaded",
                "detail": "Too many requests at once. Try again.",
            }
        ).encode()  # fmt: skip
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", b"1"),
        ]
        self._start: Message = {"type": "http.response.start", "status": 503, "headers": headers}
        self._body: Message = {"type": "http.response.body", "body": body}
        lines = b"".join(name + b": " + text + b"\r\n" for name, text in headers)
        self._bytes = b"HTTP/1.1 503 Service Unavailable\r\n" + lines + b"\r\n" + body
        self._load: Load | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on in its turn."""
        if scope["type"] != "http" or _ADMITTED in scope:
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        load = self._load
        if load is None or load.loop is not loop:
            load = self._load = load_of(loop)
        is_urgent = scope["path"] in self._always
        if not load.begin(is_urgent=is_urgent) and not await load.wait():
            await send(self._start)
            await send(self._body)
            self._keep_door(load, receive)
            return
        scope[_ADMITTED] = True
        has_begun = False

        def pass_on(message: Message) -> Awaitable[None]:
            nonlocal has_begun
            if not has_begun:
                # A stream that goes on is no load for as long as it lasts.
                has_begun = True
                load.end()
            return send(message)

        try:
            await self._app(scope, receive, pass_on)
        finally:
            if not has_begun:
                load.end()
            if load.is_growing:
                self._keep_door(load, receive)

    def _keep_door(self, load: Load, receive: Receive) -> None:
        connection = connection_between_requests(receive)
        if connection is not None:
            transport, seconds = connection
            Doorkeeper(transport, seconds, self._bytes, self._endings, load.refuses)
