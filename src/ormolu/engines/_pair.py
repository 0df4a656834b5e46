"""The two engines of one database on one event loop, and a cache of what is compiled for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

from ormolu.engines._admission import Admission
from ormolu.engines._long_reads import LongReads
from ormolu.engines._precedence import Precedence
from ormolu.engines._server import Server
from ormolu.timing import Stopwatch
from ormolu.transactions import Access

__all__ = ["EnginePair"]

# Compiled statements, as many as an engine of SQLAlchemy's caches.
_KEPT = 500


@dataclass(frozen=True, kw_only=True)
class EnginePair:
    """The two engines of one database on one event loop.

    Attributes:
        reader: For units of work that only read.
        writer: For all others.
        server: Whether it lives.
        admission: How many units of work begin at once.
        precedence: Who goes first among those that write.
        stopwatch: Is told how long statements take; None if nobody wants to know.
        long_reads: Which reads take long, and how many of them are under way.
        kept: A cache of what is compiled for the reader, by what it was compiled from.
    """

    reader: AsyncEngine
    writer: AsyncEngine
    server: Server
    long_reads: LongReads
    admission: Admission = field(default_factory=Admission)
    precedence: Precedence = field(default_factory=Precedence)
    stopwatch: Stopwatch | None = None
    kept: Any = field(default_factory=lambda: EnginePair.new_cache())

    @staticmethod
    def new_cache() -> Any:
        """Return an empty cache of what is compiled for one engine."""
        return LRUCache(_KEPT)

    def of(self, access: Access) -> AsyncEngine:
        """Return the engine for a unit of work with this access."""
        return self.writer if access is Access.WRITE else self.reader

    @property
    def connections_in_use(self) -> int:
        """Return how many connections are not in their pools."""
        pools: list[Any] = [each.sync_engine.pool for each in (self.reader, self.writer)]
        return sum(each.checkedout() for each in pools if hasattr(each, "checkedout"))

    async def dispose(self) -> None:
        """Close all connections that are not in use."""
        await self.reader.dispose()
        await self.writer.dispose()
