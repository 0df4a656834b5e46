"""Which column a refused value was for, and whether the program made it: a client did not then."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import Column
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.sql.compiler import SQLCompiler

from ormolu.faults import Fault
from ormolu.names import field_name, model_name

__all__ = ["locate_fault", "made_by_program"]

# asyncpg's words for a value that it cannot encode.
_ARGUMENT = re.compile(r"invalid input for query argument \$(\d+)")
# What SQLAlchemy appends to the names of the values of many rows.
_ROW_NUMBER = re.compile(r"__\d+$")


def locate_fault(fault: Fault, context: ExceptionContext) -> Fault:
    """Return a fault with the column that it is about; one that a default made is the program's."""
    compiled = getattr(context.execution_context, "compiled", None)
    if fault.kind != "invalid_value" or not isinstance(compiled, SQLCompiler):
        return fault
    table = getattr(compiled.statement, "table", None)
    columns: dict[str, Column[Any]]
    columns = {column.name: column for column in getattr(table, "columns", ())}
    names = fault.columns or _argument_names(compiled, str(context.original_exception))
    column = columns.get(names[0]) if names else None
    if column is None:
        return fault
    fault = replace(fault, columns=(column.name,), table=column.table.name)
    made = compiled.insert_prefetch if compiled.isinsert else compiled.update_prefetch
    return made_by_program(fault, column) if column in made else fault


def _argument_names(compiled: SQLCompiler, text: str) -> tuple[str, ...]:
    """Return the name of the column whose value the driver counts, if it is one's."""
    found = _ARGUMENT.search(text)
    binds = compiled.positiontup or ()
    if found is None or not binds:
        return ()
    key = _ROW_NUMBER.sub("", binds[(int(found[1]) - 1) % len(binds)])
    table = getattr(compiled.statement, "table", None)
    return tuple(each.name for each in getattr(table, "columns", ()) if each.key == key)


def made_by_program(fault: Fault, column: Column[Any]) -> Fault:
    """Return the fault of a value that no client sent: a mistake of the program's."""
    model = model_name(column.table) or column.table.name
    advice = (
        f"The program made a value for {model}.{field_name(column)} that {column.type!r} does not "
        "take. Mend its default; for a datetime with an offset write DateTime(timezone=True), or "
        "default=lambda: datetime.now(UTC).replace(tzinfo=None)."
    )
    return replace(fault, kind="internal_error", advice=advice)
