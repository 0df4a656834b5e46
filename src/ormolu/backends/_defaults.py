"""Server defaults as SQLite and MySQL have them, beyond what SQLAlchemy reads."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Inspector, text

__all__ = ["in_parentheses", "is_constant", "is_in_parentheses", "read_defaults"]

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")
_QUOTED_WITH_ESCAPES = re.compile(r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`(?:[^`]|``)*`""")
_INNERMOST = re.compile(r"\([^()]*\)")
_NUMBER = re.compile(r"[-+]?[\d.]+")

# The name of a type after `::`, with its digits, and of an array.
_CAST = re.compile(r"::(?:q|[\w. ]+)(?:\([\d, ]+\))?(?:\[\])*")
_CONSTANT = re.compile(r"[()q\d.+\-\s]+|\(*(?:true|false)\)*")

# Of a column's line, without what stands in quotes and parentheses.
_DEFAULT = re.compile(r" DEFAULT (\S+(?: ON UPDATE \S+)?)")
_NAME = re.compile(r"  `((?:[^`]|``)+)` ")


def _is_expression(default: str) -> bool:
    """Tell whether a default of SQLite's is more than a text or a number."""
    return set(_blanked(default, _QUOTED)) != {"q"} and not _NUMBER.fullmatch(default)


def is_in_parentheses(default: str) -> bool:
    """Tell whether one pair of parentheses is around a whole expression of SQLite's."""
    return set(_blanked(default, _QUOTED)) == {"p"}


def in_parentheses(default: str) -> str:
    """Return a default of SQLite's as DDL has to write it."""
    return f"({default})" if _is_expression(default) else default


def is_constant(default: str) -> bool:
    """Tell whether a default of PostgreSQL's is a value with casts, and calls nothing."""
    unquoted = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "q", default)
    return _CONSTANT.fullmatch(_CAST.sub("", unquoted)) is not None


def read_defaults(inspector: Inspector, table: str, schema: str | None) -> dict[str, str | None]:
    """Return the defaults of a table of MySQL's by column, as `SHOW CREATE TABLE` writes them.

    SQLAlchemy reads no call with a text in it, and cuts what has parentheses in parentheses.
    """
    preparer = inspector.dialect.identifier_preparer
    name = ".".join(preparer.quote_identifier(each) for each in (schema, table) if each)
    bind: Any = inspector.bind
    statement = bind.execute(text(f"SHOW CREATE TABLE {name}")).one()[1]
    found: dict[str, str | None] = {}
    for line in statement.split("\n"):
        column = _NAME.match(line)
        if column is not None:
            place = _DEFAULT.search(_blanked(line.rstrip(","), _QUOTED_WITH_ESCAPES))
            default = None if place is None else line[slice(*place.span(1))]
            found[column[1].replace("``", "`")] = None if default == "NULL" else default
    return found


def _blanked(sql: str, quoted: re.Pattern[str]) -> str:
    """Return text of the same length with `q` for each quoted part and `p` for parentheses."""
    sql, is_found = quoted.sub(lambda found: "q" * len(found[0]), sql), 1
    while is_found:
        sql, is_found = _INNERMOST.subn(lambda found: "p" * len(found[0]), sql)
    return sql
