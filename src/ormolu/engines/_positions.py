"""Places in the log of a primary, as numbers: what a client knows of, and what a server has.

Knows no SQL and no server. A log may have several branches, as MariaDB's domains are; PostgreSQL's
has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "BEYOND", "NOTHING", "Position", "covers", "later_of", "read_position", "write_position",
]  # fmt: skip

# How far each branch was written, or replayed.
Position = Mapping[int, int]

NOTHING: Position = MappingProxyType({})

# Reached by no replica: of a client that knows something, and nobody can tell what.
BEYOND: Position = MappingProxyType({-1: 0})

# Numbers of 64 bits; of MariaDB's domains hardly anybody has two.
_PLACE = r"(\d{1,10})-(\d{1,20})"
_TEXT = re.compile(rf"{_PLACE}(?:_{_PLACE}){{0,7}}", re.ASCII)
_EACH = re.compile(_PLACE, re.ASCII)


def covers(reached: Position, wanted: Position) -> bool:
    """Tell whether a server that is at one position has all that is known at another."""
    return all(reached.get(branch, -1) >= number for branch, number in wanted.items())


def later_of(first: Position, second: Position) -> Position:
    """Return where all is known that is known at either."""
    branches = {*first, *second}
    return {each: max(first.get(each, 0), second.get(each, 0)) for each in branches}


def read_position(text: str) -> Position:
    """Read what `write_position` has written; what is not that is beyond all replicas."""
    if _TEXT.fullmatch(text) is None:
        return BEYOND
    return {int(branch): int(number) for branch, number in _EACH.findall(text)}


def write_position(position: Position) -> str:
    """Return a position as text, of digits, `-` and `_`."""
    return "_".join(f"{branch}-{number}" for branch, number in sorted(position.items()))
