"""Budgets: how many rows and bytes one answer may have, over all hops.

Rows are counted as often as they stand in the answer, which is more than are read: of n posts
with the same n tags there are n * n tags to write. Bytes are those of the JSON, or a little less:
an answer that is within by this count may still be found too long once it is encoded. No HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from ormolu.query._views import Location, refuse

__all__ = ["Budget", "size_of"]

# Letters around a name and its value: quotes, a colon, a comma.
_AROUND = 4


@dataclass
class Budget:
    """What is left to one answer.

    Attributes:
        most_rows: Rows that an answer may have, those of its relations among them.
        most_bytes: Bytes that its JSON may have.
        location: Where the parameters of the request stand.
    """

    most_rows: int
    most_bytes: int
    location: Location = ("query",)

    def __post_init__(self) -> None:
        """Begin with all of it."""
        self.rows: int = self.most_rows
        self.bytes: int = self.most_bytes

    def spend_rows(self, count: int, path: str) -> None:
        """Take rows off it.

        Args:
            count: How often they stand in the answer, all of them together.
            path: The relations that lead to them; empty for the rows that were asked for.

        Raises:
            RefusedError: There are not so many left.
        """
        self.rows -= count
        if self.rows < 0:
            raise self._refusal("rows", self.most_rows, path)

    def spend_bytes(self, count: int, path: str) -> None:
        """Take bytes off it.

        Raises:
            RefusedError: There are not so many left.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise self._refusal("bytes", self.most_bytes, path)

    def check_body(self, body: bytes) -> None:
        """Check an answer that was encoded.

        Raises:
            RefusedError: It has more bytes than were estimated, and than it may have.
        """
        if len(body) > self.most_bytes:
            raise self._refusal("bytes", self.most_bytes, "")

    def _refusal(self, what: str, most: int, path: str) -> Exception:
        message = f"An answer has at most {most} {what}; ask for fewer rows or fields"
        if path:
            message = f"With {path!r} the answer has more than {most} {what}"
        name = "include" if path else "fields"
        return refuse((*self.location, name), f"too_many_{what}", message)


def size_of(names: Sequence[str], values: Sequence[Any]) -> int:
    """Return how many bytes a row has in JSON, at least."""
    size = 0
    for name, value in zip(names, values, strict=True):
        kind = type(value)
        size += len(name) + _AROUND
        if kind is str:
            size += len(value) + 2
        elif kind is bytes:
            size += len(value) * 4 // 3
        elif kind in {dict, list}:
            size += len(to_json(value, fallback=str, bytes_mode="base64", inf_nan_mode="null"))
        else:
            size += 1
    return size
