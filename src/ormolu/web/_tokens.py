"""What a client knows of a database with replicas: a token, which comes with its requests.

An answer to a request that has committed something brings one, in a header and in a cookie: a place
in the primary's log, and nothing else. It is not signed: whoever makes one up reads from the
primary at most.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu.engines import (
    Choice,
    Engines,
    Knowledge,
    Position,
    knowing,
    later_of,
    read_position,
    write_position,
)
from ormolu.transactions import Access, access_of_method

__all__ = ["Tokens"]

HEADER = "Ormolu-Position"

# In the scope of a request: the databases of which it is known what its client knows.
_KEY = "ormolu.known"

_HEADER = HEADER.lower().encode("ascii")
_CORS = "Access-Control-Expose-Headers"


class Tokens:
    """ASGI middleware around a gate: reads the tokens of requests, and adds them to answers."""

    def __init__(self, app: ASGIApp, engines: Engines) -> None:
        self._app = app
        self._engines = engines
        self._name = _name_of(engines)
        self._cookie = f"ormolu-position-{self._name}"
        # By then each replica that is read from has it, with or without the token.
        self._seconds = 2 * math.ceil(engines.options.replica_lag)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request knowing what its client knows."""
        if scope["type"] != "http" or self._engines in scope.get(_KEY, ()):
            await self._app(scope, receive, send)
            return
        known = Knowledge(self._read(scope["headers"]), Choice())

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and known.commits:
                await self._tell(scope, known, message)
            await send(message)

        before = scope.get(_KEY, ())
        scope[_KEY] = (*before, self._engines)
        try:
            with knowing(self._engines, known):
                await self._app(scope, receive, tell)
        finally:
            scope[_KEY] = before

    def _read(self, headers: Iterable[tuple[bytes, bytes]]) -> Position:
        """Return what the client knows: by the header and the cookie, whichever it sends."""
        position: Position = {}
        for name, value in headers:
            if name == _HEADER:
                pairs = _pairs_of(value, ",")
            elif name == b"cookie":
                pairs = _pairs_of(value, ";")
            else:
                continue
            for key, text in pairs:
                if key in {self._name, self._cookie}:
                    position = later_of(position, read_position(text))
        return position

    async def _tell(self, scope: Scope, known: Knowledge, start: MutableMapping[str, Any]) -> None:
        """Add the token to the head of an answer, unless that is for others, too."""
        headers = MutableHeaders(raw=list(start.get("headers", ())))
        is_read = access_of_method(scope["method"]) is Access.READ
        if is_read and _is_shared(headers):
            return
        replicas = self._engines.replicas
        if replicas is None:
            return
        text = write_position(await replicas.position_for(known))
        headers.append(HEADER, f"{self._name}={text}")
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        headers.append(
            "Set-Cookie",
            f"{self._cookie}={text}; Max-Age={self._seconds}; Path=/; HttpOnly; SameSite=Lax"
            f"{secure}",
        )
        if is_read:
            headers.setdefault("Cache-Control", "private")
        if any(name == b"origin" for name, _ in scope["headers"]):
            headers.append(_CORS, HEADER)
        start["headers"] = headers.raw


def _name_of(engines: Engines) -> str:
    """Return a name for a database: the same in all processes that call it the same."""
    url = engines.target.url
    place = (url.get_backend_name(), url.host, url.port, url.query.get("host"), url.database)
    return hashlib.sha256(repr(place).encode()).hexdigest()[:8]


def _pairs_of(value: bytes, mark: str) -> Iterator[tuple[str, str]]:
    for part in value.decode("latin-1").split(mark):
        name, _, text = part.partition("=")
        yield name.strip(), text.strip()


def _is_shared(headers: MutableHeaders) -> bool:
    """Tell whether the program lets shared caches keep an answer, for whoever asks next."""
    said = ",".join(headers.getlist("cache-control")).lower()
    directives = {each.partition("=")[0].strip() for each in said.split(",")}
    if directives & {"private", "no-store"}:
        return False
    return bool(directives & {"public", "max-age", "s-maxage"}) or "expires" in headers
