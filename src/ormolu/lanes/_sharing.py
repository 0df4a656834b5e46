"""Which reads are the same, so that what comes of one is for all who ask for it. Knows no database.

Values of two callers may be equal to Python and not to the database: 1, 1.0 and True as text, a
time with its zone, the two zeros of a float. Such reads are not the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any
from uuid import UUID

__all__ = ["sameness_of"]

# Types whose values are equal to any database if they are equal in Python.
_EXACT = frozenset({bool, bytes, int, str, type(None), UUID})


def sameness_of(values: Sequence[Any]) -> Hashable:
    """Return what is equal for parameters that are the same; None where that is not sure."""
    if not all(type(value) in _EXACT for value in values):
        return None
    return tuple([(type(value), value) for value in values])
