"""What a server keeps for good is taken out of the garbage collector's sight.

Python's full collections look at every object there is. Of FastAPI, SQLAlchemy, the models and the
routes that takes some 40 ms, twice a second under load, in which the event loop stands still; and
none of it is ever garbage while the application runs. Its small collections come with each 700
objects, which are two requests for a list: nearly all are still in use then.
"""

from __future__ import annotations

import gc
import weakref

__all__ = ["Freezer"]

# After 100 requests this is a server, not a test. After 1,000 its caches are warm.
_REQUESTS: tuple[int, ...] = (100, 1000)

# Objects between two small collections: Python's choice before 3.13, and since. With more, the
# middle collections block the event loop for too long.
_OF_PYTHON = 700
_OF_SERVER = 2000


class Freezer:
    """Keeps the collector from what one application has, once it has answered many requests."""

    def __init__(self) -> None:
        self._requests: int | None = None

    def begin(self) -> None:
        """Count from now on: an application whose lifespan has begun has an end, too."""
        self._requests = 0

    def note_request(self) -> None:
        """Count a request."""
        if self._requests is None:
            return
        self._requests += 1
        if self._requests in _REQUESTS:
            # Asked once at most: Python counts the frozen objects one by one.
            if not _AT_WORK and gc.get_freeze_count():
                # The program has frozen objects itself, and our unfreezing would undo that.
                self._requests = None
                return
            _AT_WORK.add(self)
            gc.freeze()
            _THRESHOLD.raise_()

    def end(self) -> None:
        """Put everything back with the last one: an application that has ended is garbage."""
        self._requests = None
        if self in _AT_WORK:
            _AT_WORK.discard(self)
            if not _AT_WORK:
                gc.unfreeze()
                _THRESHOLD.put_back()


class _Threshold:
    """When small collections come; as the program has it, if that is not Python's own choice."""

    def __init__(self) -> None:
        self._before: tuple[int, int, int] | None = None

    def raise_(self) -> None:
        first, *others = gc.get_threshold()
        if first == _OF_PYTHON:
            self._before = gc.get_threshold()
            gc.set_threshold(_OF_SERVER, *others)

    def put_back(self) -> None:
        before, self._before = self._before, None
        # Leave a threshold alone that the program has chosen meanwhile.
        if before is not None and gc.get_threshold()[0] == _OF_SERVER:
            gc.set_threshold(*before)


# Shared by all applications, since the collector is the process's.
_THRESHOLD = _Threshold()
_AT_WORK: weakref.WeakSet[Freezer] = weakref.WeakSet()
