"""What columns get that a new row leaves out, where no INSERT computes it. Sends nothing itself.

A PUT gives an existing row the values that a new one would have; an upsert looks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from ormolu.resources.declare import Attribute
from ormolu.seams import DefaultContext

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
    columns = {name: attributes[name].column for name in row if name in attributes}
    given = {column.key: row[name] for name, column in columns.items() if column is not None}
    context = DefaultContext(given, connect)
    found: dict[str, Any] = {}
    for name, attribute in attributes.items():
        if name in names:
            value = row[name] if name in row else _default(attribute, context)
            if value is not _UNKNOWN:
                found[name] = value
    return found


def _default(attribute: Attribute, context: DefaultContext) -> Any:
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
    return context.compute(column, default)


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
