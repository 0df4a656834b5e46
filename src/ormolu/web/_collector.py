"""What a server keeps for good is taken out of the garbage collector's sight.

Python's full collections look at every object there is. Of FastAPI, SQLAlchemy, the models and the
routes that takes some 40 ms, twice a second under load, in which the event loop stands still; and
none of it is ever garbage while the application runs.
"""

from __future__ import annotations

import gc

__all__ = ["Freezer"]

# After so many an application is a server at work, has made what it makes with its first ones, and
# is no test's, of which there may be hundreds.
_REQUESTS = 1000


class Freezer:
    """Keeps the collector from what one application has, once it has answered many requests."""

    def __init__(self) -> None:
        self._requests = 0

    def note_request(self) -> None:
        """Count a request."""
        self._requests += 1
        if self._requests == _REQUESTS:
            gc.freeze()

    def end(self) -> None:
        """Put everything back: an application that has ended is garbage itself."""
        if self._requests >= _REQUESTS:
            gc.unfreeze()
        self._requests = 0
