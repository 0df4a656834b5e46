"""Transaction policy as plain values: what may a unit of work do, and does it commit.

Knows no session, no engine, no web framework.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Access", "access_of_method", "is_committed"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "QUERY", "TRACE"})


class Access(Enum):
    """What a unit of work may do to the database."""

    READ = "read"
    WRITE = "write"


def access_of_method(method: str) -> Access:
    """Return READ for the safe methods of RFC 9110 and RFC 10008 (QUERY), else WRITE."""
    return Access.READ if method in _SAFE_METHODS else Access.WRITE


def is_committed(status: int) -> bool:
    """Tell whether an HTTP answer with this status stores what its request wrote."""
    return status < 400
