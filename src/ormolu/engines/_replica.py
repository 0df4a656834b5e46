"""How far a primary and one of its replicas are, as far as is known."""

from __future__ import annotations

import logging
import time
from collections import deque

from ormolu.engines._lookout import Lookout
from ormolu.engines._pair import EnginePair
from ormolu.engines._positions import NOTHING, Position, covers

__all__ = ["Primary", "Replica"]

_log = logging.getLogger("ormolu")

# Seconds between two positions of the primary's that are kept, and how many: what is further
# behind than all of them is at least that far behind.
_SAMPLE_EVERY = 0.05
_SAMPLES = 2000


class Primary:
    """How far the primary is, and was when.

    Attributes:
        position: The last that is known.
    """

    def __init__(self) -> None:
        self.position: Position = NOTHING
        self._noted_at = 0.0
        self._samples: deque[tuple[float, Position]] = deque(maxlen=_SAMPLES)

    def begin(self) -> None:
        """See `Watched`."""

    def note(self, position: Position | None) -> None:
        """See `Watched`."""
        if position is None or position == self.position:
            return
        self.position, self._noted_at = position, time.monotonic()
        if not self._samples or self._noted_at - self._samples[-1][0] >= _SAMPLE_EVERY:
            self._samples.append((self._noted_at, position))

    def seconds_since(self, position: Position) -> float:
        """Return for how long at least it has been further than a position; 0 if it is not."""
        if covers(position, self.position):
            return 0.0
        since = self._noted_at
        for at, sample in reversed(self._samples):
            if covers(position, sample):
                break
            since = at
        return time.monotonic() - since


class Replica:
    """One replica.

    Attributes:
        name: Its place, for the log and for metrics.
        pair: Its engine for reading; what writes is the primary's.
        position: What each of its connections sees at least; None if that is not known.
        lag: Seconds that it is behind the primary, as far as that is known.
        falls: How often it was found further behind than it was known to be.
        lookout: Asks it.
    """

    pair: EnginePair
    lookout: Lookout

    def __init__(self, name: str, primary: Primary) -> None:
        self.name: str = name
        self.position: Position | None = None
        self.lag: float = 0.0
        self.falls: int = 0
        self._primary = primary
        self._has_new = False
        self._was_well = True

    def begin(self) -> None:
        """See `Watched`."""
        self._has_new = False

    def note(self, position: Position | None) -> None:
        """See `Watched`."""
        known = self.position
        is_fall = known is not None and (position is None or not covers(position, known))
        if is_fall or not self._has_new:
            self.falls += is_fall
            self.position = position
        self._note_lag()
        self._tell(is_well=position is not None)

    def note_opened(self, position: Position | None) -> None:
        """Note what a new connection sees: a server that has crashed may have gone back.

        An answer that was asked for before is not of this connection.
        """
        self._has_new = True
        if self.position is not None and (position is None or not covers(position, self.position)):
            self.falls += 1
            self.position = position
            self._note_lag()

    def _note_lag(self) -> None:
        if self.position is not None:
            self.lag = self.pair.server.lag = self._primary.seconds_since(self.position)

    def _tell(self, *, is_well: bool) -> None:
        if is_well != self._was_well:
            what = "is read from again." if is_well else "does not answer, and is not read from."
            _log.warning("The replica %s %s", self.name, what)
        self._was_well = is_well
