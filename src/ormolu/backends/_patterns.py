"""Patterns of LIKE, whose escape character is the same on every backend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement

__all__ = ["ESCAPE", "escaped", "like", "pieces_of"]

ESCAPE = "!"

# A piece is an escaped character, a wildcard, or a character that means itself.
_PIECES = re.compile(r"\\.|[%_]|[^%_\\]", re.DOTALL)


def pieces_of(pattern: str) -> Sequence[str]:
    """Return the pieces of a pattern, in which a backslash makes `%` and `_` mean themselves."""
    return _PIECES.findall(pattern)


def escaped(pieces: Sequence[str]) -> str:
    """Return the pattern of LIKE."""
    return "".join(map(_escaped, pieces))


def like(text: Any, pattern: Any) -> ColumnElement[bool]:
    """Return whether text matches a pattern of LIKE."""
    return text.like(pattern, escape=ESCAPE)  # type: ignore[no-any-return]


def _escaped(piece: str) -> str:
    if piece in {"%", "_"}:
        return piece
    letter = piece[-1]
    return f"{ESCAPE}{letter}" if letter in {"%", "_", ESCAPE} else letter
