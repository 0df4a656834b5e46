"""PostgreSQL; and CockroachDB, which speaks its protocol and is like any other in the rest."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Dialect, collate, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from ormolu.backends._conversions import Conversion
from ormolu.backends._defaults import is_constant
from ormolu.backends._exact_casts import ExactPostgreSQLCasts
from ormolu.backends._exact_enumerations import ExactEnumerations
from ormolu.backends._exact_json import ExactPostgreSQLMembers
from ormolu.backends._exact_text import compile_exactly
from ormolu.backends._exact_truths import ExactTruths
from ormolu.backends._generic import QUIET, Backend, Exact, Unreadiness
from ormolu.backends._json_paths import quote_names
from ormolu.backends._offsets import send_in_utc
from ormolu.backends._patterns import ESCAPE, escaped, like
from ormolu.backends._postgresql_casts import cast
from ormolu.backends._traces import is_quiet

__all__ = ["COCKROACHDB", "POSTGRESQL"]

_QUIET = rf"{QUIET}|LOCK|NOTIFY|SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)"

# A setting that ends with its transaction.
_LOCAL = r"\bset_config\s*\([^()]*,\s*true\s*\)"

# What `reset` cannot take off: a name for a statement (the drivers have theirs), a library.
_STAYS = re.compile(r"\s*(?:PREPARE|LOAD)\b|.*;\s*\S", re.IGNORECASE | re.DOTALL)

# DISCARD ALL without its DEALLOCATE: the drivers know the names of their prepared statements.
# RESET restores what the connection was opened with, such as our limits.
_RESET = (
    "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; "
    "SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)

_READ_ONLY = "default_transaction_read_only"

_LOCK_KEY = 0x6F726D6F6C75  # "ormolu"
_MIGRATION_KEY = _LOCK_KEY + 1


class _Exact(ExactTruths, ExactEnumerations, ExactPostgreSQLCasts, ExactPostgreSQLMembers):
    pass


class _PostgreSQL(Backend):
    title: ClassVar[str | None] = "PostgreSQL"
    driver: ClassVar[str | None] = "postgresql+asyncpg"
    has_read_only_sessions = True
    read_options: ClassVar[Mapping[str, Any]] = {"postgresql_readonly": True}
    read_only_setting: ClassVar[str | None] = _READ_ONLY
    has_system_columns = True
    missing_types: ClassVar[Mapping[str, str]] = {
        "BINARY": "LargeBinary", "BLOB": "LargeBinary", "DATETIME": "DateTime",
        "DOUBLE": "Double", "NVARCHAR": "Unicode", "VARBINARY": "LargeBinary",
    }  # fmt: skip
    keeps_offsets = True
    has_booleans = True
    has_arrays = True
    keeps_nul = False
    keeps_infinity = True
    fills_char = True
    looks_into_documents = True
    nulls_are_largest = True
    has_exact_equality = True
    measures_text_alone = True
    answers_lost_commits = True
    checks_rows_of_a_batch = True
    estimates_counts = True
    has_undecodable_values = True
    has_enumeration_types = True
    computed_columns_hold_types = True
    numbers_by_sequences = True
    how_to_convert = 'Write it as postgresql_using="..." of the change that follows.'
    levels_that_keep_updates: ClassVar[Sequence[str]] = ("REPEATABLE READ", "SERIALIZABLE")
    shows_locks = True
    # Not what is flushed: with synchronous_commit=off a COMMIT is answered before.
    written_question: ClassVar[str | None] = (
        "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text"
    )
    replayed_question: ClassVar[str | None] = (
        "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::text"
    )

    def prepare(self, dialect: Dialect) -> None:
        compile_exactly(dialect, _Exact)
        # It compares times of one moment by their offsets.
        send_in_utc(dialect, (sa.Time,))
        if dialect.driver == "psycopg":
            # asyncpg sends a list.
            quote_names(dialect)

    def settings(self, lock_timeout: float, *, is_reader: bool) -> Mapping[str, str]:
        settings = {"lock_timeout": f"{round(lock_timeout * 1000)}"}
        return {**settings, _READ_ONLY: "on"} if is_reader else settings

    def conversion(self, old: str, new: str, column: str, made: str) -> Conversion:
        return cast(old, new, column, made)

    def rewrites_default(self, sql: str) -> bool:
        # Of 4 for INTEGER it makes '4'::bigint, or 4, as the type has come.
        return is_constant(sql)

    def leaves_no_trace(self, sql: str) -> bool:
        return is_quiet(sql, _QUIET, _LOCAL)

    def reset_after(self, sql: str) -> str | None:
        return _RESET if _STAYS.match(sql) is None else None

    async def why_not_ready(self, connection: AsyncConnection) -> Unreadiness | None:
        # A standby says so too.
        is_read_only = await connection.scalar(text("SHOW transaction_read_only")) == "on"
        return "read_only" if is_read_only else None

    @asynccontextmanager
    async def creation_lock(
        self, connection: AsyncConnection, timeout: float
    ) -> AsyncIterator[None]:
        await connection.execute(text(f"SET LOCAL lock_timeout = {round(timeout * 1000)}"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        yield

    @asynccontextmanager
    async def migration_lock(self, engine: AsyncEngine) -> AsyncIterator[bool]:
        # Of a transaction: behind a pooler a session is not one's own.
        async with engine.connect() as connection:
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            take = text("SELECT pg_try_advisory_xact_lock(:key)")
            yield bool(await connection.scalar(take, {"key": _MIGRATION_KEY}))

    def enumerations(self, connection: Connection) -> Mapping[str, Sequence[str]]:
        inspector: Any = sa.inspect(connection)
        preparer: Any = connection.dialect.identifier_preparer
        found = {}
        for each in inspector.get_enums(schema="*"):
            schema = "" if each["visible"] else f"{preparer.quote_schema(each['schema'])}."
            found[f"{schema}{preparer.quote(each['name'])}"] = each["labels"]
        return found

    def how_to_add_schema(self, quoted: str) -> str:
        return f"The database does not have it. Run: CREATE SCHEMA {quoted}"

    def integer_bits(self, type_: TypeEngine[Any]) -> int:
        if isinstance(type_, sa.BigInteger):
            return 63
        return 15 if isinstance(type_, sa.SmallInteger) else 31

    def single_precision(self, type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
        return sa.REAL() if isinstance(type_, sa.REAL) else None

    def by_code_points(self, text: Any, dialect: Dialect) -> Any:
        del dialect
        return collate(text, "C")

    def matches(
        self, text: Any, pieces: Sequence[str], exact: Exact, *, ignore_case: bool
    ) -> ColumnElement[bool]:
        del exact
        pattern = escaped(pieces)
        if ignore_case:
            return text.ilike(pattern, escape=ESCAPE)  # type: ignore[no-any-return]
        return like(text, pattern)


class _CockroachDB(Backend):
    driver = "cockroachdb+asyncpg"
    answers_lost_commits = True


COCKROACHDB = _CockroachDB()
POSTGRESQL = _PostgreSQL()
