"""Budgets: how many rows and bytes one answer may have, with all its relations. No HTTP.

A row counts as often as it is in the answer, which may be more than once: n posts with the same n
tags have n * n tags. Bytes are those of the JSON or a little less, so an answer may still turn out
to be too long when it is encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

from pydantic_core import to_json

from ormolu.query._views import Location, refuse

__all__ = ["Budget", "size_of", "size_of_column", "size_of_names"]

# The characters around a name and its value: quotes, a colon, a comma.
_AROUND = 4

_QUOTES = 2

# Whose values have more bytes than one.
_LONG = frozenset({str, bytes, dict, list})


@dataclass
class Budget:
    """The rows and bytes that one answer may still have.

    Attributes:
        most_rows: The most rows of an answer, with those of its relations.
        most_bytes: The most bytes of its JSON.
        location: Where the parameters of the request are.
    """

    most_rows: int
    most_bytes: int
    location: Location = ("query",)

    def __post_init__(self) -> None:
        self.rows: int = self.most_rows
        self.bytes: int = self.most_bytes

    def spend_rows(self, count: int, path: str) -> None:
        """Subtract rows.

        Args:
            count: How often they are in the answer, all together.
            path: The relations that lead to them; empty for the rows that were asked for.

        Raises:
            RefusedError: Fewer are left.
        """
        self.rows -= count
        if self.rows < 0:
            raise self._refusal("rows", self.most_rows, path)

    def spend_bytes(self, count: int, path: str) -> None:
        """Subtract bytes.

        Raises:
            RefusedError: Fewer are left.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise self._refusal("bytes", self.most_bytes, path)

    def check_body(self, body: bytes) -> None:
        """Check an encoded answer.

        Raises:
            RefusedError: It has too many bytes.
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
    """Return the least number of bytes that a row has in JSON."""
    return size_of_names(names) + sum(map(_size_of_value, values))


def size_of_names(names: Sequence[str]) -> int:
    """Return how many bytes the names of a row's values take in JSON, with what is around them."""
    return sum(map(len, names)) + _AROUND * len(names)


def size_of_column(values: Sequence[Any], times: Sequence[int]) -> int:
    """Return the least number of bytes that the values of a column have in JSON.

    Args:
        values: One for each row.
        times: How often each row is in the answer.
    """
    kinds = set(map(type, values))
    if kinds.isdisjoint(_LONG):
        return sum(times)
    # Most columns have values of one kind: no call of Python for each of them.
    sizes = map(len, values) if kinds == {str} else map(_size_of_value, values)
    around = _QUOTES * sum(times) if kinds == {str} else 0
    size: int = sum(map(mul, sizes, times)) + around
    return size


def _size_of_value(value: Any) -> int:
    kind = type(value)
    if kind is str:
        return len(value) + _QUOTES
    if kind is bytes:
        return len(value) * 4 // 3
    if kind is dict or kind is list:
        return len(to_json(value, fallback=str, bytes_mode="base64", inf_nan_mode="null"))
    return 1
