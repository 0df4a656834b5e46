"""Programs under measurement, each a uvicorn process on the loopback, and the load on them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["measure", "serve"]

ROOT = Path(__file__).parents[1]


@contextmanager
def serve(app: str, folder: Path, *, app_dir: Path = ROOT, scheme: str = "sqlite") -> Iterator[int]:
    """Serve an application with a SQLite file of its own, and give its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = folder / f"{app.replace(':', '_')}_{port}.db"
    environment = {**os.environ, "DATABASE_URL": f"{scheme}:///{path}"}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(app_dir), app]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--no-access-log", "--log-level", "error"],
        cwd=ROOT,
        env=environment,
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def measure(port: int, request: bytes, *, clients: int, seconds: float) -> float:
    """Send one request over and over on kept-alive connections; return answers per second.

    Raises:
        RuntimeError: An answer was no success.
    """
    deadline = time.perf_counter() + seconds
    counts = await asyncio.gather(*(_client(port, request, deadline) for _ in range(clients)))
    return sum(counts) / seconds


async def _client(port: int, request: bytes, deadline: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < deadline:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        count += 1
    writer.close()
    return count
