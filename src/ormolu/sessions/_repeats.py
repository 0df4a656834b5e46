"""How often one piece of work is run: again where others have thrown its transaction away.

Knows faults and time, and who goes first; neither sessions nor requests.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Hashable
from contextlib import suppress

from ormolu.engines import Engines, Precedence
from ormolu.faults import is_passing

__all__ = ["MOST_REPEATS", "Repeats"]

MOST_REPEATS = 3

# Seconds after the beginning of the first run in which another one may begin.
_SECONDS = 10.0

# Seconds before the second run, at most.
_PAUSE = 0.01

# Seconds that a run takes at most for the next one to meet others as before.
_SHORT = 0.1


class Repeats:
    """The runs of one piece of work.

    Attributes:
        tries: How often it was begun.
    """

    def __init__(self, began_at: float | None = None) -> None:
        """Count the first run.

        Args:
            began_at: When it began, by `time.monotonic`; None for now.
        """
        self.tries: int = 1
        self._began_at = time.monotonic() if began_at is None else began_at
        self._first_in: list[tuple[Precedence, Hashable]] | None = None

    def allow(self, error: BaseException, most: int = MOST_REPEATS) -> bool:
        """Tell whether work that has failed, and has stored nothing, may be run again.

        Args:
            error: What it has failed with.
            most: How often it may be.
        """
        return self.tries <= most and self._left > 0 and is_passing(error)

    @property
    def _left(self) -> float:
        return _SECONDS - (time.monotonic() - self._began_at)

    @property
    def goes_first(self) -> bool:
        """Tell whether the next run is not to meet others: it has lost twice, or much time."""
        return self.tries > 1 or self._left < _SECONDS - _SHORT

    def pause(self) -> float:
        """Return the seconds before the next run: random, so that those who met once part."""
        return 0.0 if self.goes_first else random.uniform(0, _PAUSE)

    async def begin(self, databases: Collection[Engines], work: Hashable) -> None:
        """Begin the next run, if need be before all others that do the same.

        Args:
            databases: What it writes to.
            work: What is done: the function of a route.
        """
        if self.goes_first and self._first_in is None:
            self._first_in = []
            try:
                for pair in filter(None, [each.current for each in databases]):
                    with suppress(TimeoutError):
                        await pair.precedence.take(work, max(self._left, _PAUSE))
                        self._first_in.append((pair.precedence, work))
            except BaseException:
                self.end()
                raise
        for each in databases:
            each.counts.retries += 1
        self.tries += 1

    def end(self) -> None:
        """Let others begin again: the work is done, or will not be."""
        if self._first_in is not None:
            for precedence, work in reversed(self._first_in):
                precedence.release(work)
            self._first_in = None
