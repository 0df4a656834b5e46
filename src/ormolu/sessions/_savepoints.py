"""SAVEPOINTs of a unit of work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSessionTransaction

from ormolu.sessions._closable import ClosableSession

__all__ = ["Savepoint"]


class Savepoint(AsyncSessionTransaction):
    """A SAVEPOINT that may be the first thing its unit of work sends.

    A ROLLBACK to it also drops the callbacks that were added since then to wait for the COMMIT.
    """

    def __init__(
        self, session: ClosableSession, take_transaction: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(session, nested=True)
        self._unit = session
        self._take_transaction = take_transaction

    async def start(self, is_ctxmanager: bool = False) -> Savepoint:
        with self._unit.in_use():
            await self._take_transaction()
            await super().start(is_ctxmanager=is_ctxmanager)
        self._waiting = len(self._unit.callbacks)
        self._had_written = self._unit.rules.has_written
        return self

    async def rollback(self) -> None:
        await super().rollback()
        self._forget()

    async def __aexit__(self, type_: Any, value: Any, traceback: Any) -> None:
        is_kept = False
        try:
            await super().__aexit__(type_, value, traceback)
            is_kept = type_ is None
        finally:
            if not is_kept:
                self._forget()

    def _forget(self) -> None:
        del self._unit.callbacks[self._waiting :]
        self._unit.rules.has_written = self._had_written
