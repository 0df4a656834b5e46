"""Requests that are refused before the server parses them, and all those that are left to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ormolu.seams import connection_between_requests, has_departed, renew_keep_alive
from ormolu.web._unparsed import Doorkeeper
from tests.reliability._serving import served

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"
GET = b"GET /a HTTP/1.1\r\nHost: test\r\n\r\n"


class Program:
    """An ASGI application that answers at once, and leaves a doorkeeper behind where it can."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.asked = 0
        self.refuses = True
        self.connections: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
        connection = connection_between_requests(receive)
        self.connections.append(connection)
        if connection is not None:
            Doorkeeper(*connection, ANSWER, (b"/healthz",), self.is_refused)

    def receive(self, data: bytes) -> None:
        """Have the server receive just this from the first connection."""
        transport, _ = self.connections[0]
        transport.get_protocol().data_received(data)

    def is_refused(self, _connection: object) -> bool:
        self.asked += 1
        return self.refuses


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def status(self) -> int:
        """Return the status of the next answer, whose body is gone then."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await self.reader.readexactly(int(length))
        return int(head[9:12])

    async def ask(self, data: bytes) -> int:
        self.writer.write(data)
        return await self.status()


@asynccontextmanager
async def talking_to(program: Program) -> AsyncIterator[Client]:
    """Serve a program by uvicorn; give a connection to it."""
    async with served(Starlette(routes=[Route("/{path:path}", program)])) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


POST = (
    b"POST /a?b=c HTTP/1.1\r\nHost: test\r\nconnection: keep-alive\r\nContent-Length: 5\r\n"
    b"Upgrade-Insecure-Requests: 1\r\nX-Name: J\xc3\xbcrgen\r\n\r\nhello"
)


@pytest.mark.parametrize("request_", [GET, POST])
async def test_whole_request_is_refused(request_: bytes) -> None:
    """The program does not see it; the connection stays, and is the program's afterwards."""
    program = Program()
    async with talking_to(program) as client:
        statuses = [await client.ask(data) for data in (request_, request_, request_)]
        assert statuses == [200, 503, 503]
        program.refuses = False
        assert await client.ask(request_) == 200
        program.refuses = True
        assert await client.ask(request_) == 503
    assert program.seen == ["/a", "/a"]


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET /healthz?verbose HTTP/1.1\r\nHost: test\r\n\r\n"],
        [b"GET /a HTTP/1.1\r\nHost: test", b"\r\n\r\n"],
        [b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe", b"llo"],
        [b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"],
        [b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"],
        [b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"],
        [b"GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n"],
        [b"GET /a HTTP/1.0\r\nHost: test\r\n\r\n"],
        [b"OPTIONS /a HTTP/1.1\r\nHost: test\r\n\r\n"],
        [b"GET http://test/a HTTP/1.1\r\nHost: test\r\n\r\n"],
        [b"\r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n"],
        [GET + GET],
        [GET + b"GET"],
    ],
)
async def test_unusual_request_is_the_server_s(parts: list[bytes]) -> None:
    """It alone knows where such a request ends, and what else it asks for."""
    program = Program()
    async with talking_to(program) as client:
        await client.ask(GET)
        for part in parts:
            program.receive(part)
        assert await client.status() in {100, 200}
    assert len(program.seen) >= 2
    assert program.asked == 0


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\na",
        b"GET /a HTTP/1.1\r\nContent-Length : 1\r\n\r\na",
        b"GET /a HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
        b"GET /a HTTP/1.1\r\nHost: test\r\n Transfer-Encoding: chunked\r\n\r\n",
        b"GET /a HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"GET /a HTTP/1.1\nHost: test\n\n",
        b"GET /a HTTP/1.1\r\nX: a\nY: b\r\n\r\n",
        b"GET /a HTTP/1.1\r\nX: a\0\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
    ],
)
async def test_malformed_request_is_the_server_s(data: bytes) -> None:
    """Whatever ends it, nobody but the server says so."""
    program = Program()
    async with talking_to(program) as client:
        await client.ask(GET)
        program.receive(data)
    assert program.asked == 0


async def test_nobody_stands_within_a_body() -> None:
    """What comes after an early answer may look like a request, and is the rest of a body."""
    program = Program()
    async with talking_to(program) as client:
        length = len(GET) + 1
        head = b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length
        assert await client.ask(head + b"x") == 200
        assert await client.ask(GET + GET) == 200
    assert program.seen == ["/a", "/a"]
    assert program.connections[0] is None


async def test_nobody_stands_within_the_next_request() -> None:
    """Of which a part has come with the one before."""
    program = Program()
    async with talking_to(program) as client:
        assert await client.ask(GET + b"GET /b HTTP/1.1\r\nX: ") == 200
        assert await client.ask(GET) == 200
    assert program.seen == ["/a", "/b"]
    assert program.connections[0] is None


async def test_two_do_not_stand_there() -> None:
    """The second one finds the first."""
    program = Program()
    receives: list[Receive] = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        receives.append(receive)
        await program(scope, receive, send)

    async with served(Starlette(routes=[Route("/{path:path}", endpoint=Kept(keep))])) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await Client(reader, writer).ask(GET) == 200
        assert program.connections[0] is not None
        assert connection_between_requests(receives[0]) is None
        writer.close()


class Kept:
    """Something that Starlette takes for an application."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


@pytest.mark.parametrize("ends", ["write_eof", "close"])
async def test_end_of_a_connection_is_the_server_s(ends: str) -> None:
    """It closes its side, and forgets the connection."""
    program = Program()
    async with talking_to(program) as client:
        await client.ask(GET)
        transport, _ = program.connections[0]
        protocol = transport.get_protocol()._protocol
        assert protocol in protocol.connections
        getattr(client.writer, ends)()
        async with asyncio.timeout(10):
            while protocol in protocol.connections:  # noqa: ASYNC110 -- uvicorn has no event
                await asyncio.sleep(0.01)
        assert transport.is_closing()


async def test_connection_in_use_is_kept_open() -> None:
    """The server waits anew for a connection of which it hears nothing while all is refused."""
    program = Program()
    async with talking_to(program) as client:
        await client.ask(GET)
        transport, seconds = program.connections[0]
        doorkeeper = transport.get_protocol()
        protocol = doorkeeper._protocol
        timer = protocol.timeout_keep_alive_task
        assert await client.ask(GET) == 503
        assert protocol.timeout_keep_alive_task is timer
        doorkeeper._renew_at -= seconds
        assert await client.ask(GET) == 503
        assert timer.cancelled()
        assert protocol.timeout_keep_alive_task is not timer


async def test_connection_that_cannot_be_kept_open_is_the_server_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where uvicorn has other names a request is parsed now and then."""
    program = Program()
    async with talking_to(program) as client:
        await client.ask(GET)
        transport, seconds = program.connections[0]
        doorkeeper = transport.get_protocol()
        monkeypatch.delattr(type(doorkeeper._protocol), "_unset_keepalive_if_required")
        assert not renew_keep_alive(doorkeeper._protocol)
        monkeypatch.undo()
        doorkeeper._renew_at -= seconds
        monkeypatch.setattr("ormolu.web._unparsed.renew_keep_alive", lambda _protocol: False)
        assert await client.ask(GET) == 200
    assert program.seen == ["/a", "/a"]


async def test_server_that_is_not_known() -> None:
    """Nothing is said of it, nor where something is around the application."""

    async def receive() -> Any:
        raise AssertionError

    assert connection_between_requests(receive) is None
    assert has_departed(receive) is None


async def test_uvicorn_with_other_names() -> None:
    """Its requests are parsed."""
    kind = type("Cycle", (), {"__module__": "uvicorn.protocols.http.httptools_impl",
                              "receive": lambda _: None})  # fmt: skip
    receive = kind().receive
    assert connection_between_requests(receive) is None
    assert has_departed(receive) is None


async def test_full_buffers_are_the_server_s() -> None:
    """It stops writing, and begins again."""
    told = []

    class Protocol(asyncio.Protocol):
        def pause_writing(self) -> None:
            told.append("pause")

        def resume_writing(self) -> None:
            told.append("resume")

    class Transport(asyncio.Transport):
        def get_protocol(self) -> asyncio.BaseProtocol:
            return Protocol()

        def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    doorkeeper = Doorkeeper(Transport(), 5.0, ANSWER, (), lambda _: True)
    doorkeeper.pause_writing()
    doorkeeper.resume_writing()
    assert told == ["pause", "resume"]
