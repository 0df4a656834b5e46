"""SQL as text: what SQLAlchemy passes on as it is, and what stands outside of quotes."""

from __future__ import annotations

import re

from sqlalchemy import Compiled

__all__ = ["blanked", "compiled_text", "without_parameters"]

# What SQLAlchemy's text() takes for a parameter.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")
_QUOTED_WITH_ESCAPES = re.compile(r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`(?:[^`]|``)*`""")
_INNERMOST = re.compile(r"\([^()]*\)")


def without_parameters(sql: str) -> str:
    """Return a statement whose colons `op.execute` leaves alone."""
    return _PARAMETER.sub(r"\\:", sql)


def compiled_text(compiled: Compiled) -> str:
    """Return a compiled statement without parameters, as text to be compiled once more."""
    sql = str(compiled)
    if compiled.dialect.paramstyle in {"format", "pyformat"}:
        sql = sql.replace("%%", "%")
    return without_parameters(sql)


def blanked(sql: str, *, has_escapes: bool) -> str:
    """Return text of the same length with `q` for each quoted part and `p` for parentheses.

    Args:
        sql: An expression, or a line of a statement.
        has_escapes: Whether a backslash escapes in quotes, as on MySQL and MariaDB.
    """
    quoted = _QUOTED_WITH_ESCAPES if has_escapes else _QUOTED
    sql, is_found = quoted.sub(lambda found: "q" * len(found[0]), sql), 1
    while is_found:
        sql, is_found = _INNERMOST.subn(lambda found: "p" * len(found[0]), sql)
    return sql
