"""Says once that a library has another name for something."""

from __future__ import annotations

import logging
from functools import cache

__all__ = ["tell_missing"]

_log = logging.getLogger("ormolu")


@cache
def tell_missing(library: str, name: str | None, instead: str) -> None:
    """Log that a name is gone, the first time that it is asked for.

    Args:
        library: Whose it is.
        name: What is gone.
        instead: What is done without it.
    """
    _log.warning("This version of %s has no %s: %s.", library, name, instead)
