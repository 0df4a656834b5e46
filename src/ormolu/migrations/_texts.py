"""SQL as text that SQLAlchemy passes on as it is."""

from __future__ import annotations

import re

from sqlalchemy import Compiled

__all__ = ["compiled_text", "without_parameters"]

# What SQLAlchemy's text() takes for a parameter.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")


def without_parameters(sql: str) -> str:
    """Return a statement whose colons `op.execute` leaves alone."""
    return _PARAMETER.sub(r"\\:", sql)


def compiled_text(compiled: Compiled) -> str:
    """Return a compiled statement without parameters, as text to be compiled once more."""
    sql = str(compiled)
    if compiled.dialect.paramstyle in {"format", "pyformat"}:
        sql = sql.replace("%%", "%")
    return without_parameters(sql)
