"""That nothing is answered before it is stored: a client must not hold what may yet be undone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Engine, event

__all__ = ["Exchange", "assert_committed_before_response", "exchanges"]

_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "WITH")


class Exchange:
    """One request of the fixture `client`, and what its route has written and not committed."""

    def __init__(self, name: str) -> None:
        """Begin.

        Args:
            name: Method and path.
        """
        self.name: str = name
        self._open: dict[int, str] = {}

    def note_statement(self, connection: int, sql: str) -> None:
        """Note a statement that may write."""
        if sql.lstrip().upper().startswith(_WRITES):
            self._open.setdefault(connection, sql)

    def note_end(self, connection: int) -> None:
        """Note the end of a transaction."""
        self._open.pop(connection, None)

    def begin_answer(self) -> None:
        """Note that the first byte leaves."""
        if self._open and (broken := _broken.get()) is not None:
            broken.append(f"{self.name}: {next(iter(self._open.values()))}")


exchanges: ContextVar[Exchange | None] = ContextVar("ormolu_exchange", default=None)
_broken: ContextVar[list[str] | None] = ContextVar("ormolu_broken", default=None)


@contextmanager
def assert_committed_before_response() -> Iterator[None]:
    """Fail if a request of `client` within the block is answered before its changes are committed.

    Sees every session and engine of SQLAlchemy's that the route uses, its own too. Lanes store
    before they answer; while SQLAlchemy is listened to, they step aside.

    Raises:
        AssertionError: One was, with the statement.
    """
    broken: list[str] = []
    token = _broken.set(broken)
    for name, function in _LISTENERS.items():
        event.listen(Engine, name, function)
    try:
        yield
    finally:
        for name, function in _LISTENERS.items():
            event.remove(Engine, name, function)
        _broken.reset(token)
    if broken:
        listed = "\n  ".join(broken)
        message = f"Answered before they were committed:\n  {listed}"
        raise AssertionError(message)


def _sent(connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
    exchange = exchanges.get()
    if exchange is not None:
        exchange.note_statement(id(connection.connection.dbapi_connection), sql)


def _ended(connection: Any) -> None:
    exchange = exchanges.get()
    if exchange is not None:
        exchange.note_end(id(connection.connection.dbapi_connection))


_LISTENERS: dict[str, Any] = {
    "before_cursor_execute": _sent, "commit": _ended, "rollback": _ended,
}  # fmt: skip
