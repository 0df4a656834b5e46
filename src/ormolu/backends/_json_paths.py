"""Paths in JSON as psycopg sends them: the text of an array, in which each name is in quotes.

SQLAlchemy puts none around them: a comma within a name made two of it, and an empty one was no step
at all, so that a path led elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import JSON, Dialect

__all__ = ["quote_names"]


def quote_names(dialect: Dialect) -> None:
    """Have a dialect, which is one engine's own, put quotes around the names in paths."""
    plain: Any = dialect.colspecs[JSON.JSONPathType]

    class QuotedPath(plain):  # type: ignore[misc]
        def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
            process: Callable[[Any], Any] = super().bind_processor(dialect)
            return lambda path: process(path if isinstance(path, str) else _written(path))

    dialect.colspecs = {**dialect.colspecs, JSON.JSONPathType: QuotedPath}


def _written(path: Sequence[str | int]) -> str:
    escaped = (str(step).replace("\\", r"\\").replace('"', r"\"") for step in path)
    names = ",".join(f'"{step}"' for step in escaped)
    return f"{{{names}}}"
