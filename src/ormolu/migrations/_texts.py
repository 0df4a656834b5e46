"""Statements as text that SQLAlchemy passes on as it is."""

from __future__ import annotations

import re

__all__ = ["without_parameters"]

# What SQLAlchemy's text() takes for a parameter.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")


def without_parameters(sql: str) -> str:
    """Return a statement whose colons `op.execute` leaves alone."""
    return _PARAMETER.sub(r"\\:", sql)
