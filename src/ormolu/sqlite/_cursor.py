"""Cursors: a statement is executed and its rows are fetched in one call on the thread."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol

from ormolu.sqlite._bindings import Bindings, size_of
from ormolu.sqlite._handle import Stream

__all__ = ["Cursor", "StreamCursor", "fetch_within"]

# Rows of a stream that are fetched at once, at most: what lies in memory stays bounded.
_BATCH = 500


class Runner(Protocol):
    """What a cursor needs of its connection, whose methods it describes."""

    bindings: Bindings

    @property
    def streams(self) -> weakref.WeakSet[Stream]: ...

    def run_statement(self, sql: str, action: Callable[[Any], Any]) -> Any: ...

    def run_whole(self, sql: str, action: Callable[[Any], Any]) -> Any: ...

    def run_action(self, action: Callable[[Any], Any]) -> Any: ...


class Cursor:
    """A cursor as PEP 249 has it; all rows are here once the statement has run.

    Attributes:
        arraysize: Rows that `fetchmany` returns if not told.
        description: Names of the columns, in the form of PEP 249; None without rows.
        lastrowid: Row id of the last INSERT.
        most_bytes: Bytes that the texts and BLOBs of its rows may have; None for any number.
        rowcount: Rows that were written; -1 if that is unknown.
    """

    server_side = False

    __slots__ = (
        "_connection", "_rows", "arraysize", "description", "lastrowid", "most_bytes",
        "rowcount",
    )  # fmt: skip

    def __init__(self, connection: Runner) -> None:
        self.arraysize: int = 1
        self.description: Any = None
        self.lastrowid: int | None = None
        self.most_bytes: int | None = None
        self.rowcount: int = -1
        self._connection = connection
        self._rows: Iterator[Any] = iter(())

    def execute(self, operation: str, parameters: Any = ()) -> None:
        """Execute one statement and fetch its rows."""
        action: Any = partial(_execute, operation, parameters or (), self.most_bytes)
        action = self._connection.bindings.releasing(action, size_of(parameters))
        self._take(self._connection.run_whole(operation, action))

    def executemany(self, operation: str, parameters: Any) -> None:
        """Execute one statement for many parameters."""
        action: Any = partial(_execute_many, operation, parameters)
        last = parameters[-1] if parameters and isinstance(parameters, Sequence) else ()
        action = self._connection.bindings.releasing(action, size_of(last))
        self._take(self._connection.run_statement(operation, action))

    def _take(self, result: Any) -> None:
        rows, self.description, self.rowcount, self.lastrowid = result
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return the next rows."""
        return list(islice(self._rows, size or self.arraysize))

    def fetchall(self) -> Sequence[Any]:
        """Return all rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def setinputsizes(self, *_sizes: Any) -> None:
        """Do nothing: SQLite needs no sizes."""

    def close(self) -> None:
        """Forget the rows."""
        self._rows = iter(())

    async def _async_soft_close(self) -> None:
        """Do nothing: SQLAlchemy asks for it where a driver still holds something."""


class StreamCursor(Cursor):
    """A cursor that fetches its rows in batches, while its statement stays open."""

    server_side = True

    __slots__ = ("__weakref__", "_batch", "_open")

    def __init__(self, connection: Runner) -> None:
        super().__init__(connection)
        self._batch: list[Any] = []
        self._open: Any = None

    def execute(self, operation: str, parameters: Any = ()) -> None:
        """Execute one statement and fetch the first batch of its rows."""
        action: Any = partial(self._start, operation, parameters or ())
        action = self._connection.bindings.releasing(action, size_of(parameters))
        self._take(self._connection.run_statement(operation, action))

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        return next(iter(self.fetchmany(1)), None)

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return the next rows, from the batch that is here as far as that goes."""
        wanted = size or self.arraysize
        while len(self._batch) < wanted and self._open is not None:
            self._batch += self._connection.run_action(self._fetch)
        rows, self._batch = self._batch[:wanted], self._batch[wanted:]
        return rows

    def fetchall(self) -> Sequence[Any]:
        """Return all rows that are left."""
        while self._open is not None:
            self._batch += self._connection.run_action(self._fetch)
        rows, self._batch = self._batch, []
        return rows

    def __iter__(self) -> Iterator[Any]:
        while rows := self.fetchmany(_BATCH):
            yield from rows

    def close(self) -> None:
        """Close the statement."""
        self._batch = []
        if self._open is not None:
            self._connection.run_action(lambda _sqlite: self.finish())

    def finish(self) -> None:
        """Close the statement, in the connection's thread."""
        statement, self._open = self._open, None
        if statement is not None:
            statement.close()
        self._connection.streams.discard(self)

    def _start(self, operation: str, parameters: Any, sqlite: Any) -> Any:
        self._open = sqlite.execute(operation, parameters)
        description = self._open.description
        self._connection.streams.add(self)
        self._batch = self._fetch(sqlite)
        return (), description, -1, None

    def _fetch(self, _sqlite: Any) -> list[Any]:
        if self._open is None:
            return []
        try:
            rows: list[Any] = self._open.fetchmany(_BATCH)
        except BaseException:
            self.finish()
            raise
        if len(rows) < _BATCH:
            self.finish()
        return rows


def fetch_within(cursor: Any, most: int | None) -> list[Any]:
    """Return all rows of a cursor of sqlite3's, which hands them over one by one.

    Args:
        cursor: After its statement.
        most: Bytes that their texts and BLOBs may have; None for any number.

    Raises:
        DataError: They have more, as SQLite says it of one value.
    """
    if most is None:
        return cursor.fetchall()  # type: ignore[no-any-return]
    rows, left = [], most
    for row in cursor:
        for value in row:
            if type(value) is str or type(value) is bytes:
                left -= len(value)
        if left < 0:
            error = cursor.connection.DataError("string or blob too big")
            error.sqlite_errorname = "SQLITE_TOOBIG"
            raise error
        rows.append(row)
    return rows


def _execute(operation: str, parameters: Any, most: int | None, sqlite: Any) -> Any:
    cursor = sqlite.execute(operation, parameters)
    description = cursor.description
    rows = fetch_within(cursor, most) if description else ()
    return rows, description, cursor.rowcount, cursor.lastrowid


def _execute_many(operation: str, parameters: Any, sqlite: Any) -> Any:
    cursor = sqlite.executemany(operation, parameters)
    return (), None, cursor.rowcount, cursor.lastrowid
