"""The steps of a revision, noted in the database where that stores each of them at once.

What a killed run leaves of its notes is what the database has stored of the revision: they are
written in its own transaction, and each step that commits commits those before it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table, event
from sqlalchemy.schema import CreateTable

from ormolu.backends import backend_of

__all__ = ["Step", "Steps", "forget_steps", "read_steps"]

_NOTES = Table(
    "ormolu_migration_steps",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.String(255), nullable=False),
    sa.Column("is_upgrade", sa.Boolean, nullable=False),
    sa.Column("place", sa.String(255), nullable=False),
    sa.Column("statement", sa.Text, nullable=False),
    sa.Column("is_done", sa.Boolean, nullable=False),
)

# Which of a connection's `Steps` notes: an env.py may configure Alembic for it more than once.
_KEY = "ormolu.steps"

_LONGEST = 2000

_CHANGES_ROWS = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|WITH)\b", re.IGNORECASE)
_STORES_NOTHING = re.compile(r"\s*(?:SELECT|SHOW|SET|EXPLAIN|DESC|DESCRIBE|USE)\b", re.IGNORECASE)
# Between these no table is open but those that they name.
_LOCK = re.compile(r"\s*(UN)?LOCK\s+TABLE", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A statement of a revision that did not come to its end.

    Attributes:
        revision: The revision.
        is_upgrade: Whether it was being applied, not undone.
        place: The file and the line.
        statement: Its text.
        is_done: Whether it is stored for certain; else it was running.
    """

    revision: str
    is_upgrade: bool
    place: str
    statement: str
    is_done: bool


class Steps:
    """Notes the statements of revisions that run over a connection."""

    def __init__(self, connection: Connection, version_table: str) -> None:
        """Prepare.

        Args:
            connection: Alembic's.
            version_table: Where Alembic notes what a database has.
        """
        self._connection = connection
        self._ends = re.compile(rf"\s*(?:INSERT INTO|UPDATE|DELETE FROM) \S*\b{version_table}\b")
        self._is_noting = self._is_there = False
        self._is_locked = False
        self._changes: list[Step] = []
        self._count = 0
        self._running: int | None = None

    def listen(self) -> None:
        """Hear of each statement."""
        self._connection.info[_KEY] = self
        event.listen(self._connection, "before_cursor_execute", self._before)
        event.listen(self._connection, "after_cursor_execute", self._after)

    def _before(self, connection: Connection, _cursor: Any, sql: str, *_others: Any) -> None:
        if self._is_noting or connection.info.get(_KEY) is not self:
            return
        self._is_noting = True
        try:
            if self._ends.match(sql):
                self._end()
            else:
                self._note(sql)
        finally:
            self._is_noting = False

    def _note(self, sql: str) -> None:
        step = _step(sql)
        if step is None:
            return
        self._begin()
        was_locked, lock = self._is_locked, _LOCK.match(sql)
        if lock is not None:
            self._is_locked = lock[1] is None
        if was_locked or self._is_locked or _STORES_NOTHING.match(sql):
            return
        if _CHANGES_ROWS.match(sql):
            # A loop is one step.
            if self._changes[-1:] != [step]:
                self._changes.append(step)
            return
        self._running = self._count + len(self._changes)
        self._write([*self._changes, step])
        self._changes.clear()

    def _begin(self) -> None:
        """Make the table, before the revision has changed a row: that would be stored by it."""
        if not self._is_there:
            self._connection.execute(CreateTable(_NOTES, if_not_exists=True))
            self._connection.execute(_NOTES.delete())
            self._is_there = True

    def _write(self, steps: Sequence[Step]) -> None:
        rows = [
            {**vars(step), "number": number, "is_done": number != self._running}
            for number, step in enumerate(steps, self._count)
        ]
        self._connection.execute(_NOTES.insert(), rows)
        self._count += len(steps)

    def _after(self, connection: Connection, _cursor: Any, sql: str, *_others: Any) -> None:
        if self._is_noting or self._running is None or connection.info.get(_KEY) is not self:
            return
        self._is_noting = True
        try:
            is_it = _NOTES.c.number == self._running
            connection.execute(_NOTES.update().where(is_it).values(is_done=True))
            if backend_of(connection.dialect).commits_at_once(sql):
                connection.exec_driver_sql("COMMIT")
        finally:
            self._is_noting, self._running = False, None

    def _end(self) -> None:
        """Forget a revision in the transaction that notes it as applied, or as undone."""
        if self._is_there or sa.inspect(self._connection).has_table(_NOTES.name):
            self._connection.execute(_NOTES.delete())
        self._changes.clear()
        self._count = 0


def read_steps(connection: Connection) -> list[Step]:
    """Return what is stored of a revision that did not come to its end, in its order."""
    if not sa.inspect(connection).has_table(_NOTES.name):
        return []
    found = connection.execute(_NOTES.select().order_by(_NOTES.c.number)).mappings()
    return [Step(**{name: row[name] for name in Step.__annotations__}) for row in found]


def forget_steps(connection: Connection, *, failed: bool = False) -> None:
    """Forget the steps of a revision, or the one alone that the database has refused."""
    if sa.inspect(connection).has_table(_NOTES.name):
        refused = _NOTES.c.is_done.is_(False) if failed else sa.true()
        connection.execute(_NOTES.delete().where(refused))


def _step(sql: str) -> Step | None:
    """Return a statement with its place in a revision, None if it is not one of a revision."""
    frame, found = inspect.currentframe(), None
    while frame is not None:
        names = frame.f_globals
        if isinstance(names.get("revision"), str) and "down_revision" in names:
            place = found.place if found else _place(frame.f_code.co_filename, frame.f_lineno)
            found = Step(
                revision=names["revision"],
                is_upgrade=frame.f_code.co_name != "downgrade",
                place=place,
                statement=sql[:_LONGEST],
                is_done=True,
            )
        frame = frame.f_back
    return found


def _place(file: str, line: int) -> str:
    path = Path(file)
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"[-255:]
