"""What statements leave on their connection, and how it is taken off before the next one uses it.

A connection may be told to be something: a role, a tenant, a holder of a lock. The statements that
follow must not miss it, and another request must not find it. Only what passes SQLAlchemy is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

from ormolu.backends import backend_of
from ormolu.engines._borrowed import FAILURE
from ormolu.taps import FAULTS, TAPS, tell

__all__ = ["bears_traces", "leave_trace", "note_traces", "remove_traces"]

# Key in the connection's info: the statements that undo what was left on it, None if closing is
# the only way.
_TRACES = "ormolu_bears_traces"

# Above so many characters the statement is judged without the placeholders of many values.
_LETTERS = 5000


def note_traces(engine: Engine) -> None:
    """Note with each connection whether a statement has left something on it, until it is back."""
    backend = backend_of(engine.dialect)

    # Not `before_cursor_execute`: with a listener to a connection SQLAlchemy asks at 14 places
    # of each statement whether anybody listens there.
    @event.listens_for(engine, "do_executemany")
    @event.listens_for(engine, "do_execute")
    def _note(cursor: Any, sql: str, _values: Any, context: DefaultExecutionContext) -> None:
        if TAPS or FAULTS:
            _tap(cursor, sql, context)
        if len(sql) > _LETTERS and context.compiled is not None:
            # The text before the placeholders of many rows or values were written out.
            sql = context.compiled.string
        if not backend.leaves_no_trace(sql):
            # SQLAlchemy's first look at a server runs on a connection without `info`.
            with suppress(NotImplementedError):
                info = context.root_connection.info
                is_hopeless = info.get(_TRACES, "") is None
                info[_TRACES] = None if is_hopeless else backend.reset_after(sql)

    @event.listens_for(engine, "do_execute_no_params")
    def _note_alone(cursor: Any, sql: str, context: DefaultExecutionContext) -> None:
        _note(cursor, sql, None, context)


def _tap(cursor: Any, sql: str, context: DefaultExecutionContext) -> None:
    # SQLAlchemy's first look at a server is nobody's statement, nor one that has failed already.
    with suppress(NotImplementedError):
        _ = context.root_connection.info
        if FAILURE not in context.execution_options:
            tell(sql)
        for fault in list(FAULTS):
            fault.before_statement(cursor, sql, context.root_connection)


def leave_trace(connection: Connection) -> None:
    """Have a connection closed when it goes back to the pool."""
    connection.info[_TRACES] = None


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
    if _TRACES not in record.info:
        return
    reset = record.info.pop(_TRACES)
    if reset is not None and is_as_opened():
        connection.run_async(lambda driver: _send(driver, reset))
        connection.commit()
    else:
        record.invalidate()


def _send(driver: Any, reset: str) -> Any:
    if hasattr(driver, "prepare_threshold"):  # psycopg, which may prepare each: single statements
        return driver.execute(reset, prepare=False)
    return driver.execute(reset)
