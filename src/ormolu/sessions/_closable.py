"""A session that the program may close and go on with, as SQLAlchemy's; its unit of work commits.

Whoever closes it with changes that were not committed has lost them, and its client must not be
told of them. Knows no engines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.orm import Session

from ormolu.errors import RolledBackError
from ormolu.seams import is_clean
from ormolu.sessions._exclusive import ExclusiveSession
from ormolu.sessions._misuses import LOST
from ormolu.sessions._rules import RulesSession

__all__ = ["ClosableSession"]


class ClosableSession(ExclusiveSession):
    """An AsyncSession that begins anew when it is closed, until its unit of work ends.

    Attributes:
        rules: The part below, which holds the rules.
    """

    sync_session_class: type[Session] = RulesSession

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        assert isinstance(self.sync_session, RulesSession)
        self.rules: RulesSession = self.sync_session
        self._has_connection: bool = False
        self._has_lost = False

    @property
    def has_changes(self) -> bool:
        """Tell whether a flush would send something."""
        return not is_clean(self.sync_session)

    def check_alive(self) -> None:
        """Refuse to commit what a failed flush has rolled back, or what was closed before.

        Raises:
            RolledBackError: A flush failed, and the code that caught its error went on; or the
                session was closed with changes.
        """
        if self._has_lost:
            raise RolledBackError(LOST)
        super().check_alive()

    async def close(self) -> None:
        """Roll back, forget all objects and give the connection back; what follows begins anew.

        If something was not committed, the unit of work will not be, either.
        """
        if not self.is_closed:
            await self._begin_anew(super().reset, loses=self._would_lose)

    async def reset(self) -> None:
        """Roll back, forget all objects and give the connection back; what follows begins anew."""
        await self._begin_anew(super().reset)

    async def rollback(self) -> None:
        """Roll back now; what follows in this unit of work is a new transaction."""
        await self._begin_anew(super().rollback)

    async def invalidate(self) -> None:
        """Throw the connection away, and close for good."""
        await self._begin_anew(super().invalidate, loses=self._would_lose)
        self.mark_closed()

    async def end(self) -> None:
        """Close for good, whoever is inside; what was not committed is rolled back."""
        self.mark_closed()
        await super().close()

    async def discard(self) -> None:
        """Close for good, whoever is inside, and throw the connection away."""
        self.mark_closed()
        await super().invalidate()

    @property
    def _would_lose(self) -> bool:
        return self._has_lost or self.has_changes or self.rules.has_written

    async def _begin_anew(
        self, leave: Callable[[], Awaitable[None]], *, loses: bool = False
    ) -> None:
        with self.in_use():
            self._has_connection = False
            self.rules.connected = None
            await leave()
            self._has_lost = loses
            self.rules.has_written = False
