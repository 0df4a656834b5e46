"""What a statement is to a transaction: a read, a write, or a word about the transaction itself.

Looks at the first word only, and past the tables of a WITH; knows no connection.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

__all__ = ["Kind", "is_commit", "kind_of", "moves_syncs"]


class Kind(Enum):
    """What a statement asks of the transaction that it runs in."""

    READ = "read"
    WRITE = "write"
    BEGIN = "begin"
    SAVEPOINT = "savepoint"
    PARTIAL_END = "partial end"
    END = "end"
    OTHER = "other"


_KINDS = {
    **dict.fromkeys(("SELECT", "VALUES", "EXPLAIN"), Kind.READ),
    **dict.fromkeys(
        (
            "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER", "ANALYZE",
            "REINDEX",
        ),
        Kind.WRITE,
    ),
    "BEGIN": Kind.BEGIN,
    "SAVEPOINT": Kind.SAVEPOINT,
    "RELEASE": Kind.PARTIAL_END,
    **dict.fromkeys(("COMMIT", "END", "ROLLBACK"), Kind.END),
}  # fmt: skip

_BLANK = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))*"
_ROLLBACK_TO = re.compile(rf"{_BLANK}ROLLBACK(?:\s+TRANSACTION)?\s+TO\b", re.DOTALL | re.IGNORECASE)
_COMMIT = re.compile(rf"{_BLANK}(?:COMMIT|END)\b", re.DOTALL | re.IGNORECASE)
_FIRST_WORD = re.compile(rf"{_BLANK}(\w+)", re.DOTALL)

# Pragmas that read the schema or the rows; the others set something, many only outside of a
# transaction.
_READING_PRAGMA = re.compile(
    r"""\s+(?:\w+\.|"[^"]*"\.|\[[^\]]*\]\.)?
    (?:table_x?info|table_list|index_x?info|index_list|foreign_key_(?:list|check)|integrity_check
    |quick_check)\b""",
    re.IGNORECASE | re.VERBOSE,
)

# What makes a COMMIT sync other files, at other times.
_MOVES_SYNCS = re.compile(r"\b(?:ATTACH|journal_mode|locking_mode|synchronous)\b", re.IGNORECASE)

# Behind WITH: comments, quoted text and names, parentheses, words.
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[()]|\w+""",
    re.DOTALL,
)
# Characters of a statement that is cached; of longer ones there may be any number.
_LETTERS = 5000

_WITH_ENDS = {"SELECT", "VALUES", "INSERT", "UPDATE", "DELETE", "REPLACE"}


def kind_of(sql: str) -> Kind:
    """Return the kind of an SQL statement."""
    return _known_kind_of(sql) if len(sql) <= _LETTERS else _kind_of(sql)


@lru_cache(2000)
def _known_kind_of(sql: str) -> Kind:
    return _kind_of(sql)


def _kind_of(sql: str) -> Kind:
    found = _FIRST_WORD.match(sql)
    if found is None:
        return Kind.OTHER
    word = found[1].upper()
    if word == "WITH":
        word = _word_after_tables(sql, found.end())
    elif word == "PRAGMA" and _READING_PRAGMA.match(sql, found.end()):
        return Kind.READ
    elif word == "ROLLBACK" and _ROLLBACK_TO.match(sql):
        return Kind.PARTIAL_END
    return _KINDS.get(word, Kind.OTHER)


def moves_syncs(sql: str) -> bool:
    """Tell whether a statement of no other kind changes what a COMMIT syncs, and when."""
    return _MOVES_SYNCS.search(sql) is not None


def is_commit(sql: str) -> bool:
    """Tell whether a statement is COMMIT."""
    return _COMMIT.match(sql) is not None


def _word_after_tables(sql: str, start: int) -> str:
    depth = 0
    for token in _TOKEN.finditer(sql, start):
        text = token[0].upper()
        depth += {"(": 1, ")": -1}.get(text, 0)
        if depth == 0 and text in _WITH_ENDS:
            return text
    return ""
