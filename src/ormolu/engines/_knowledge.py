"""What a client knows of a database, and where it reads: kept in the context of its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from ormolu.engines._positions import NOTHING, Position
from ormolu.engines._replica import Replica

__all__ = ["Choice", "Knowledge", "knowing", "knowledge_for"]


class Choice:
    """Which server a request, or a session, reads from: the same one all the time.

    Attributes:
        is_made: Whether it reads already.
        server: The replica; None for the primary.
    """

    __slots__ = ("is_made", "server")

    def __init__(self) -> None:
        """Choose none yet."""
        self.is_made: bool = False
        self.server: Replica | None = None

    def make(self, server: Replica | None) -> None:
        """Stay with a replica, or with the primary."""
        self.is_made, self.server = True, server


class Knowledge:
    """What one client knows of a database.

    Attributes:
        position: What a replica must have to be read from.
        commits: How many transactions were committed for it here.
        settled: How many of them are in the position.
        choice: The server that it reads from; None if each session has its own.
    """

    __slots__ = ("choice", "commits", "position", "settled")

    def __init__(self, position: Position = NOTHING, choice: Choice | None = None) -> None:
        self.position: Position = position
        self.commits: int = 0
        self.settled: int = 0
        self.choice: Choice | None = choice

    def settle(self, commits: int, position: Position) -> None:
        """Note where the primary was after so many commits: all that was known is before it."""
        if commits > self.settled:
            self.settled, self.position = commits, position


_KNOWN: ContextVar[Mapping[object, Knowledge]] = ContextVar(
    "ormolu_known", default=MappingProxyType({})
)


@contextmanager
def knowing(database: object, knowledge: Knowledge) -> Iterator[None]:
    """Let what runs in the block, and what it starts, read what a client knows of."""
    token = _KNOWN.set({**_KNOWN.get(), database: knowledge})
    try:
        yield
    finally:
        _KNOWN.reset(token)


def knowledge_for(database: object) -> Knowledge | None:
    """Return what the client of the current task knows; None if it is of no client."""
    return _KNOWN.get().get(database)
