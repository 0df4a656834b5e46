"""MySQL and MariaDB."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import NoneType
from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    DateTime,
    Dialect,
    Inspector,
    LargeBinary,
    Text,
    Time,
    cast,
    collate,
    text,
    type_coerce,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import DBAPIConnection, ReflectedColumn
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from ormolu.backends._conversions import Conversion, TextSteps
from ormolu.backends._defaults import read_defaults
from ormolu.backends._exact_text import ExactComparisons, compile_exactly
from ormolu.backends._generic import Backend, Unreadiness
from ormolu.backends._mysql_ddl import complete_ddl
from ormolu.backends._offsets import send_in_utc

__all__ = ["MARIADB", "MYSQL", "is_short_float"]

# Of a FLOAT with more, MySQL makes a DOUBLE.
_SHORT_BITS = 24

_LOCK_NAME = "ormolu:create"

# Of the server, and of the connection's transactions, for which MySQL has a newer name. MariaDB
# without a cluster has no provider, and is not `wsrep_ready` either.
_SETTINGS = (
    "SHOW VARIABLES WHERE Variable_name IN "
    "('read_only', 'tx_read_only', 'transaction_read_only', 'wsrep_provider')"
)

# Of the server alone, for a connection whose own settings have not been made yet.
_STATE = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'wsrep_provider')"

# All other DDL is of users and of plugins, which no revision should need.
_COMMITTING = re.compile(
    r"\s*(?:CREATE(?!\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b)|DROP(?!\s+TEMPORARY\b)|ALTER|RENAME|TRUNCATE)\b",
    re.IGNORECASE,
)

_SIZES = (2**8 - 1, 2**16 - 1, 2**24 - 1, 2**32 - 1)
_BLOBS = ("TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB")
_TEXTS = ("TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT")
_CONVERSIONS = TextSteps(
    written={
        "boolean": "CASE {0} WHEN '1' THEN 'true' WHEN '0' THEN 'false' END",
        # MySQL has no type for it, and keeps its digits.
        "uuid": "IF(CHAR_LENGTH({0}) = 32, INSERT(INSERT(INSERT(INSERT("
        "{0}, 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'), {0})",
    },
    read={
        "boolean": "CASE WHEN LOWER({0}) IN ('true', 't', 'yes', 'y', 'on', '1') THEN '1' "
        "WHEN LOWER({0}) IN ('false', 'f', 'no', 'n', 'off', '0') THEN '0' ELSE {0} END",
        "uuid": "REPLACE({0}, '-', '')",
    },
    direct={("integer", "boolean"): "{0} <> 0", ("number", "boolean"): "{0} <> 0"},
    quoted="JSON_QUOTE({0})",
    # What is JSON's null is NULL.
    unquoted="NULLIF(JSON_UNQUOTE({0}), 'null')",
    keeps_types=True,
)

_MOMENTS = (DateTime, TIMESTAMP, Time, mysql.DATETIME, mysql.TIMESTAMP)

# Of utf8mb4.
_BYTES_OF_CHARACTER = 4


def is_short_float(type_: TypeEngine[Any]) -> bool:
    """Tell whether MySQL has a number of four bytes for a type."""
    precision = getattr(type_, "precision", None)
    return isinstance(type_, mysql.FLOAT) and (precision is None or precision <= _SHORT_BITS)


class _ExactComparisons(ExactComparisons):
    def by_code_points(self, text: Any) -> Any:
        return MYSQL.by_code_points(text, self.dialect)


class _MySQL(Backend):
    title = "MySQL"
    driver = "mysql+asyncmy"
    has_read_only_sessions = True
    quotes_text_doubly = True
    has_long_keys = False
    has_transactional_ddl = False
    keys_need_indexes = True
    numbers_anew = True
    # Its DATETIME keeps no microseconds unless it is asked for them.
    moment_type = mysql.DATETIME(fsp=6)
    sorts_by_beginning = True
    # With a deadlock InnoDB rolls the whole transaction back; Galera calls its conflicts so too.
    rolled_back_by = frozenset({"1213"})
    client_character_sets = frozenset({"ascii", "latin1", "utf8", "utf8mb3", "utf8mb4"})
    reads_latest_by_lock = True
    locks_gaps = True

    def prepare(self, dialect: Dialect) -> None:
        complete_ddl(dialect)
        compile_exactly(dialect, _ExactComparisons)
        send_in_utc(dialect, _MOMENTS)

    def session_statements(self, lock_timeout: float, *, is_reader: bool) -> Sequence[str]:
        # The lock wait is in whole seconds, at least one.
        wait = max(1, round(lock_timeout))
        # A server that is not strict cuts what is too long, without a word. And asyncmy escapes
        # bytes by backslashes, whatever the mode says: a quote in them would end the literal.
        mode = (
            "sql_mode=CONCAT(REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''), "
            "',STRICT_TRANS_TABLES')"
        )
        # That of rows, and that of a table which another transaction has only read.
        locks = f"innodb_lock_wait_timeout={wait}, lock_wait_timeout={wait}"
        # A scan may take one row of an index for all that its collation calls equal, and MariaDB
        # keeps results of subqueries by values of the row around: what is exact within one would be
        # another row's. MySQL has no such cache, and reads a comment; the last SET counts.
        exact = (
            "optimizer_switch='loosescan=off' "
            "/*M!100000 , optimizer_switch='loosescan=off,subquery_cache=off' */"
        )
        statements = [f"SET time_zone='+00:00', {locks}, {mode}, {exact}"]
        return [*statements, *(["SET SESSION TRANSACTION READ ONLY"] if is_reader else [])]

    def is_fit(self, connection: DBAPIConnection, *, is_writer: bool) -> bool:
        # All that a node without its cluster answers is SHOW.
        cursor = connection.cursor()
        cursor.execute(_STATE)
        settings = dict(cursor.fetchall())
        states: Sequence[tuple[str, str]] = ()
        if settings.get("wsrep_provider", "none") not in {"", "none"}:
            cursor.execute("SHOW STATUS LIKE 'wsrep_ready'")
            states = cursor.fetchall()
        cursor.close()
        is_ready = all(value == "ON" for _, value in states)
        return is_ready and not (is_writer and settings.get("read_only") != "OFF")

    async def why_not_ready(self, connection: AsyncConnection) -> Unreadiness | None:
        # A node without its cluster answers SHOW, and hardly anything else.
        found = {each[0]: each[1] for each in await connection.execute(text(_SETTINGS))}
        if found.pop("wsrep_provider", "none") not in {"", "none"}:
            status = await connection.execute(text("SHOW STATUS LIKE 'wsrep_ready'"))
            if any(value != "ON" for _, value in status):
                return "cluster_not_ready"
        return "read_only" if any(value != "OFF" for value in found.values()) else None

    @asynccontextmanager
    async def creation_lock(
        self, connection: AsyncConnection, timeout: float
    ) -> AsyncIterator[None]:
        lock = {"name": _LOCK_NAME, "timeout": round(timeout)}
        await connection.execute(text("SELECT GET_LOCK(:name, :timeout)"), lock)
        try:
            yield
        finally:
            await connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})

    def is_made_of(self, found: TypeEngine[Any], mapped: TypeEngine[Any]) -> bool:
        # Of BLOB(n) and TEXT(n) it makes the smallest that has place for n.
        names = _BLOBS if isinstance(mapped, LargeBinary) else _TEXTS
        length = getattr(mapped, "length", None)
        if length is None or not isinstance(mapped, (LargeBinary, Text)):
            return False
        size = length if names is _BLOBS else length * _BYTES_OF_CHARACTER
        fitting = (name for name, most in zip(names, _SIZES, strict=True) if size <= most)
        return next(fitting, None) == found.__visit_name__

    def conversion(self, old: str, new: str, column: str, made: str) -> Conversion:
        del made
        return _CONVERSIONS.conversion(old, new, column)

    def how_to_end(self, driver: Any) -> str | None:
        identify = getattr(driver, "thread_id", None)
        # Its connection is about to be closed: nothing else is meant by the number.
        return None if identify is None else f"KILL {int(identify())}"

    def commits_at_once(self, sql: str) -> bool:
        return _COMMITTING.match(sql) is not None

    def written_default(
        self, inspector: Inspector, place: tuple[str | None, str], known: ReflectedColumn
    ) -> str | None:
        default = super().written_default(inspector, place, known)
        if not isinstance(default, (str, NoneType)):
            return default
        schema, table = place
        cache: dict[Any, Any] = inspector.info_cache
        key = ("ormolu.defaults", schema, table)
        if key not in cache:
            cache[key] = read_defaults(inspector, table, schema)
        read: str | None = cache[key].get(known["name"], default)
        return read

    @asynccontextmanager
    async def migration_lock(self, engine: AsyncEngine) -> AsyncIterator[bool]:
        # Names are those of the whole server, and 64 characters at most.
        name = "CONCAT('ormolu:migrate:', MD5(DATABASE()))"
        async with engine.connect() as connection:
            is_mine = await connection.scalar(text(f"SELECT GET_LOCK({name}, 0)"))
            await connection.commit()
            try:
                yield bool(is_mine)
            finally:
                await connection.execute(text(f"SELECT RELEASE_LOCK({name})"))

    def single_precision(self, type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
        return mysql.FLOAT() if is_short_float(type_) else None

    def by_code_points(self, text: Any, dialect: Dialect) -> Any:
        # Not by the title: a URL of MySQL may lead to MariaDB.
        is_mariadb = getattr(dialect, "is_mariadb", False)
        # The character set of the column, or of the database, may have none of these collations.
        unicode = type_coerce(cast(text, mysql.CHAR(charset="utf8mb4")), text.type)
        return collate(unicode, "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin")


class _MariaDB(_MySQL):
    title = "MariaDB"
    driver = "mariadb+asyncmy"
    written_question = "SELECT @@GLOBAL.gtid_current_pos"
    replayed_question = "SELECT @@GLOBAL.gtid_slave_pos"

    def read_place(self, answer: str) -> Mapping[int, int]:
        # Of each domain the last transaction, as "domain-server-number".
        each = (gtid.split("-") for gtid in answer.split(",") if gtid)
        return {int(domain): int(number) for domain, _, number in each}


MARIADB = _MariaDB()
MYSQL = _MySQL()
