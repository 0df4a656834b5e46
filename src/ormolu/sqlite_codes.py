"""What SQLite calls an error, whichever module raised it. Knows no driver.

Python's sqlite3 tells the name. Others tell less: pysqlite3 and sqlcipher3 have only the first byte
of the code, as `SQLITE_CONSTRAINT`, and some have no more than the text.
"""

from __future__ import annotations

__all__ = ["MOVED_FILE", "error_name", "error_name_by_text"]

MOVED_FILE = "SQLITE_READONLY_DBMOVED"

# The first byte of a code, https://sqlite.org/rescode.html, from 1 on.
_NAMES = (
    "ERROR", "INTERNAL", "PERM", "ABORT", "BUSY", "LOCKED", "NOMEM", "READONLY", "INTERRUPT",
    "IOERR", "CORRUPT", "NOTFOUND", "FULL", "CANTOPEN", "PROTOCOL", "EMPTY", "SCHEMA", "TOOBIG",
    "CONSTRAINT", "MISMATCH", "MISUSE", "NOLFS", "AUTH", "FORMAT", "RANGE", "NOTADB",
)  # fmt: skip

_CONSTRAINT = 19

# What the second byte adds to it. Python itself knows no name of the last one.
_CONSTRAINTS = {
    1: "CHECK", 2: "COMMITHOOK", 3: "FOREIGNKEY", 4: "FUNCTION", 5: "NOTNULL", 6: "PRIMARYKEY",
    7: "TRIGGER", 8: "UNIQUE", 9: "VTAB", 10: "ROWID", 11: "PINNED", 12: "DATATYPE",
}  # fmt: skip

# What SQLite's texts begin with, and the names.
_CONSTRAINT_TEXTS = {
    "UNIQUE constraint failed": "CONSTRAINT_UNIQUE",
    "NOT NULL constraint failed": "CONSTRAINT_NOTNULL",
    "CHECK constraint failed": "CONSTRAINT_CHECK",
    "FOREIGN KEY constraint failed": "CONSTRAINT_FOREIGNKEY",
    "cannot store ": "CONSTRAINT_DATATYPE",
    "constraint failed": "CONSTRAINT",
}
_TEXTS = {
    **_CONSTRAINT_TEXTS,
    "access to ": "AUTH",
    "attempt to write a readonly database": "READONLY",
    "database disk image is malformed": "CORRUPT",
    "database is locked": "BUSY",
    "database or disk is full": "FULL",
    "database schema has changed": "SCHEMA",
    "database schema is locked": "LOCKED",
    "database table is locked": "LOCKED",
    "datatype mismatch": "MISMATCH",
    "disk I/O error": "IOERR",
    "file is not a database": "NOTADB",
    "interrupted": "INTERRUPT",
    "locking protocol": "PROTOCOL",
    "not authorized": "AUTH",
    "out of memory": "NOMEM",
    "string or blob too big": "TOOBIG",
    "unable to open database file": "CANTOPEN",
}

# What modules say, as if SQLite did.
_OF_MODULES = "Could not decode to UTF-8"


def error_name(error: BaseException) -> str | None:
    """Return the name of an error, such as `SQLITE_CONSTRAINT_UNIQUE`; None if nothing tells it."""
    name, code = getattr(error, "sqlite_errorname", None), getattr(error, "sqlite_errorcode", None)
    is_known = isinstance(name, str) and name.startswith("SQLITE_")
    if not is_known and isinstance(code, int):
        name, is_known = _name_of(code), True
    if not is_known:
        return None
    if name != "SQLITE_CONSTRAINT":
        return str(name)
    # Any other text is a trigger's own; where there is no code, nobody knows.
    other = "CONSTRAINT" if code is None else "CONSTRAINT_TRIGGER"
    return _named(_CONSTRAINT_TEXTS, str(error), other)


def error_name_by_text(error: BaseException) -> str | None:
    """Return the name of an error of which nothing but its class and its text is there.

    None if the module has raised it by itself: SQLite knows nothing of that.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    if "IntegrityError" in names:
        return _named(_TEXTS, str(error), "CONSTRAINT_TRIGGER")
    is_its_own = "OperationalError" not in names or str(error).startswith(_OF_MODULES)
    return _named(_TEXTS, str(error), None if is_its_own else "ERROR")


def _name_of(code: int) -> str:
    first, second = code & 0xFF, code >> 8
    name = _NAMES[first - 1] if 0 < first <= len(_NAMES) else "ERROR"
    if first == _CONSTRAINT and second in _CONSTRAINTS:
        name = f"{name}_{_CONSTRAINTS[second]}"
    return f"SQLITE_{name}"


def _named(texts: dict[str, str], text: str, other: str | None) -> str | None:
    name = next((name for start, name in texts.items() if text.startswith(start)), other)
    return None if name is None else f"SQLITE_{name}"
