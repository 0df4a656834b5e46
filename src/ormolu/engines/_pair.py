"""The two engines of one database on one event loop, and what is made once for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

from ormolu.engines._server import Server
from ormolu.engines._turns import Turns
from ormolu.transactions import Access

__all__ = ["EnginePair"]

# As many statements as an engine of SQLAlchemy's keeps compiled.
_KEPT = 500


@dataclass(frozen=True, kw_only=True)
class EnginePair:
    """The two engines of one database on one event loop.

    Attributes:
        reader: For units of work that only read.
        writer: For all others.
        server: Whether it lives.
        turns: When units of work begin.
        kept: What is made once for the reader, by what it is made from; of what is used.
    """

    reader: AsyncEngine
    writer: AsyncEngine
    server: Server
    turns: Turns = field(default_factory=Turns)
    kept: Any = field(default_factory=partial(LRUCache, _KEPT))

    def of(self, access: Access) -> AsyncEngine:
        """Return the engine for a unit of work with this access."""
        return self.writer if access is Access.WRITE else self.reader

    async def dispose(self) -> None:
        """Close all connections that are not in use."""
        await self.reader.dispose()
        await self.writer.dispose()
