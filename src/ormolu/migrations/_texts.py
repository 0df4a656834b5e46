"""SQL as text that SQLAlchemy passes on as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Compiled, Dialect

__all__ = ["are_alike", "as_source", "compiled_text", "names_in", "replaced", "without_parameters"]

# What SQLAlchemy's text() takes for a parameter.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")

# A literal, or a name.
_WORD = re.compile(r"'(?:[^']|'')*'|\w+")

# A literal, or blanks.
_BLANKS = re.compile(r"('(?:[^']|'')*')|\s+")


def are_alike(one: str, other: str) -> bool:
    """Tell whether two texts are the same but for blanks: SQLite keeps those."""
    squeezed = (_BLANKS.sub(lambda found: found[1] or "", each) for each in (one, other))
    return next(squeezed) == next(squeezed)


def names_in(sql: str) -> set[str]:
    """Return the words of a text, which may be names of columns."""
    return set(_WORD.findall(sql))


def replaced(sql: str, names: Mapping[str, str]) -> str:
    """Return a text with other names."""
    return _WORD.sub(lambda word: names.get(word[0], word[0]), sql)


def without_parameters(sql: str) -> str:
    """Return a statement whose colons `op.execute` leaves alone."""
    return _PARAMETER.sub(r"\\:", sql)


def compiled_text(compiled: Compiled) -> str:
    """Return a compiled statement without parameters, as text to be compiled once more."""
    return as_source(str(compiled), compiled.dialect)


def as_source(sql: str, dialect: Dialect) -> str:
    """Return what a dialect has compiled, as text to be compiled once more."""
    if dialect.paramstyle in {"format", "pyformat"}:
        sql = sql.replace("%%", "%")
    return without_parameters(sql)
