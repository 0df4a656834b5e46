"""Who made a value that the database refuses: a client's gives 422, the program's a 500."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column
from sqlalchemy.exc import StatementError

from ormolu.engines import made_by_program, unsent_value
from ormolu.faults import Fault, attach_fault, fault_of
from ormolu.redaction import redact
from ormolu.resources.declare import Declaration

__all__ = ["blaming"]

# The kinds of fault of a refused value; a type of the program's own may raise anything.
_REFUSED = frozenset({"internal_error", "invalid_value"})


@contextmanager
def blaming(declaration: Declaration, sent: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Blame the program for a refused value that no client has sent: of a default, hook or policy.

    Args:
        declaration: Of the rows that are written within.
        sent: The values that a client has sent, by attribute, for each row.

    Raises:
        StatementError: As it was, with another fault if no client is to blame.
    """
    try:
        yield
    except StatementError as error:
        fault = fault_of(error)
        column = _unsent_column(declaration, error, fault, sent)
        if column is not None:
            fault = made_by_program(fault, column)
            attach_fault(error, fault)
            redact(error, fault)
        raise


def _unsent_column(
    declaration: Declaration, error: StatementError, fault: Fault, sent: Sequence[Mapping[str, Any]]
) -> Column[Any] | None:
    """Return the column of a refused value if no client has sent one; None if that is unknown."""
    if fault.kind not in _REFUSED or fault.advice is not None or len(fault.columns) != 1:
        return None
    unsent = unsent_value(error.orig)
    for name, attribute in declaration.attributes.items():
        column = attribute.column
        if column is not None and column.name == fault.columns[0]:
            values = [row[name] for row in sent if name in row]
            # The error of a database names the column, but not the value.
            is_sent = values and (unsent is None or any(each is unsent.value for each in values))
            return None if is_sent else column
    return None
