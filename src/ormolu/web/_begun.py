"""A coroutine that has begun, and may be done already: work that waits for nothing needs no watch.

Knows no request.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

__all__ = ["Begun"]

_T = TypeVar("_T")


class Begun(Generic[_T]):
    """A coroutine after its first step; awaiting it does the rest.

    Attributes:
        is_done: Whether there is no rest.
        result: What it has returned then.
    """

    __slots__ = ("_waits_for", "_work", "is_done", "result")

    result: _T

    def __init__(self, work: Coroutine[Any, Any, _T]) -> None:
        """Run it, in the current task, until it waits for something.

        Raises:
            Exception: What it raises.
        """
        self.is_done = False
        try:
            self._waits_for = work.send(None)
        except StopIteration as end:
            self.is_done, self.result = True, end.value
        self._work = work

    def __await__(self) -> Generator[Any, Any, _T]:
        """Do the rest, as `await` would."""
        while not self.is_done:
            try:
                try:
                    sent = yield self._waits_for
                except BaseException as error:
                    self._waits_for = self._work.throw(error)
                else:
                    self._waits_for = self._work.send(sent)
            except StopIteration as end:
                self.is_done, self.result = True, end.value
        return self.result
