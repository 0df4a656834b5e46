"""Which column a refused value was for, and whether the program made it: a client did not then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from sqlalchemy import Column, DateTime
from sqlalchemy.engine.interfaces import ExceptionContext, ExecutionContext
from sqlalchemy.sql.compiler import SQLCompiler

from ormolu.faults import Fault
from ormolu.names import field_name, model_name
from ormolu.seams import column_in_making, compiled_parameters, is_making_default

__all__ = ["Unsent", "locate_fault", "made_by_program", "unsent_value"]

# What drivers and PostgreSQL say of a value that cannot be sent or read.
_ARGUMENT = re.compile(
    r"(?:invalid input for query argument \$|Error binding parameter |portal.* parameter \$)(\d+)"
)
# psycopg's names of parameters.
_NAMED = re.compile(r"%\((.+?)\)s")
# What SQLAlchemy appends to the names of the values of many rows.
_ROW_NUMBER = re.compile(r"__\d+$")


@dataclass(frozen=True)
class Unsent:
    """A value that Python refused before anything was sent: a type did, or a default failed.

    Attributes:
        column: What it was for.
        value: The value; None if there is none.
        is_made: Whether a default of the column's makes it.
    """

    column: Column[Any]
    value: Any
    is_made: bool


def locate_fault(fault: Fault, context: ExceptionContext) -> Fault:
    """Return a fault with the column that it is about; one that a default made is the program's."""
    if context.execution_context is None:
        unsent = unsent_value(context.original_exception)
        return fault if unsent is None else _about(fault, unsent.column, is_made=unsent.is_made)
    compiled = getattr(context.execution_context, "compiled", None)
    if not fault.may_be_of_value or not isinstance(compiled, SQLCompiler):
        return fault
    columns, place = _columns_of(compiled), _place_of(context.original_exception)
    if place is not None:
        fault = replace(fault, argument=_argument(context, place))
    names = fault.columns or _argument_names(compiled, place)
    column = next((each for each in columns.values() if each.name in names[:1]), None)
    return fault if column is None else _about(fault, column, is_made=_is_made(compiled, column))


def unsent_value(error: BaseException | None) -> Unsent | None:
    """Return the value of a new or changed row that an error is about; None if it is of none.

    The error tells its way: SQLAlchemy says nothing of values that were not sent.
    """
    context: Any = None if error is None else _context_on(error.__traceback__)
    compiled = getattr(context, "compiled", None)
    if not isinstance(compiled, SQLCompiler):
        return None
    if is_making_default(context):
        column = column_in_making(context)
        return None if column is None else Unsent(column, None, is_made=True)
    columns = _columns_of(compiled)
    for name, value in _refused(context, compiled):
        column = columns.get(name)
        if column is not None:
            return Unsent(column, value, is_made=_is_made(compiled, column))
    return None


def _context_on(traceback: TracebackType | None) -> ExecutionContext | None:
    """Return the context that was being made where an error was raised."""
    while traceback is not None:
        found = traceback.tb_frame.f_locals.get("self")
        if isinstance(found, ExecutionContext):
            return found
        traceback = traceback.tb_next
    return None


def _refused(context: Any, compiled: SQLCompiler) -> list[tuple[str, Any]]:
    """Return the values that their types do not take, by parameter, tried once more."""
    found = []
    for parameters in compiled_parameters(context):
        for name, value in parameters.items():
            bind = compiled.binds.get(name)
            impl = None if bind is None else bind.type.dialect_impl(context.dialect)
            write = None if impl is None else impl.bind_processor(context.dialect)
            try:
                _ = None if write is None else write(value)
            except Exception:  # whatever the code of a type raises
                found.append((name, value))
    return found


def _columns_of(compiled: SQLCompiler) -> dict[str, Column[Any]]:
    """Return the columns that a statement writes, by the names of their parameters."""
    table = getattr(compiled.statement, "table", None)
    return {each.key: each for each in getattr(table, "columns", ())}


def _is_made(compiled: SQLCompiler, column: Column[Any]) -> bool:
    made = compiled.insert_prefetch if compiled.isinsert else compiled.update_prefetch
    return column in made


def _about(fault: Fault, column: Column[Any], *, is_made: bool) -> Fault:
    fault = replace(fault, columns=(column.name,), table=column.table.name)
    return made_by_program(fault, column) if is_made else fault


def _place_of(error: BaseException) -> int | None:
    """Return which parameter an error is about, counted from 0; None if nobody tells."""
    report = getattr(error, "diag", error.__cause__ or error)
    found = _ARGUMENT.search(f"{error} {getattr(report, 'context', None)}")
    return int(found[1]) - 1 if found else None


def _argument(context: ExceptionContext, place: int) -> int | str | None:
    """Return the key of a parameter: its name if the driver takes names, else its place."""
    names = list(dict.fromkeys(_NAMED.findall(context.statement or "")))
    if isinstance(context.parameters, Mapping):
        return names[place] if place < len(names) else None
    return place


def _argument_names(compiled: SQLCompiler, place: int | None) -> tuple[str, ...]:
    """Return the name of the column whose value the driver counts, if it is one's."""
    binds = compiled.positiontup or ()
    if place is None or not binds:
        return ()
    key = _ROW_NUMBER.sub("", binds[place % len(binds)])
    column = _columns_of(compiled).get(key)
    return () if column is None else (column.name,)


def made_by_program(fault: Fault, column: Column[Any]) -> Fault:
    """Return the fault of a value that no client sent: a mistake of the program's."""
    model = model_name(column.table) or column.table.name
    advice = (
        f"The program made a value for {model}.{field_name(column)} that {column.type!r} does not "
        "take. Mend the default, the hook, the policy or the listener that made it"
    )
    if isinstance(column.type, DateTime):
        advice += (
            "; for a datetime with an offset write DateTime(timezone=True), or "
            "default=lambda: datetime.now(UTC).replace(tzinfo=None)"
        )
    return replace(fault, kind="internal_error", advice=f"{advice}.")
