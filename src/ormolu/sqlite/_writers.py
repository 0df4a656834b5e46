"""The line of those who want to write to one database file, within one process.

SQLite lets one connection write at a time and serves those who wait by chance. Here they are
served in the order in which they came, by one thread, and nothing waits in it.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

from ormolu.controlled_delay import ControlledDelay, Patience
from ormolu.sqlite._checkpoints import Checkpoints
from ormolu.sqlite._crew import Crew
from ormolu.sqlite._syncs import Syncs

__all__ = ["Place", "WriterLine", "line_of"]


class Place:
    """One place in a line; who has the turn holds the line up until the place is left.

    Attributes:
        has_turn: Whether it is the first.
    """

    __slots__ = ("_line", "_on_turn", "has_turn")

    def __init__(self, line: WriterLine, on_turn: Callable[[], None]) -> None:
        self.has_turn: bool = False
        self._line = line
        self._on_turn = on_turn

    def wait_until(self, came_at: float, patience: Patience) -> float:
        """Return until when one may wait, as far as is known now, on the monotonic clock.

        Args:
            came_at: When they began to, be it in another line.
            patience: How long they wait.
        """
        self._line.delay.begin(came_at)
        return self._line.delay.end_of(came_at, patience)

    def leave(self) -> None:
        """Give the place up, from any thread, as often as one likes; the next one is served."""
        following = self._line.remove(self)
        if following is not None:
            following.take_turn()

    def take_turn(self) -> None:
        """Tell the one who waits."""
        self.has_turn = True
        self._on_turn()


class WriterLine:
    """A first come, first served line, and the thread that serves it.

    Attributes:
        crew: The thread.
        syncs: What the commits of those who were served wait for.
        checkpoints: When the file's log is due to go back into it.
        delay: How long one waits in it.
        count: How many transactions have written, in this process.
        locked_since: When who has the turn met the lock of another process that is still there,
            on the monotonic clock; None if the file is not locked.
        has_log: Whether the file can have a write-ahead log, as far as is known.
    """

    def __init__(self, path: str) -> None:
        self.crew: Crew = Crew()
        self.syncs: Syncs = Syncs(path)
        self.checkpoints: Checkpoints = Checkpoints(path)
        self.delay: ControlledDelay = ControlledDelay()
        self.count: int = 0
        self.locked_since: float | None = None
        self.has_log = True
        self._guard = threading.Lock()
        self._places: deque[Place] = deque()

    def line_up(self, on_turn: Callable[[], None]) -> Place:
        """Return a new last place.

        Args:
            on_turn: Called, from any thread, when the turn comes later; not if it is there now.
        """
        place = Place(self, on_turn)
        with self._guard:
            self._places.append(place)
            place.has_turn = self._places[0] is place
        return place

    def is_occupied(self) -> bool:
        """Tell whether anybody has the turn, or waits for it."""
        return bool(self._places)

    def remove(self, place: Place) -> Place | None:
        """Take a place out, and return the one whose turn has come by that."""
        with self._guard:
            if place not in self._places:
                return None
            was_first = self._places[0] is place
            self._places.remove(place)
            if was_first:
                self.delay.move(time.monotonic())
            if len(self._places) < 2:
                self.delay.be_empty()
            return self._places[0] if was_first and self._places else None


class _Lines:
    """The lines of this process, each as long as somebody holds it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._guard = threading.Lock()
        self._lines: weakref.WeakValueDictionary[str, WriterLine] = weakref.WeakValueDictionary()

    def of(self, path: str) -> WriterLine:
        with self._guard:
            line = self._lines.get(path)
            if line is None:
                line = self._lines[path] = WriterLine(path)
            return line


_lines = _Lines()


def line_of(path: str) -> WriterLine:
    """Return the line of a database file: the same one for all who open it in this process."""
    return _lines.of(os.path.realpath(path))


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows cannot fork
    # A forked child lacks the threads that stand in its parent's lines.
    os.register_at_fork(after_in_child=_lines.forget)
