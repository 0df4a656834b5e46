"""Which statements leave nothing behind on their connection, so that another one serves the next.

A connection of PostgreSQL or MySQL may be told to be something: a role, a tenant, a holder of a
lock. What was told to one connection must not be missed by the statements that follow.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["bears_traces", "leaves_no_trace", "note_traces"]

# Kept with the connection, as long as somebody uses it.
_TRACES = "ormolu_bears_traces"

_QUERY = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)

# What stands before an opening parenthesis, and what MySQL keeps of a query for the next one.
_CALL = re.compile(r"""([\w.$"`\]]*)\s*\(""")
_KEPT = re.compile(r"@|;|\bSQL_CALC_FOUND_ROWS\b", re.IGNORECASE)

# Words of the language, and functions that only compute; any other may do anything.
_PURE = """
all and any array as between by case check distinct else except exists filter from group in
intersect into join lateral like ilike limit not offset on or order over row select some then
union using values when where with within bigint bit char character decimal float integer
interval numeric time timestamp varchar varying abs any_value array_agg array_length avg bool_and
bool_or cast ceil ceiling char_length coalesce concat concat_ws convert count cume_dist date
date_part date_trunc dense_rank every extract first_value floor format greatest group_concat hex
if ifnull json_agg json_array json_arrayagg json_build_array json_build_object json_extract
json_object json_objectagg json_unquote jsonb_agg jsonb_array_elements jsonb_build_array
jsonb_build_object jsonb_object_agg jsonb_typeof lag last_value lead least left length locate
lower lpad ltrim max md5 min mod now ntile nullif octet_length percent_rank plainto_tsquery
position power rank regexp_replace repeat replace reverse right round row_number row_to_json rpad
rtrim sign similarity sqrt stddev string_agg strpos substr substring sum to_char to_date to_json
to_jsonb to_tsquery to_tsvector trim trunc ts_headline ts_rank unnest upper variance
websearch_to_tsquery
"""
_KNOWN = frozenset(_PURE.split())


@lru_cache(maxsize=2048)
def leaves_no_trace(sql: str) -> bool:
    """Tell whether a statement is a query that calls nothing but what only computes.

    Args:
        sql: The statement as it is sent. What cannot be judged leaves traces.
    """
    if _QUERY.match(sql) is None or _KEPT.search(sql) is not None:
        return False
    return all(name.lower() in _KNOWN for name in _CALL.findall(sql) if name)


def note_traces(engine: Engine) -> None:
    """Note with each connection whether a statement has left something on it, until it is back."""

    # Not `before_cursor_execute`: with a listener to a connection SQLAlchemy asks at 14 places
    # of each statement whether anybody listens there.
    @event.listens_for(engine, "do_executemany")
    @event.listens_for(engine, "do_execute")
    def _note(_cursor: Any, sql: str, _values: Any, context: DefaultExecutionContext) -> None:
        if not leaves_no_trace(sql):
            # SQLAlchemy's own first look at the server has no place for it, and needs none.
            with suppress(NotImplementedError):
                context.root_connection.info[_TRACES] = True

    @event.listens_for(engine, "do_execute_no_params")
    def _note_alone(_cursor: Any, sql: str, context: DefaultExecutionContext) -> None:
        _note(_cursor, sql, None, context)

    @event.listens_for(engine, "checkin")
    def _forget(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info.pop(_TRACES, None)


def bears_traces(connection: Connection | None) -> bool:
    """Tell whether what was sent over a connection has to be followed over it; None bears none."""
    if connection is None:
        return False
    return connection.invalidated or _TRACES in connection.info
