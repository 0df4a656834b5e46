"""What columns get that a new row leaves out, where no INSERT computes it. Sends nothing itself.

A PUT gives an existing row the values that a new one would have; an upsert looks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from ormolu.resources.declare import Attribute

__all__ = ["Connect", "fill_in"]

# Returns the connection of the session, for a default that sends a statement.
Connect = Callable[[], sa.Connection]

# The default of a FetchedValue.
_UNKNOWN = object()


def fill_in(
    attributes: Mapping[str, Attribute],
    names: Collection[str],
    row: Mapping[str, Any],
    connect: Connect | None,
) -> dict[str, Any]:
    """Return the values of some columns in a new row: those given, else their defaults.

    What only the database knows is left out: what a trigger makes, say.

    Args:
        attributes: All of the model, in the order in which their defaults are computed.
        names: The columns.
        row: The values that are given.
        connect: For defaults that send statements; None if only a session could let them.

    Raises:
        LookupError: A default needs the connection.
    """
    context = _Context(attributes, row, connect)
    found: dict[str, Any] = {}
    for name, attribute in attributes.items():
        if name in names:
            value = row[name] if name in row else context.make(attribute)
            if value is not _UNKNOWN:
                found[name] = value
    return found


class _Context:
    """What a default is given: the parts of SQLAlchemy's context that concern a row.

    Attributes:
        current_parameters: The values of the row so far, by the keys of their columns.
        current_column: The column whose default is computed.
    """

    def __init__(
        self, attributes: Mapping[str, Attribute], row: Mapping[str, Any], connect: Connect | None
    ) -> None:
        columns = {name: attributes[name].column for name in row if name in attributes}
        self.current_parameters: dict[str, Any] = {
            column.key: row[name]
            for name, column in columns.items()
            if column is not None and not isinstance(row[name], sa.ClauseElement)
        }
        self.current_column: sa.Column[Any] | None = None
        self._connect = connect
        self._is_cut_off = False

    def get_current_parameters(
        self,
        isolate_multiinsert_groups: bool = True,
    ) -> dict[str, Any]:
        """Return the values of the row so far."""
        return self.current_parameters

    @property
    def connection(self) -> sa.Connection:
        """Return the connection of the session.

        Raises:
            AttributeError: There is no session.
        """
        if self._connect is None:
            self._is_cut_off = True
            message = "there is no connection here"
            raise AttributeError(message)
        return self._connect()

    @property
    def root_connection(self) -> sa.Connection:
        """Return the connection of the session."""
        return self.connection

    @property
    def dialect(self) -> sa.Dialect:
        """Return the dialect of the session's connection."""
        return self.connection.dialect

    def make(self, attribute: Attribute) -> Any:
        """Return the default of a column: a value, or SQL for one.

        Raises:
            LookupError: It needs the connection, and there is none.
        """
        column = attribute.column
        assert column is not None
        default: Any = column.default
        if default is None:
            return _server_default(column)
        if isinstance(default, sa.Sequence):
            return default.next_value()
        self.current_column = column
        value = default.arg(self) if default.is_callable else default.arg
        if self._is_cut_off:
            message = "a default sends a statement"
            raise LookupError(message)
        if value is not None and not isinstance(value, sa.ClauseElement):
            self.current_parameters[column.key] = value
        return value


def _server_default(column: sa.Column[Any]) -> Any:
    server: Any = column.server_default
    if server is None:
        return None
    if not hasattr(server, "arg"):
        return _UNKNOWN
    if isinstance(server.arg, str):
        # Written by the dialect, as in CREATE TABLE: a backslash has a meaning to MySQL.
        return sa.bindparam(None, server.arg, sa.String(), unique=True, literal_execute=True)
    return server.arg
