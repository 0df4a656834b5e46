"""What statements leave on their connection, and how it is taken off before the next one uses it.

A connection may be told to be something: a role, a tenant, a holder of a lock. The statements that
follow must not miss it, and another request must not find it. Only what passes SQLAlchemy is seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["bears_traces", "leaves_no_trace", "note_traces", "remove_traces"]

# Kept with the connection: whether `_RESET` takes off all that was left on it.
_TRACES = "ormolu_bears_traces"

# Letters of a statement whose judgement is kept; of longer ones there may be any number.
_LETTERS = 5000

_QUERY = re.compile(
    r"[\s(]*(?:SELECT|WITH|VALUES|EXPLAIN|INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.IGNORECASE
)

# What only ends with its transaction, or is stored. LOCAL means SESSION to MySQL.
_ALWAYS_QUIET = r"SAVEPOINT|RELEASE|ROLLBACK|SHOW|ALTER|DROP|TRUNCATE|CREATE(?!.*\bTEMP)"
_QUIET = {
    "mariadb": _ALWAYS_QUIET,
    "postgresql": rf"{_ALWAYS_QUIET}|LOCK|NOTIFY|SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)",
    "mysql": _ALWAYS_QUIET,
}

# What stands before an opening parenthesis: a name that is called, unless it is one of a table.
_CALL = re.compile(
    r"""\b(?:INTO|AS|RECURSIVE)\s+[\w.$"`\]]+\s*\(|([\w.$"`\]]*)\s*\(""", re.IGNORECASE
)
_LOCAL = re.compile(r"\bset_config\s*\([^()]*,\s*true\s*\)", re.IGNORECASE)

# Variables of MySQL and what it keeps of a query for the next one, and temporary tables.
_KEPT = re.compile(
    r"""@@?[\w'"`.$]|;\s*\S|\bSQL_CALC_FOUND_ROWS\b|\bINTO\s+(?:\w+\s+)?TEMP|\bpg_temp\b""",
    re.IGNORECASE,
)

# Functions of SQLite leave nothing, and most of its statements.
_SQLITE_LEAVES = re.compile(
    r"""(?:\s|--[^\n]*\n|/\*.*?\*/)*
    (?:ATTACH|DETACH|CREATE\s+TEMP|CREATE\s+\w+\s+(?:IF\s+NOT\s+EXISTS\s+)?["'`[]?temp["'`\]]?\s*\.
    |PRAGMA\s+(?:[\w"]+\.)?(?!(?:\w+_(?:x?info|list|check|checkpoint)|optimize)\b)\w+\s*[=(])""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)

# Words of the language, and functions that only compute; any other may do anything.
_PURE = """
all and any array as between by case check conflict distinct else except exists explain filter from
group in insert intersect into join key lateral like ilike limit materialized not offset on or order
over returning row select set some then union update using values when where with within bigint bit
char character decimal float integer interval numeric time timestamp varchar varying abs any_value
array_agg array_append array_cat array_length array_position array_remove avg bool_and bool_or
cardinality cast ceil ceiling char_length clock_timestamp coalesce concat concat_ws convert count
crypt cume_dist curdate current_setting current_timestamp date date_add date_format date_part
date_sub date_trunc datediff decode dense_rank digest encode every exp extract field first_value
floor format gen_random_uuid gen_salt greatest group_concat hex if ifnull json_agg json_array
json_arrayagg json_build_array json_build_object json_contains json_extract json_object
json_objectagg json_remove json_set json_unquote json_value jsonb_agg jsonb_array_elements
jsonb_array_length jsonb_build_array jsonb_build_object jsonb_object_agg jsonb_path_exists
jsonb_set jsonb_strip_nulls jsonb_typeof lag last_value lead least left length ln locate lower lpad
ltrim make_date make_interval max md5 min mod month nextval now ntile nullif octet_length
percent_rank pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_notify pg_sleep
pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared phraseto_tsquery plainto_tsquery position
power rand random rank regexp_replace repeat replace reverse right round row_number row_to_json rpad
rtrim setweight sha256 sign similarity sleep split_part sqrt stddev string_agg strpos substr
substring sum timestampdiff to_char to_date to_json to_jsonb to_timestamp to_tsquery to_tsvector
trim trunc ts_headline ts_rank unix_timestamp unnest upper utc_timestamp uuid uuid_generate_v4
uuidv4 uuidv7 variance websearch_to_tsquery word_similarity year
"""
_KNOWN = frozenset(_PURE.split())

# What `_RESET` cannot take off: a name for a statement (the drivers have theirs), a library.
_STAYS = re.compile(r"\s*(?:PREPARE|LOAD)\b|.*;\s*\S", re.IGNORECASE | re.DOTALL)

# DISCARD ALL without its DEALLOCATE: the drivers know the names of their prepared statements.
# RESET restores what the connection was opened with, such as our limits.
_RESET = (
    "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; "
    "SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)


def leaves_no_trace(sql: str, dialect: str) -> bool:
    """Tell whether a statement leaves nothing on its connection beyond its transaction.

    Args:
        sql: The statement as it is sent. What cannot be judged leaves traces.
        dialect: SQLAlchemy's name of it.
    """
    if dialect == "sqlite":
        return _SQLITE_LEAVES.match(sql) is None
    return _known_judgement(sql, dialect) if len(sql) <= _LETTERS else _judge(sql, dialect)


@lru_cache(maxsize=2048)
def _known_judgement(sql: str, dialect: str) -> bool:
    return _judge(sql, dialect)


def _judge(sql: str, dialect: str) -> bool:
    if _KEPT.search(sql) is not None:
        return False
    if _QUERY.match(sql) is None:
        return re.match(rf"\s*(?:{_QUIET[dialect]})\b", sql, re.IGNORECASE | re.DOTALL) is not None
    asked = _LOCAL.sub("", sql) if dialect == "postgresql" else sql
    return all(name.lower() in _KNOWN for name in _CALL.findall(asked) if name)


def note_traces(engine: Engine) -> None:
    """Note with each connection whether a statement has left something on it, until it is back."""
    dialect = engine.dialect.name

    # Not `before_cursor_execute`: with a listener to a connection SQLAlchemy asks at 14 places
    # of each statement whether anybody listens there.
    @event.listens_for(engine, "do_executemany")
    @event.listens_for(engine, "do_execute")
    def _note(_cursor: Any, sql: str, _values: Any, context: DefaultExecutionContext) -> None:
        if len(sql) > _LETTERS and context.compiled is not None:
            # As it was before the places for many rows or many values were written.
            sql = context.compiled.string
        if not leaves_no_trace(sql, dialect):
            # SQLAlchemy's own first look at the server has no place for it, and needs none.
            with suppress(NotImplementedError):
                info = context.root_connection.info
                can_be_reset = dialect == "postgresql" and _STAYS.match(sql) is None
                info[_TRACES] = can_be_reset and info.get(_TRACES, True)

    @event.listens_for(engine, "do_execute_no_params")
    def _note_alone(_cursor: Any, sql: str, context: DefaultExecutionContext) -> None:
        _note(_cursor, sql, None, context)


def bears_traces(connection: Connection | None) -> bool:
    """Tell whether what was sent over a connection has to be followed over it; None bears none."""
    if connection is None:
        return False
    return connection.invalidated or _TRACES in connection.info


def remove_traces(
    connection: Any, record: ConnectionPoolEntry, is_as_opened: Callable[[], bool]
) -> None:
    """Take off what was left on a connection that goes back to the pool, or close it.

    Args:
        connection: As its dialect adapts it; it may be waited for, in a greenlet.
        record: The pool's entry.
        is_as_opened: Tells whether nobody has told the connection anything when it was opened,
            which a reset would take off too.
    """
    can_be_reset = record.info.pop(_TRACES, None)
    if can_be_reset is None:
        return
    if can_be_reset and is_as_opened():
        connection.run_async(lambda driver: driver.execute(_RESET))
        connection.commit()
    else:
        record.invalidate()
