"""Looks at a database before and after each statement of a revision, within its transaction.

Only statements of the revision's own file count; Alembic's own, for its version table, do not.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ormolu.faults import fault_of
from ormolu.migrations.rehearsal._catalog import Catalog, read_catalog, run_as_is
from ormolu.migrations.rehearsal._waiting import Waiting

__all__ = ["Look", "Recorder", "Statement"]

_IN_NO_TRANSACTION = "25001"

_TABLES = "SELECT oid::bigint, oid::regclass::text FROM pg_class WHERE relkind = 'r'"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What there was at one moment.

    Attributes:
        catalog: Tables and the rest.
        rows: The rows of each table in their order, as JSON; of partitions, not of what has them.
    """

    catalog: Catalog
    rows: Mapping[int, list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a revision, and what it did.

    Attributes:
        sql: Its text.
        lines: The first and the last line of the file that it stands in.
        before: What there was before.
        after: What there was after it; None if it failed.
        error: Why it failed.
        code: The SQLSTATE of that.
        is_alone: Whether it ran outside of a transaction.
        waited_for: The locks that it asked for, if only a server outside of a transaction runs it.
        changed: For columns whose type has changed, how many values are others when they are read
            as the old type, by table and number.
    """

    sql: str
    lines: tuple[int, int]
    before: Look
    after: Look | None = None
    error: str | None = None
    code: str | None = None
    is_alone: bool = False
    waited_for: Mapping[int, frozenset[str]] = field(default_factory=dict)
    changed: Mapping[tuple[int, int], int] = field(default_factory=dict)


class Recorder:
    """Records the statements of one revision that run over an engine.

    Attributes:
        statements: What was recorded.
    """

    def __init__(self, path: str, known: frozenset[int]) -> None:
        """Prepare.

        Args:
            path: The file of the revision.
            known: The OIDs of what was there before all revisions: programs use that.
        """
        self.statements: list[Statement] = []
        self._paths = frozenset({path, str(Path(path).resolve())})
        self._known = known
        self._begun: Statement | None = None
        self._waiting: Waiting | None = None
        self._running_on: Connection | None = None
        self._is_looking = False

    def listen(self, engine: AsyncEngine) -> None:
        """Hear of each statement of an engine."""
        event.listen(engine.sync_engine, "before_cursor_execute", self._before)
        event.listen(engine.sync_engine, "after_cursor_execute", self._after)
        event.listen(engine.sync_engine, "handle_error", self._failed)

    def _before(
        self,
        connection: Connection,
        _cursor: Any,
        sql: str,
        values: Any,
        _context: Any,
        _many: bool,
    ) -> None:
        lines = None if self._is_looking else _lines_in(self._paths, inspect.currentframe())
        if lines is None:
            return
        self._is_looking = True
        try:
            self._begin(connection, sql, values, lines)
        finally:
            self._is_looking = False

    def _begin(self, connection: Connection, sql: str, values: Any, lines: tuple[int, int]) -> None:
        self._running_on = connection
        self._begun = Statement(sql=sql, lines=lines, before=self._look(connection))
        if not _is_alone(connection):
            return
        self._begun = replace(self._begun, is_alone=True)
        # Its locks are gone when it is done, so they are looked at in a transaction; rolled back.
        with connection.engine.connect() as other, other.begin() as transaction:
            tried = replace(self._begun, before=self._look(other))
            try:
                other.exec_driver_sql(sql, values)
            except DBAPIError as error:
                transaction.rollback()
                if fault_of(error).native == _IN_NO_TRANSACTION:
                    self._waiting = Waiting(connection, self._begun.before.catalog, self._known)
                return
            self._begun = self._ended(other, tried)
            transaction.rollback()

    def _after(
        self, connection: Connection, _cursor: Any, _sql: str, _values: Any, _context: Any, _: bool
    ) -> None:
        if not self._is_running(connection) or self._begun is None:
            return
        self._is_looking = True
        try:
            self._end(connection, self._begun)
        finally:
            self._is_looking = False

    def _end(self, connection: Connection, begun: Statement) -> None:
        self._begun = None
        if self._waiting is not None:
            begun = replace(begun, waited_for=self._waiting.end())
            self._waiting = None
        if begun.after is None:
            begun = self._ended(connection, begun)
        self.statements.append(begun)

    def _failed(self, context: Any) -> None:
        if not self._is_running(context.connection) or self._begun is None:
            return
        error: BaseException = context.sqlalchemy_exception or context.original_exception
        words = str(context.original_exception).strip().splitlines()[0]
        if self._waiting is not None:
            self._begun = replace(self._begun, waited_for=self._waiting.end())
            self._waiting = None
        code = fault_of(error).native
        self.statements.append(replace(self._begun, after=None, error=words, code=code))
        self._begun = None

    def _is_running(self, connection: Connection) -> bool:
        """Tell whether it is the revision's statement: others look meanwhile, over the engine."""
        return connection is self._running_on and not self._is_looking

    def _ended(self, connection: Connection, begun: Statement) -> Statement:
        after = self._look(connection, is_after=True)
        changed = _changed_values(connection, begun.before, after)
        return replace(begun, after=after, changed=changed)

    def _look(self, connection: Connection, *, is_after: bool = False) -> Look:
        """Look at all there is; outside of that our own reading of rows must not be counted."""
        if is_after:
            catalog = read_catalog(connection)
            return Look(catalog=catalog, rows=_rows(connection, self._known))
        rows = _rows(connection, self._known)
        return Look(catalog=read_catalog(connection), rows=rows)


def _lines_in(paths: frozenset[str], frame: FrameType | None) -> tuple[int, int] | None:
    """Return the lines of the call in a file that has led here."""
    while frame is not None:
        if frame.f_code.co_filename in paths:
            positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
            first = positions[0] or frame.f_lineno
            return first, positions[1] or first
        frame = frame.f_back
    return None


def _is_alone(connection: Connection) -> bool:
    raw = connection.connection.dbapi_connection
    return raw is not None and connection.dialect.detect_autocommit_setting(raw)


def _rows(connection: Connection, known: frozenset[int]) -> dict[int, list[dict[str, Any]]]:
    found: Any = run_as_is(connection, _TABLES)
    selects = [
        f"SELECT {oid}, (SELECT json_agg(to_jsonb(t) ORDER BY tableoid, ctid) FROM {name} t)::text"
        for oid, name in found
        if oid in known
    ]
    rows: Any = run_as_is(connection, " UNION ALL ".join(selects)) if selects else ()
    return {oid: json.loads(listed or "[]") for oid, listed in rows}


def _changed_values(
    connection: Connection, before: Look, after: Look
) -> dict[tuple[int, int], int]:
    """Return how many values each column has whose type has changed that were others before."""
    found = {}
    for place, column in after.catalog.columns.items():
        old = before.catalog.columns.get(place)
        rows = before.rows.get(column.table)
        if old is None or old.type == column.type or rows is None:
            continue
        name = after.catalog.name(column.table)
        cast = f"to_jsonb(CAST({column.name} AS {old.type}))"
        savepoint = connection.begin_nested()
        try:
            now = run_as_is(
                connection, f"SELECT json_agg({cast} ORDER BY tableoid, ctid)::text FROM {name}"
            ).scalar_one()
        except DBAPIError:
            # No way back to the old type.
            found[place] = len(rows)
        else:
            key = old.name.strip('"').replace('""', '"')
            pairs = zip(rows, json.loads(now or "[]"), strict=False)
            found[place] = sum(row[key] != value for row, value in pairs)
        savepoint.rollback()
    return found
