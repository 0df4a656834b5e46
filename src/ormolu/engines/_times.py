"""Who wants to know how long the statements of an engine take, and how they are told.

Without a listener SQLAlchemy asks nobody at each statement, so there is one only where it is asked
for when the database opens: by `log_slow`, or by a provider of OpenTelemetry's.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext

from ormolu.engines._borrowed import FAILURE
from ormolu.engines._metrics import Instruments, name_of_database
from ormolu.engines._options import EngineOptions
from ormolu.engines._url import Target
from ormolu.telemetry import has_provider
from ormolu.timing import Stopwatch

__all__ = ["make_stopwatch", "time_statements"]

# Attribute of an execution context: when its statement was sent, on the monotonic clock.
_BEGAN = "_ormolu_began_at"


def make_stopwatch(
    options: EngineOptions, target: Target, instruments: Instruments | None
) -> Stopwatch | None:
    """Return what is told how long statements take; None if nobody wants to know."""
    quotes_names = not target.backend.quotes_text_doubly
    if instruments is None or not has_provider():
        if options.log_slow is None:
            return None
        return Stopwatch(options.log_slow, quotes_names=quotes_names)
    histogram = instruments.duration
    fixed = {
        "db.system.name": target.url.get_backend_name(),
        "db.namespace": name_of_database(target.url),
    }

    def record(seconds: float, word: str) -> None:
        histogram.record(seconds, {**fixed, "db.operation.name": word})

    return Stopwatch(options.log_slow, record, quotes_names=quotes_names)


def time_statements(engine: Engine, stopwatch: Stopwatch) -> None:
    """Tell how long each statement took that SQLAlchemy sends, those that failed too."""

    @event.listens_for(engine, "before_cursor_execute")
    def _begin(*arguments: Any) -> None:
        setattr(arguments[4], _BEGAN, time.monotonic())

    @event.listens_for(engine, "after_cursor_execute")
    def _end(_connection: Connection, _cursor: object, sql: str, *others: Any) -> None:
        _note(sql, others[1])

    @event.listens_for(engine, "handle_error")
    def _fail(context: ExceptionContext) -> None:
        if context.execution_context is not None and context.statement is not None:
            _note(context.statement, context.execution_context)

    def _note(sql: str, context: Any) -> None:
        began_at = context.__dict__.pop(_BEGAN, None)
        # One that failed on a borrowed connection was told there.
        if began_at is not None and FAILURE not in context.execution_options:
            stopwatch.note(sql, time.monotonic() - began_at)
