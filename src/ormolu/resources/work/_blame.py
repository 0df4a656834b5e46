"""Who made a value that the database refuses: a client's gives 422, the program's a 500."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
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


Rows = Sequence[Mapping[str, Any]]


@contextmanager
def blaming(declaration: Declaration, sent: Rows, written: Rows = ()) -> Iterator[None]:
    """Blame whoever made a refused value: a client, or the program's default, hook or policy.

    Args:
        declaration: Of the rows that are written within.
        sent: The values that a client has sent, by attribute, for each row.
        written: All values of the rows, as far as they are known.

    Raises:
        StatementError: As it was, with another fault if another is to blame.
    """
    try:
        yield
    except StatementError as error:
        fault = fault_of(error)
        blamed = _blamed(declaration, error, fault, sent, written)
        if blamed is not None:
            attach_fault(error, blamed)
            redact(error, blamed)
        raise


def _blamed(
    declaration: Declaration, error: StatementError, fault: Fault, sent: Rows, written: Rows
) -> Fault | None:
    """Return the fault with the one to blame; None if it is right as it is."""
    if fault.advice is not None:
        return None
    column = _unsent_column(declaration, error, fault, sent)
    if column is not None:
        return made_by_program(fault, column)
    return _of_unchecked(declaration, fault, sent, written) if fault.may_be_of_value else None


def _of_unchecked(
    declaration: Declaration, fault: Fault, sent: Rows, written: Rows
) -> Fault | None:
    """Return the fault of values that nothing has checked, since their type is not known.

    Where neither server nor driver names the column, all are named that a client has sent.
    """
    unchecked = {
        name: each.column
        for name, each in declaration.attributes.items()
        if each.column is not None and each.field.kind.family == "opaque"
        if not fault.columns or each.column.name in fault.columns
    }
    columns = _written_in(unchecked, sent)
    if columns:
        names = tuple(column.name for column in columns)
        return replace(fault, kind="invalid_value", columns=names, table=columns[0].table.name)
    made = [column for column in unchecked.values() if column.default or column.onupdate]
    made = list(dict.fromkeys([*made, *_written_in(unchecked, written)]))
    return made_by_program(fault, made[0]) if len(made) == 1 else None


def _written_in(columns: Mapping[str, Column[Any]], rows: Rows) -> list[Column[Any]]:
    """Return those columns that have a value in some row."""
    named = {name for row in rows for name, value in row.items() if value is not None}
    return [column for name, column in columns.items() if name in named]


def _unsent_column(
    declaration: Declaration, error: StatementError, fault: Fault, sent: Rows
) -> Column[Any] | None:
    """Return the column of a refused value if no client has sent one; None if that is unknown."""
    if fault.kind not in _REFUSED or len(fault.columns) != 1:
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
