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

# After so many an application is a server at work, and no test's, of which there may be hundreds;
# after so many it has made what it makes with its first ones, too.
_REQUESTS = (100, 1000)

# Objects between two small collections: Python's own choice before 3.13, and since then. With more
# the collections of what ten small ones left take longer than a turn of the event loop may.
_OF_PYTHON = 700
_OF_SERVER = 2000


class Freezer:
    """Keeps the collector from what one application has, once it has answered many requests."""

    def __init__(self) -> None:
        self._requests = 0

    def note_request(self) -> None:
        """Count a request."""
        self._requests += 1
        if self._requests in _REQUESTS:
            _AT_WORK.add(self)
            gc.freeze()
            _change_threshold(_OF_PYTHON, _OF_SERVER)

    def end(self) -> None:
        """Put everything back with the last one: an application that has ended is garbage."""
        self._requests = 0
        if self in _AT_WORK:
            _AT_WORK.discard(self)
            if not _AT_WORK:
                gc.unfreeze()
                _change_threshold(_OF_SERVER, _BEFORE)


def _change_threshold(from_: int, to: int) -> None:
    """Change when small collections come, unless the program has seen to that itself."""
    first, *others = gc.get_threshold()
    if first == from_:
        gc.set_threshold(to, *others)


_BEFORE = gc.get_threshold()[0]

# The collector is the whole process's, and so is what it passes over.
_AT_WORK: weakref.WeakSet[Freezer] = weakref.WeakSet()
