"""Several servers that have the same database: connections go to one of them, until it fails.

PostgreSQL's drivers take such a list themselves; this is for those of MySQL and MariaDB, of whose
cluster any node will do. All connections lead to the same node, so that a read finds what was
written before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from ormolu.errors import DatabaseDownError

__all__ = ["Hosts"]

_UNFIT = (
    "None of the {} hosts of the database is of use now: a node without its cluster answers "
    "nothing, and one that is read only takes no changes."
)


class _Connection(Protocol):
    def close(self) -> None: ...


_C = TypeVar("_C", bound=_Connection)


class Hosts:
    """The hosts of one database, on one event loop."""

    def __init__(self, places: Sequence[tuple[str, int]]) -> None:
        """Begin with the first.

        Args:
            places: Names and ports.
        """
        self._places = places
        self._current = 0

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Return the driver's arguments for the host that connections lead to now."""
        host, port = self._places[self._current]
        return {"host": host, "port": port}

    def connect(
        self, connect: Callable[..., _C], is_fit: Callable[[_C], bool]
    ) -> tuple[_C, Mapping[str, Any]]:
        """Connect to the host of now, or else to the next that will do.

        Args:
            connect: Connects, by `arguments`.
            is_fit: Tells whether a new connection leads to a server that does what it is for.

        Returns:
            The connection, and its `arguments`.

        Raises:
            DatabaseDownError: There are servers, and none will do.
            Exception: The last of them could not be reached.
        """
        failure: Exception | None = None
        for _ in self._places:
            tried, arguments = self._current, self.arguments
            try:
                connection = _connect_if_fit(partial(connect, **arguments), is_fit)
            except Exception as error:
                failure, connection = error, None
            except BaseException:
                # Whoever waits for a silent server gives up; who comes next, asks another one.
                self._pass_by(tried)
                raise
            if connection is not None:
                return connection, arguments
            self._pass_by(tried)
        raise failure or DatabaseDownError(_UNFIT.format(len(self._places)))

    def _pass_by(self, tried: int) -> None:
        # Of several who fail at once only the first moves on.
        if tried == self._current:
            self._current = (tried + 1) % len(self._places)


def _connect_if_fit(connect: Callable[[], _C], is_fit: Callable[[_C], bool]) -> _C | None:
    """Connect; None if the connection is of no use, and closed again."""
    connection = connect()
    is_kept = False
    try:
        is_kept = is_fit(connection)
    finally:
        if not is_kept:
            connection.close()
    return connection if is_kept else None
