"""How often one piece of work is run: again where others have thrown its transaction away.

Knows faults and time; neither sessions nor requests.
"""

from __future__ import annotations

import random
import time

from ormolu.faults import is_passing

__all__ = ["MOST_REPEATS", "Repeats"]

MOST_REPEATS = 3

# Seconds after the beginning of the first run in which another one may begin.
_SECONDS = 5.0

# Seconds before the second run, at most; before each later one twice as many.
_PAUSE = 0.01


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

    def allow(self, error: BaseException, most: int = MOST_REPEATS) -> bool:
        """Tell whether work that has failed, and has stored nothing, may be run again.

        Args:
            error: What it has failed with.
            most: How often it may be.
        """
        if self.tries > most or not is_passing(error):
            return False
        return time.monotonic() - self._began_at < _SECONDS

    def pause(self) -> float:
        """Return the seconds before the next run: random, so that those who met once part."""
        return random.uniform(0, _PAUSE * 2 ** (self.tries - 1))
