"""A COMMIT while it is not answered: it may be given up, and nobody knows its outcome then."""

from __future__ import annotations

from collections.abc import Awaitable

from ormolu.errors import OutcomeUnknownError
from ormolu.limits import Limit

__all__ = ["Commits"]


class Commits:
    """Those of one session, one at a time."""

    def __init__(self) -> None:
        """Have none under way."""
        self._limit: Limit | None = None

    @property
    def is_under_way(self) -> bool:
        """Tell whether one was sent that is not answered yet."""
        return self._limit is not None

    async def run(self, commit: Awaitable[None]) -> None:
        """Wait for the answer to one.

        Raises:
            OutcomeUnknownError: It was given up.
        """
        try:
            async with Limit(None) as self._limit:
                await commit
        except TimeoutError as error:
            message = "The time was over during COMMIT; the change may be stored or not."
            raise OutcomeUnknownError(message) from error
        finally:
            self._limit = None

    def give_up(self) -> None:
        """Wait no longer for the answer to the one that is under way, if there is one."""
        if self._limit is not None:
            self._limit.expire()
