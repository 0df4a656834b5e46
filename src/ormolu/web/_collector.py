"""What an application has when it starts is kept out of the garbage collector's sight.

Python's full collections look at every object there is. Of FastAPI, SQLAlchemy, the models and the
routes that takes some 40 ms, twice a second under load, in which the event loop stands still; and
none of it is ever garbage while the application runs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["freeze_what_is_there"]


@contextmanager
def freeze_what_is_there() -> Iterator[None]:
    """Keep the collector from what is there by now, until this or another one of these has ended.

    An application that ends is garbage, and nothing less than all can be put back: tests make and
    drop hundreds of them, beside one that runs all the time.
    """
    # Without a collection first, which each test of a program would wait for.
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
