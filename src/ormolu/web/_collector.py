"""What an application has when it starts is kept out of the garbage collector's sight.

Python's full collections look at every object there is. Of FastAPI, SQLAlchemy, the models and the
routes that takes some 40 ms, twice a second under load, in which the event loop stands still; and
none of it is ever garbage while the application runs.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["freeze_what_is_there"]

_LOCK = threading.Lock()
_running = 0


@contextmanager
def freeze_what_is_there() -> Iterator[None]:
    """Keep the collector from what is there by now, until the last of these has ended.

    An application that ends is garbage: tests make and drop hundreds of them.
    """
    global _running
    with _LOCK:
        _running += 1
        # Without a collection first, which each test of a program would wait for.
        gc.freeze()
    try:
        yield
    finally:
        with _LOCK:
            _running -= 1
            if not _running:
                gc.unfreeze()
