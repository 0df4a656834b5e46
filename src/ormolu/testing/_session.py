"""The session of a test: it arranges and looks, beside an application that does the same.

As a unit of work's, but that it may commit again and again, and that reads hold nothing: neither
SQLite's lock of the one who writes, nor a view of what was there before the last request.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from ormolu.engines import Engines
from ormolu.sessions import UnitSession
from ormolu.transactions import Access

__all__ = ["KitSession"]


class KitSession(UnitSession):
    """A session that keeps its transaction only while that has changes."""

    def __init__(self, engines: Engines) -> None:
        """Take no connection yet."""
        super().__init__(engines, Access.WRITE, is_brief=True)
        self._has_flushed = False
        self._has_sent = False
        self._lets_go = True
        event.listen(self.sync_session, "after_flush", self._note_flush)

    @property
    def is_ahead(self) -> bool:
        """Tell whether it has changes that nobody else sees."""
        return self.has_changes or self._is_writing

    @property
    def _is_writing(self) -> bool:
        is_nested = self.sync_session.in_nested_transaction()
        return self._has_flushed or self._has_sent or is_nested

    def _note_flush(self, *_: Any) -> None:
        self._has_flushed = True

    async def execute(self, statement: Any, *args: Any, **options: Any) -> Any:
        """Execute a statement; one that writes, or may, begins changes."""
        is_read = getattr(statement, "is_select", False) or _reads(str(statement))
        self._has_sent = self._has_sent or not is_read
        return await super().execute(statement, *args, **options)

    async def scalar(self, statement: Any, *args: Any, **options: Any) -> Any:
        """Return a statement's first value."""
        return (await self.execute(statement, *args, **options)).scalar()

    async def _let_go(self) -> None:
        if not self._is_writing:
            await super()._let_go()

    async def commit(self) -> None:
        """Commit; what follows is a new transaction."""
        await super().commit()
        self._forget()

    async def rollback(self) -> None:
        """Roll back; what follows is a new transaction."""
        await super().rollback()
        self._forget()

    def _forget(self) -> None:
        self._has_flushed = self._has_sent = False
        self._lets_go = True


def _reads(sql: str) -> bool:
    return sql.lstrip().upper().startswith(("SELECT", "VALUES", "SHOW", "EXPLAIN", "PRAGMA"))
