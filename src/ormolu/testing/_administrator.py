"""Statements of an administrator, sent by the program's own driver from a thread with a loop.

Fixtures are ordinary functions, and may run where a loop runs already.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from ormolu.errors import ConfigurationError

__all__ = ["Administrator", "installed_driver"]

_T = TypeVar("_T")


def installed_driver() -> str:
    """Return the name of a driver for PostgreSQL that is installed.

    Raises:
        ConfigurationError: There is none.
    """
    for name in ("asyncpg", "psycopg"):
        if importlib.util.find_spec(name) is not None:
            return name
    message = "There is no driver for PostgreSQL. Run: pip install 'ormolu[postgresql]'"
    raise ConfigurationError(message)


class Administrator:
    """Sends statements over one connection, each committed at once."""

    def __init__(self, url: URL) -> None:
        """Connect with the first statement.

        Args:
            url: With an asynchronous driver.
        """
        self._engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._connection: AsyncConnection | None = None
        self._runner: asyncio.Runner | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ormolu-testing")

    def submit(self, *statements: str) -> Future[list[Any]]:
        """Send statements in the background, after those that were sent before."""
        return self._thread.submit(self._run, lambda: self._send(statements))

    def execute(self, *statements: str) -> list[Any]:
        """Send statements, and return the rows of the last one."""
        return self.submit(*statements).result()

    def close(self) -> None:
        """End the connection and the thread."""
        if self._runner is not None:
            self._thread.submit(self._end).result()
        self._thread.shutdown()

    def _run(self, make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(make())

    async def _send(self, statements: Sequence[str]) -> list[Any]:
        if self._connection is None:
            self._connection = await self._engine.connect()
        rows: list[Any] = []
        for statement in statements:
            result = await self._connection.execute(text(statement.replace(":", r"\:")))
            rows = list(result) if result.returns_rows else []
        return rows

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        await self._engine.dispose()

    def _end(self) -> None:
        assert self._runner is not None
        self._runner.run(self._disconnect())
        self._runner.close()
