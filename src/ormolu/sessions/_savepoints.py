"""SAVEPOINTs of a unit of work.

Knows the session that they are of; not how that ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSessionTransaction

if TYPE_CHECKING:
    from ormolu.sessions._session import UnitSession

__all__ = ["Savepoint"]


class Savepoint(AsyncSessionTransaction):
    """A SAVEPOINT that may be the first thing its unit of work sends.

    What waits for the commit since then is forgotten with a ROLLBACK to it.
    """

    def __init__(self, session: UnitSession) -> None:
        super().__init__(session, nested=True)
        self._unit = session

    async def start(self, is_ctxmanager: bool = False) -> Savepoint:
        with self._unit.in_use():
            await self._unit.take_transaction()
            await super().start(is_ctxmanager=is_ctxmanager)
        self._waiting = len(self._unit.callbacks)
        return self

    async def rollback(self) -> None:
        await super().rollback()
        del self._unit.callbacks[self._waiting :]

    async def __aexit__(self, type_: Any, value: Any, traceback: Any) -> None:
        is_kept = False
        try:
            await super().__aexit__(type_, value, traceback)
            is_kept = type_ is None
        finally:
            if not is_kept:
                del self._unit.callbacks[self._waiting :]
