"""What holds for any database that has no file of its own here.

Each backend is a subclass that says what is different. A value is a class attribute; a method is
where SQL has to be written, or a type to be looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Dialect, Inspector, Table, func
from sqlalchemy.engine.interfaces import DBAPIConnection, ReflectedColumn
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from ormolu.backends._conversions import Conversion, kind_of
from ormolu.backends._patterns import escaped, like
from ormolu.backends._traces import is_quiet

__all__ = ["QUIET", "Backend", "Exact", "Unreadiness"]

Unreadiness = Literal[
    "unreachable", "read_only", "cluster_not_ready", "disk_full", "file_gone", "file_replaced"
]

Exact = Callable[[Any], Any]

# First words of statements whose effect ends with the transaction, or is stored.
QUIET = r"SAVEPOINT|RELEASE|ROLLBACK|SHOW|ALTER|DROP|TRUNCATE|CREATE(?!.*\bTEMP)"


class Backend:
    """What a database does in its own way.

    Attributes:
        title: Its name in messages; None for the dialect's name.
        driver: The dialect and driver that a URL without a driver means; None for SQLAlchemy's.
        has_read_only_sessions: Whether a setting makes a connection read only, so that reads need
            no transaction.
        is_file: Whether it is a file, and no server that may be silent.
        read_options: Execution options of transactions that only read.
        read_only_setting: The setting that tells whether a connection is read only, for one that a
            pooler may drop; None if there is none.
        client_character_sets: The sets in which statements may come, since no byte of a letter in
            them is a quote or a backslash; empty if nobody chooses a set.
        has_system_columns: Whether tables have columns that no model makes, such as PostgreSQL's
            `xmin`.
        quotes_text_doubly: Whether what is in double quotes may be a text, and no name.
        has_long_keys: Whether text of any length may be a primary key.
        numbers_parts_of_keys: Whether it numbers one column of a key of several.
        missing_types: Standard types that it lacks though SQLAlchemy writes them, with what to
            write.
        moment_type: How an instant is stored.
        keeps_offsets: Whether a moment with an offset is read back with one.
        has_booleans: Whether truth values are no numbers.
        has_arrays: Whether a list of keys can be one parameter, as an array.
        keeps_decimals: Whether decimals keep all their digits.
        keeps_nul: Whether text may have a NUL.
        keeps_infinity: Whether numbers may be infinite, or NaN.
        fills_char: Whether text of a CHAR is filled up with blanks to its length.
        looks_into_documents: Whether it compares parts of lists and documents.
        nulls_are_largest: Whether it sorts NULL behind all values, where it is not told.
        compares_as_stored: Whether values compare by what is stored, whatever their type.
        has_text_moments: Whether moments are stored as text.
        has_exact_equality: Whether `=` of texts is exact, in any collation.
        sorts_by_beginning: Whether it sorts text by its first characters alone.
        sorts_in_memory: Whether sorting rows does not write all their values into a file.
        sends_rows_singly: Whether rows are counted one by one when they are read, so that the
            server need not add up their bytes.
        measures_text_alone: Whether only text and bytes have a length in bytes.
        answers_lost_commits: Whether COMMIT of a transaction that has failed looks like a success.
        rolled_back_by: Codes of errors that end the whole transaction.
        locks_rows: Whether writers wait for each other's rows, not for the file.
        checks_rows_of_a_batch: Whether a statement has to fail for a row that may not be written.
        estimates_counts: Whether the planner tells how many rows there are about.
        numbers_rows_in_order: Whether rows of one INSERT are numbered in their order.
        counts_all_rows: Whether the driver counts the rows of a write that begins with WITH.
        reads_latest_by_lock: Whether only a locking read sees what was committed meanwhile.
        locks_gaps: Whether a write that finds no row locks the place where it would be.
        lanes_read_again: Whether a lane can read a row in the transaction that has written it.
        writes_json: Whether it writes JSON of a row as we would.
        has_undecodable_values: Whether it stores values that Python cannot have.
        returns_by_columns: Whether RETURNING has to be judged column by column.
        has_transactional_ddl: Whether CREATE and ALTER are undone with their transaction.
        keys_need_indexes: Whether an index stays while a foreign key of its columns does.
        has_enumeration_types: Whether enumerations are types of their own.
        computed_columns_hold_types: Whether a column keeps its type while one is computed of it.
        numbers_anew: Whether a column that is altered has to say again that it numbers rows.
        numbers_by_sequences: Whether numbers of rows come from a sequence with a type of its own.
        how_to_convert: What a revision has to say of values that mean nothing in their new type.
        levels_that_keep_updates: Isolation levels that refuse to change a row which another
            transaction has changed since it was read; empty where all do.
        shows_locks: Whether it tells which locks a statement takes on tables, by their modes.
        written_question: What asks a primary how far its log is; None if it has no replicas that
            can be read from.
        replayed_question: What asks a replica how far it has replayed that.
    """

    title: ClassVar[str | None] = None
    driver: ClassVar[str | None] = None
    has_read_only_sessions: ClassVar[bool] = False
    is_file: ClassVar[bool] = False
    read_options: ClassVar[Mapping[str, Any]] = {}
    read_only_setting: ClassVar[str | None] = None
    client_character_sets: ClassVar[frozenset[str]] = frozenset()
    has_system_columns: ClassVar[bool] = False
    quotes_text_doubly: ClassVar[bool] = False
    has_long_keys: ClassVar[bool] = True
    numbers_parts_of_keys: ClassVar[bool] = True
    missing_types: ClassVar[Mapping[str, str]] = {}
    moment_type: ClassVar[TypeEngine[Any]] = sa.DateTime(timezone=True)
    keeps_offsets: ClassVar[bool] = False
    has_booleans: ClassVar[bool] = False
    has_arrays: ClassVar[bool] = False
    keeps_decimals: ClassVar[bool] = True
    keeps_nul: ClassVar[bool] = True
    keeps_infinity: ClassVar[bool] = False
    fills_char: ClassVar[bool] = False
    looks_into_documents: ClassVar[bool] = False
    nulls_are_largest: ClassVar[bool] = False
    compares_as_stored: ClassVar[bool] = False
    has_text_moments: ClassVar[bool] = False
    has_exact_equality: ClassVar[bool] = False
    sorts_by_beginning: ClassVar[bool] = False
    sorts_in_memory: ClassVar[bool] = True
    sends_rows_singly: ClassVar[bool] = False
    measures_text_alone: ClassVar[bool] = False
    answers_lost_commits: ClassVar[bool] = False
    rolled_back_by: ClassVar[frozenset[str]] = frozenset()
    locks_rows: ClassVar[bool] = True
    checks_rows_of_a_batch: ClassVar[bool] = False
    estimates_counts: ClassVar[bool] = False
    numbers_rows_in_order: ClassVar[bool] = False
    counts_all_rows: ClassVar[bool] = True
    reads_latest_by_lock: ClassVar[bool] = False
    locks_gaps: ClassVar[bool] = False
    lanes_read_again: ClassVar[bool] = False
    writes_json: ClassVar[bool] = False
    has_undecodable_values: ClassVar[bool] = False
    returns_by_columns: ClassVar[bool] = False
    has_transactional_ddl: ClassVar[bool] = True
    keys_need_indexes: ClassVar[bool] = False
    has_enumeration_types: ClassVar[bool] = False
    computed_columns_hold_types: ClassVar[bool] = False
    numbers_anew: ClassVar[bool] = False
    numbers_by_sequences: ClassVar[bool] = False
    how_to_convert: ClassVar[str] = (
        "In place of what follows, add a column of the new type, fill it by an UPDATE, and drop "
        "the old one."
    )
    levels_that_keep_updates: ClassVar[Sequence[str]] = ("SERIALIZABLE",)
    shows_locks: ClassVar[bool] = False
    written_question: ClassVar[str | None] = None
    replayed_question: ClassVar[str | None] = None

    def read_place(self, answer: str) -> Mapping[int, int]:
        """Return how far each branch of the log is, by the answer to one of these questions."""
        return {0: int(answer)}

    def is_fit(self, connection: DBAPIConnection, *, is_writer: bool) -> bool:
        """Tell whether a new connection leads to a server that does what it is for.

        Asked where the URL has several hosts, and the driver does not know them.
        """
        return True

    def prepare(self, dialect: Dialect) -> None:
        """Give an engine's dialect, which is that engine's own, what it lacks."""

    def settings(self, lock_timeout: float, *, is_reader: bool) -> Mapping[str, str]:
        """Return the settings that a connection is opened with."""
        del lock_timeout, is_reader
        return {}

    def session_statements(self, lock_timeout: float, *, is_reader: bool) -> Sequence[str]:
        """Return what a new connection is told that no argument of the driver's tells it."""
        del lock_timeout, is_reader
        return ()

    def leaves_no_trace(self, sql: str) -> bool:
        """Tell whether a statement leaves nothing on its connection beyond its transaction."""
        return is_quiet(sql, QUIET, None)

    def reset_after(self, sql: str) -> str | None:
        """Return what takes off all that a statement has left; None if only closing does."""
        del sql
        return None

    async def why_not_ready(self, connection: AsyncConnection) -> Unreadiness | None:
        """Return why a server that answers cannot write, as it says itself; None if it can."""
        del connection
        return None

    @asynccontextmanager
    async def creation_lock(
        self, connection: AsyncConnection, timeout: float
    ) -> AsyncIterator[None]:
        """Hold the lock under which one worker alone creates tables; none here."""
        del connection, timeout
        yield

    @asynccontextmanager
    async def migration_lock(self, engine: AsyncEngine) -> AsyncIterator[bool]:
        """Try to take the lock under which one process alone migrates, and tell whether it is held.

        Nobody waits for it: a statement that waits would keep a snapshot, for which CREATE INDEX
        CONCURRENTLY waits in turn. It ends with the process that holds it.
        """
        del engine
        yield True

    def how_to_end(self, driver: Any) -> str | None:
        """Return what ends, from another connection, all that one of the driver's runs.

        Returns:
            None if the driver sees to it when a statement is cancelled.
        """
        del driver
        return None

    def enumerations(self, connection: Connection) -> Mapping[str, Sequence[str]] | None:
        """Return the values of the enumerations that are types; None where none of them is.

        Args:
            connection: To the database.

        Returns:
            By their names as SQL has them, with their schema where it is not on the search path.
        """
        del connection
        return None

    def hold_references(self, connection: Connection) -> Callable[[], None]:
        """Hold foreign keys off while tables are migrated, where that copies them.

        Args:
            connection: One that has not begun.

        Returns:
            What fails if there are rows since whose foreign key leads nowhere.
        """
        del connection
        return lambda: None

    def warnings_of(
        self, table: Table, reflected: Sequence[ReflectedColumn]
    ) -> Iterator[tuple[str, tuple[object, ...]]]:
        """Yield what a table that others made cannot do, as log messages and their arguments."""
        del table, reflected
        yield from ()

    def is_stored_otherwise(self, mapped: TypeEngine[Any], found: TypeEngine[Any] | None) -> bool:
        """Tell whether SQLAlchemy's DDL for a type makes a column of this quite other type."""
        del mapped, found
        return False

    def is_made_of(self, found: TypeEngine[Any], mapped: TypeEngine[Any]) -> bool:
        """Tell whether a column of this quite other type is what DDL for a type makes."""
        del found, mapped
        return False

    def kind_of(self, type_: TypeEngine[Any], dialect: Dialect) -> str | None:
        """Return which kind of values is stored for a type, None if that is not known."""
        return kind_of(type_, dialect, keeps_offsets=self.keeps_offsets)

    def conversion(self, old: str, new: str, column: str, made: str) -> Conversion:
        """Return how values of a column get from a kind to another one.

        Args:
            old: The kind.
            new: The other one, as which they mean something.
            column: The column, in quotes.
            made: The new type, as DDL has it.
        """
        del old, new, column, made
        return Conversion()

    def misfit(self, old: str, new: str, column: str) -> str | None:
        """Return what tells, as SQL, that a value is none of another kind.

        None where ALTER does so itself.
        """
        del old, new, column
        return None

    def written_default(
        self, inspector: Inspector, place: tuple[str | None, str], known: ReflectedColumn
    ) -> str | None:
        """Return the server default of a column as DDL would have to write it.

        Args:
            inspector: Of the database.
            place: The schema and the name of the table.
            known: What SQLAlchemy has read of the column.
        """
        del inspector, place
        return known.get("default")

    def commits_at_once(self, sql: str) -> bool:
        """Tell whether a statement certainly commits its transaction, itself included."""
        del sql
        return False

    def rewrites_default(self, sql: str) -> bool:
        """Tell whether a default is a constant that a change of type writes in other words."""
        del sql
        return False

    def default_in_ddl(self, sql: str) -> str:
        """Return an expression as DDL has to write it as a default."""
        return sql

    def how_to_add_schema(self, quoted: str) -> str:
        """Say what to do about a schema that is not there."""
        return f"The database does not have it. Run: CREATE DATABASE {quoted}"

    def integer_bits(self, type_: TypeEngine[Any]) -> int:
        """Return the bits of the largest whole number of a type, as far as UNSIGNED goes."""
        del type_
        return 64

    def single_precision(self, type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
        """Return the number of four bytes that a type is; None if it is another."""
        del type_
        return None

    def by_code_points(self, text: Any, dialect: Dialect) -> Any:
        """Return text so that it compares by its code points, and so exactly."""
        del dialect
        return text

    def matches(
        self, text: Any, pieces: Sequence[str], exact: Exact, *, ignore_case: bool
    ) -> ColumnElement[bool]:
        """Return whether text matches a pattern.

        Args:
            text: Of no decorator.
            pieces: Of the pattern, see `pieces_of`.
            exact: Makes text compare exactly, unless it has a collation of its own.
            ignore_case: Whether letters match in any case, as far as the database knows them.
        """
        pattern: Any = escaped(pieces)
        if ignore_case:
            text, pattern = func.lower(text, type_=text.type), func.lower(pattern)
        return like(exact(text), pattern)
