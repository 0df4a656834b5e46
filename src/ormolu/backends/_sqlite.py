"""SQLite, whichever driver opens the file."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Inspector, Table, types
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import TypeEngine

from ormolu.backends._conversions import Conversion, TextSteps
from ormolu.backends._defaults import in_parentheses, is_in_parentheses
from ormolu.backends._exact_text import ExactLike, compile_exactly
from ormolu.backends._generic import Backend, Exact
from ormolu.backends._offsets import send_in_utc

__all__ = ["SQLITE"]

# Functions of SQLite leave nothing behind, and most of its statements do not either.
_SQLITE_LEAVES = re.compile(
    r"""(?:\s|--[^\n]*\n|/\*.*?\*/)*
    (?:ATTACH|DETACH|CREATE\s+TEMP|CREATE\s+\w+\s+(?:IF\s+NOT\s+EXISTS\s+)?["'`[]?temp["'`\]]?\s*\.
    |PRAGMA\s+(?:[\w"]+\.)?(?!(?:\w+_(?:x?info|list|check|checkpoint)|optimize)\b)\w+\s*[=(])""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)

# Types are hints: a value that is none of its column's stays as it is.
_CONVERSIONS = TextSteps(
    written={
        "boolean": "CASE {0} WHEN '1' THEN 'true' WHEN '0' THEN 'false' END",
        "uuid": "CASE length({0}) WHEN 32 THEN substr({0}, 1, 8) || '-' || substr({0}, 9, 4) "
        "|| '-' || substr({0}, 13, 4) || '-' || substr({0}, 17, 4) || '-' || substr({0}, 21) "
        "ELSE {0} END",
        "bytes": "CAST({0} AS TEXT)",
    },
    read={
        "boolean": "CASE WHEN lower({0}) IN ('true', 't', 'yes', 'y', 'on', '1') THEN 1 "
        "WHEN lower({0}) IN ('false', 'f', 'no', 'n', 'off', '0') THEN 0 ELSE {0} END",
        "date": "coalesce(date({0}), {0})",
        "uuid": "replace(lower({0}), '-', '')",
        "bytes": "CAST({0} AS BLOB)",
    },
    direct={
        ("integer", "boolean"): "{0} <> 0",
        ("number", "boolean"): "{0} <> 0",
        ("date", "moment"): "{0} || ' 00:00:00.000000'",
        ("moment", "date"): "date({0})",
        ("moment", "time"): "substr({0}, 12)",
    },
    quoted="json_quote({0})",
    unquoted="json_extract({0}, '$')",
    keeps_types=False,
)
_FITS = {
    "boolean": "{0} IN (0, 1)",
    "integer": "CAST({0} AS NUMERIC) = {0} AND ROUND({0}) = CAST({0} AS NUMERIC)",
    "number": "CAST({0} AS NUMERIC) = {0}",
    "date": "date({0}) IS NOT NULL",
    "moment": "datetime({0}) IS NOT NULL",
    "time": "time({0}) IS NOT NULL",
    "uuid": "length({0}) = 32 AND {0} NOT GLOB '*[^0-9a-f]*'",
    "json": "json_valid({0})",
}

_UNNUMBERED = (
    'Column "%s.%s" is %r in the database, and SQLite numbers rows only where it is '
    "INTEGER: an INSERT without it fails. Make the table anew, or write "
    "autoincrement=False and choose its values."
)
_UUID_AS_NUMBER = (
    'Column "%s.%s" is UUID in the database, which SQLite takes for a number: one in '
    "a million values becomes one. Migrate it to CHAR(32)."
)


class _SQLite(Backend):
    title = "SQLite"
    driver = "sqlite+ormolu"
    is_file = True
    numbers_parts_of_keys = False
    keeps_decimals = False
    # CURRENT_TIMESTAMP writes no microseconds, and decimals are binary.
    compares_as_stored = True
    has_text_moments = True
    sorts_in_memory = False
    sends_rows_singly = True
    locks_rows = False
    levels_that_keep_updates = ()
    numbers_rows_in_order = True
    counts_all_rows = False
    lanes_read_again = True
    writes_json = True
    returns_by_columns = True

    def prepare(self, dialect: Dialect) -> None:
        compile_exactly(dialect, ExactLike)
        send_in_utc(dialect, (types.DateTime, types.TIMESTAMP, types.Time))

    def written_default(
        self, inspector: Inspector, place: tuple[str | None, str], known: ReflectedColumn
    ) -> str | None:
        default = super().written_default(inspector, place, known)
        # It leaves the outermost parentheses out.
        return in_parentheses(default) if isinstance(default, str) else default

    def default_in_ddl(self, sql: str) -> str:
        return sql if is_in_parentheses(sql) else in_parentheses(sql)

    def conversion(self, old: str, new: str, column: str, made: str) -> Conversion:
        del made
        return _CONVERSIONS.conversion(old, new, column)

    def misfit(self, old: str, new: str, column: str) -> str | None:
        fits = _FITS.get(new)
        if fits is None or old == new or (old, new) == ("number", "integer"):
            return None
        return f"{column} IS NOT NULL AND NOT ({fits.format(column)})"

    def leaves_no_trace(self, sql: str) -> bool:
        return _SQLITE_LEAVES.match(sql) is None

    @asynccontextmanager
    async def migration_lock(self, engine: AsyncEngine) -> AsyncIterator[bool]:
        # The migration needs the lock of the file itself, so this is one of a file beside it.
        async with engine.connect() as connection:
            files = await connection.exec_driver_sql("PRAGMA database_list")
            path = files.scalars("file").first()
        with closing(sqlite3.connect(f"{path}-migrating", timeout=0)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                yield False
            else:
                yield True

    def hold_references(self, connection: Connection) -> Callable[[], None]:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys=0")
        cursor.close()
        before = _violations(connection)

        def check() -> None:
            for child, parent in _violations(connection) - before:
                message = f"The migration leaves rows of {child} that refer to no row of {parent}."
                raise IntegrityError(None, None, ValueError(message))

        return check

    def warnings_of(
        self, table: Table, reflected: Sequence[ReflectedColumn]
    ) -> Iterator[tuple[str, tuple[object, ...]]]:
        found = {column["name"]: column["type"] for column in reflected}
        counted = table.autoincrement_column
        kind = None if counted is None else found.get(counted.name)
        if counted is not None and kind is not None and not isinstance(kind, types.INTEGER):
            yield _UNNUMBERED, (table.fullname, counted.name, kind)
        for column in table.columns:
            if self.is_stored_otherwise(column.type, found.get(column.name)):
                yield _UUID_AS_NUMBER, (table.fullname, column.name)

    def is_stored_otherwise(self, mapped: TypeEngine[Any], found: TypeEngine[Any] | None) -> bool:
        # UUID is no type to SQLite, which takes its name for one of a number.
        return isinstance(mapped, types.UUID) and type(found) is types.NUMERIC

    def how_to_add_schema(self, quoted: str) -> str:
        del quoted
        return "SQLite has no schemas: leave it out of __table_args__ there, or ATTACH a file."

    def matches(
        self, text: Any, pieces: Sequence[str], exact: Exact, *, ignore_case: bool
    ) -> ColumnElement[bool]:
        if ignore_case:
            return super().matches(text, pieces, exact, ignore_case=True)
        # LIKE ignores the case of ASCII's letters.
        return text.op("GLOB", is_comparison=True)(_globbed(pieces))  # type: ignore[no-any-return]


def _violations(connection: Connection) -> Counter[tuple[str, str]]:
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return Counter((row[0], row[2]) for row in rows)


def _globbed(pieces: Sequence[str]) -> str:
    wild = {"%": "*", "_": "?"}
    return "".join(wild.get(piece) or _unglobbed(piece[-1]) for piece in pieces)


def _unglobbed(letter: str) -> str:
    return f"[{letter}]" if letter in "*?[" else letter


SQLITE = _SQLite()
