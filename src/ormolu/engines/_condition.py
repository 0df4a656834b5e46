"""What refused writes tell of a database: a full disk, or one that takes no changes any more.

Knows no server: what that says when it is asked is in `_readiness`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext

from ormolu.engines._counts import Counts
from ormolu.faults import Kind, fault_of

__all__ = ["Condition", "identity_of", "note_refusals"]

# Seconds after which somebody should try again: who is sent no requests has no write that succeeds.
_LASTING = 10.0

# Kinds after which the next write will be refused likewise.
_REFUSALS: tuple[Kind, ...] = ("read_only_database", "storage_full")

# Device and number of a file, which no other one has while anybody has it open.
_Identity = tuple[int, int]


class Condition:
    """What a database is found to be like, on one event loop.

    Attributes:
        is_for_changes: Whether it has taken changes since it was opened, or was to take one. Else
            it may be one that is meant for reading, such as a standby for reports.
        identity: Of its file, if it has one.
        counts: What it was asked to do.
    """

    def __init__(self, counts: Counts) -> None:
        """Know nothing yet."""
        self.is_for_changes: bool = False
        self.identity: _Identity | None = None
        self.counts: Counts = counts
        self._refused: Kind | None = None
        self._refused_at = 0.0
        self._commits = 0

    def note_refusal(self, kind: Kind) -> None:
        """Note that a write was refused, whatever it was."""
        self.is_for_changes = True
        self._refused, self._refused_at = kind, time.monotonic()
        self._commits = self.counts.commits

    @property
    def refusal(self) -> Kind | None:
        """Return what the last write was refused for; None if it was not, or some time ago."""
        is_over = time.monotonic() - self._refused_at > _LASTING
        return None if is_over or self.counts.commits != self._commits else self._refused


class _Server(Protocol):
    condition: Condition


def note_refusals(engine: Engine, server: _Server) -> None:
    """Note what the writes of an engine are refused for."""

    @event.listens_for(engine, "handle_error")
    def _note(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        kind = None if error is None else fault_of(error).kind
        if kind in _REFUSALS:
            server.condition.note_refusal(kind)


def identity_of(path: Path | None) -> _Identity | None:
    """Return which file is there; None if none is."""
    try:
        found = None if path is None else os.stat(path)
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
