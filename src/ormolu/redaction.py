"""What stays of a driver's error: the words that a developer needs, and no value of a row.

A text is kept where the server speaks of the statement (an unknown column, a syntax error), where
the program speaks (RAISE, SIGNAL), where Python does (a TypeError), and of DDL. All others are
replaced by what the error means; and what is kept must quote no parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError, StatementError

from ormolu.errors import OrmoluError
from ormolu.faults import Fault, Kind

__all__ = ["kept_words", "redact"]

# Kinds whose text quotes no value: what a server says of connections, locks and limits.
_OF_THE_SERVER: frozenset[Kind] = frozenset(
    {"busy", "database_unavailable", "overloaded", "pooler", "timeout"}
)

# Errors in the statement itself, or of where it stands (its transaction, cursors, sequences), by
# SQLSTATE. P0002 to P0004 are what a function of the program's expected.
_OF_STATEMENTS = (
    "0A", "21", "25", "2B", "34", "3B", "3F", "42", "55000", "P0002", "P0003", "P0004",
)  # fmt: skip
# By SQLite's name, and by those numbers of MySQL's whose text quotes names alone.
_OF_STATEMENTS_TOO = frozenset(
    {
        "SQLITE_ERROR", "1049", "1052", "1054", "1055", "1060", "1064", "1065", "1066", "1093",
        "1109", "1110", "1111", "1115", "1136", "1140", "1146", "1191", "1193", "1210", "1221",
        "1222", "1235", "1238", "1241", "1242", "1243", "1248", "1253", "1267", "1270", "1271",
        "1305", "1318", "1327", "1582", "1630", "4078", "4091", "4161",
    }
)  # fmt: skip

# Kinds whose text quotes values even of DDL, such as the first double of a new unique index.
_OF_ROWS: frozenset[Kind] = frozenset(
    {"exclusion_violation", "foreign_key_violation", "invalid_value", "unique_violation"}
)
_DDL = re.compile(r"\s*(?:ALTER|COMMENT|CREATE|DROP|GRANT|PRAGMA|REVOKE|TRUNCATE)\b", re.IGNORECASE)

# Of psycopg's texts, asyncpg's, and those of sqlite3 itself: what may quote a row.
_DETAILS = re.compile(
    r"\n(?:CONTEXT|DETAIL|QUERY): .*?(?=\n(?:CONTEXT|DETAIL|HINT|LOCATION|QUERY): |\Z)"
    r"|(?<=') with text '.*'\Z",
    re.DOTALL,
)
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'|`([^`]+)`")

_VALUE_ERRORS = (ArithmeticError, LookupError, ValueError)

# Attributes of asyncpg's errors, and fields of psycopg's, that repeat values.
_ATTRIBUTES = ("detail", "context", "internal_query")
_WORDS = ("hint", "message")
_FIELDS = frozenset({"MESSAGE_DETAIL", "CONTEXT", "INTERNAL_QUERY"})
_WORD_FIELDS = frozenset({"MESSAGE_PRIMARY", "MESSAGE_HINT"})


def kept_words(error: StatementError, fault: Fault) -> str | None:
    """Return what of an error's text may stand in a log; None where it may quote a value."""
    original = error.orig
    if original is None:
        return None
    text = _text_of(original)
    if isinstance(original, OrmoluError) or fault.kind in _OF_THE_SERVER:
        return text
    if fault.kind == "rejected":
        # What a trigger or a procedure says is the program's own word.
        return text
    if not _is_of_the_statement(error, fault) or _quotes(text, error):
        return None
    return text


def redact(error: StatementError, fault: Fault) -> None:
    """Replace the texts of an error and of its causes, or only their details if words are kept.

    PostgreSQL's DETAIL and MySQL's 1062 repeat the offending value, and a traceback that
    somebody logs would show it.
    """
    if isinstance(error.orig, OrmoluError):
        return
    if fault.words is not None:
        first, *others = (_DETAILS.sub("", str(each)) for each in error.args)
        advised = f"{first}\n{fault.advice}" if fault.advice else first
        error.args = (advised, *others)
    else:
        error.args = (f"({type(error.orig).__name__}) {fault}",)
    for cause in _causes(error.orig):
        _redact_cause(cause, fault)


def _redact_cause(cause: BaseException, fault: Fault) -> None:
    has_words = fault.words is not None
    number = cause.args[:1] if cause.args and isinstance(cause.args[0], int) else ()
    if has_words:
        rest = [_DETAILS.sub("", each) if isinstance(each, str) else each for each in cause.args]
        cause.args = tuple(rest)
    else:
        cause.args = (*number, str(fault))
    for name in _ATTRIBUTES if has_words else (*_ATTRIBUTES, *_WORDS):
        if getattr(cause, name, None) is not None:
            setattr(cause, name, None)
    if hasattr(cause, "diag"):
        _redact_report(cause, _FIELDS if has_words else _FIELDS | _WORD_FIELDS)


def _redact_report(cause: Any, fields: frozenset[str]) -> None:
    """Remove fields of the report that psycopg keeps; by its form for pickling, which has them."""
    state = cause.__reduce__()[2]
    report = state.get("_info")
    if isinstance(report, Mapping):
        state["_info"] = {key: each for key, each in report.items() if key.name not in fields}
        cause.__setstate__(state)


def _is_of_the_statement(error: StatementError, fault: Fault) -> bool:
    if not isinstance(error, DBAPIError):
        # Python's own, before anything was sent; a value error repeats the value.
        return not isinstance(error.orig, _VALUE_ERRORS)
    if fault.native is None:
        # What a driver says itself, without a statement: of the options that it connects with.
        return error.statement is None
    if fault.native.startswith(_OF_STATEMENTS) or fault.native in _OF_STATEMENTS_TOO:
        return True
    return _DDL.match(error.statement or "") is not None and fault.kind not in _OF_ROWS


def _quotes(text: str, error: StatementError) -> bool:
    """Tell whether a text repeats a parameter of its statement, or a part of one."""
    values = [each for each in _values_in(error.params) if each]
    if any(value in text for value in values if len(value) > 1):
        return True
    quoted = ["".join(found) for found in _QUOTED.findall(text)]
    return any(piece in value for piece in quoted for value in values)


def _values_in(params: Any) -> Iterator[str]:
    """Yield the texts among parameters, in whatever way a driver was given them."""
    if isinstance(params, str):
        yield params
    elif isinstance(params, bytes):
        yield params.decode("utf-8", "replace")
    elif isinstance(params, Mapping):
        yield from _values_in([*params.values()])
    elif isinstance(params, Iterable):
        for each in params:
            yield from _values_in(each)
    elif isinstance(params, (int, float)) and len(str(params)) > 3:
        yield str(params)


def _text_of(original: BaseException) -> str:
    """Return the text, without the class that SQLAlchemy's asyncpg puts before it."""
    arguments = original.args
    text = str(arguments[1] if len(arguments) > 1 and isinstance(arguments[0], int) else original)
    return _DETAILS.sub("", re.sub(r"\A<class '[\w.]+'>: ", "", text))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # Not __context__: that may be an exception of the user's own.
        error = error.__cause__
