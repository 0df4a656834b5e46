"""Loggers as they were: an env.py made by Alembic silences those of the program."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keeping_loggers"]


@contextmanager
def keeping_loggers() -> Iterator[None]:
    """Undo what `fileConfig` does: it disables all loggers, and replaces the root's handlers."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    loggers = [
        each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)
    ]
    disabled = [each.disabled for each in loggers]
    try:
        yield
    finally:
        for logger, was_disabled in zip(loggers, disabled, strict=True):
            logger.disabled = was_disabled
        root.handlers[:] = handlers
        root.setLevel(level)
