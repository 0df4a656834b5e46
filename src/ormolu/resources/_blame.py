"""Whose a value is that the backend refuses: a client's is 422, any other the program's mistake."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column
from sqlalchemy.exc import StatementError

from ormolu.engines import made_by_program
from ormolu.faults import Fault, attach_fault, fault_of
from ormolu.redaction import redact
from ormolu.resources._declaration import Declaration

__all__ = ["blaming"]


@contextmanager
def blaming(declaration: Declaration, sent: Collection[str]) -> Iterator[None]:
    """Tell what a client sent from what hooks, policies and constructors made.

    Args:
        declaration: Of the rows that are written within.
        sent: Names of the attributes whose values came from a client.

    Raises:
        StatementError: As it was, with another fault if no client is to blame.
    """
    try:
        yield
    except StatementError as error:
        fault = fault_of(error)
        column = _unsent_column(declaration, fault, sent)
        if column is not None:
            fault = made_by_program(fault, column)
            attach_fault(error, fault)
            redact(error, fault)
        raise


def _unsent_column(
    declaration: Declaration, fault: Fault, sent: Collection[str]
) -> Column[Any] | None:
    """Return the column of a refused value that no client sent, as far as the fault names it."""
    if fault.kind != "invalid_value" or len(fault.columns) != 1:
        return None
    for name, attribute in declaration.attributes.items():
        column = attribute.column
        if column is not None and column.name == fault.columns[0]:
            return None if name in sent else column
    return None
