"""Which locks a statement takes that no transaction may have around it.

They are gone when it is done. So another session holds what every writer of the tables holds; the
statement waits for it where it conflicts with writers or waits for them, and is looked at then.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_, greenlet_spawn

from ormolu.migrations.rehearsal._catalog import Catalog, run_as_is

__all__ = ["Waiting"]

_WHOM = text("SELECT pg_backend_pid()")
_IS_BLOCKED = text("SELECT :holder = ANY(pg_blocking_pids(:pid))")
_LOCKS = text(
    "SELECT relation::bigint, mode FROM pg_locks WHERE locktype = 'relation' AND pid = :pid AND "
    "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

# Seconds between two looks whether it waits.
_PAUSE = 0.005


class Waiting:
    """One statement that runs on a connection, and the session that it waits for."""

    def __init__(self, connection: Connection, catalog: Catalog, known: frozenset[int]) -> None:
        """Take the locks of a writer, before the statement begins."""
        self._pid = connection.execute(_WHOM).scalar_one()
        self._is_done = asyncio.Event()
        self._engine = AsyncEngine(connection.engine)
        self._locks: dict[int, set[str]] = {}
        names = [
            each.name for oid, each in catalog.relations.items()
            if oid in known and each.kind in {"r", "p"}
        ]  # fmt: skip
        self._holder: Connection = connection.engine.connect()
        holder: int = self._holder.execute(_WHOM).scalar_one()
        if names:
            lock = f"LOCK TABLE {', '.join(names)} IN ROW EXCLUSIVE MODE"
            run_as_is(self._holder, lock)
        self._watching = asyncio.get_running_loop().create_task(self._watch(holder))

    def end(self) -> dict[int, frozenset[str]]:
        """Return the locks that the statement had or waited for, when it is done."""
        self._is_done.set()
        await_(self._watching)
        return {oid: frozenset(modes) for oid, modes in self._locks.items()}

    async def _watch(self, holder: int) -> None:
        try:
            await self._look(holder)
        finally:
            await greenlet_spawn(self._holder.close)

    async def _look(self, holder: int) -> None:
        values: dict[str, Any] = {"holder": holder, "pid": self._pid}
        async with self._engine.connect() as watcher:
            while not self._is_done.is_set():
                if await watcher.scalar(_IS_BLOCKED, values):
                    for oid, mode in await watcher.execute(_LOCKS, {"pid": self._pid}):
                        self._locks.setdefault(oid, set()).add(mode)
                    return
                # A transaction that goes on would be waited for in turn.
                await watcher.rollback()
                await asyncio.sleep(_PAUSE)
