"""What stands between a program and its database, and may pass nothing on."""

from __future__ import annotations

import asyncio


class Proxy:
    """Passes bytes on; in a hole it takes them, and answers nothing ever after.

    Attributes:
        passes: Whether bytes are passed on.
        admits: Whether new connections are; those that come meanwhile wait.
    """

    def __init__(self, port: int) -> None:
        """Prepare to stand before a port of this host."""
        self.passes = asyncio.Event()
        self.passes.set()
        self.admits = asyncio.Event()
        self.admits.set()
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Begin, and return the port to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def reset(self) -> None:
        """Break all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    def close(self) -> None:
        """Break all connections, and take no more."""
        self._server.close()
        self.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            await self.passes.wait()
            await self.admits.wait()
            answers, other = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(other)
            await asyncio.gather(self._pass_on(reader, other), self._pass_on(answers, writer))
        except OSError:
            # Whichever side has gone.
            return
        finally:
            for each in filter(None, (writer, other)):
                self._writers.discard(each)
                each.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_lost = False
        while data := await reader.read(65536):
            is_lost = is_lost or not self.passes.is_set()
            if not is_lost:
                writer.write(data)
                await writer.drain()
        if not is_lost:
            writer.close()
