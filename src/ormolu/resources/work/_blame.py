"""Whose a value is that the backend refuses: a client's is 422, any other the program's mistake."""

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

# A type of the program's own raises whatever it likes.
_REFUSED = frozenset({"internal_error", "invalid_value"})


@contextmanager
def blaming(declaration: Declaration, sent: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Tell what a client sent from what defaults, hooks, policies and the model's code made.

    Args:
        declaration: Of the rows that are written within.
        sent: Of each row the values that a client has sent, by attribute.

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
    """Return the column of a refused value that no client sent, as far as the fault names it."""
    if fault.kind not in _REFUSED or fault.advice is not None or len(fault.columns) != 1:
        return None
    unsent = unsent_value(error.orig)
    for name, attribute in declaration.attributes.items():
        column = attribute.column
        if column is not None and column.name == fault.columns[0]:
            values = [row[name] for row in sent if name in row]
            # Of a value that was sent to the database its error tells the column alone.
            is_sent = values and (unsent is None or any(each is unsent.value for each in values))
            return None if is_sent else column
    return None
