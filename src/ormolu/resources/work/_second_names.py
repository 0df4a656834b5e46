"""Columns with several names: a body has one value for each, by any of them. Sends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ormolu.query import Location, refuse
from ormolu.resources.declare import Body, Declaration, Names

__all__ = ["SecondNames"]


class SecondNames:
    """The columns of one resource that have several names."""

    def __init__(self, declaration: Declaration) -> None:
        self._names = declaration.names
        self._columns: dict[str, Any] = declaration.cached(_shared_columns)
        self._required: list[list[str]] = declaration.cached(_required_names)

    def merge(self, values: dict[str, Any], sent: Names, location: Location) -> dict[str, Any]:
        """Return values without a second name of a column; what was sent goes before a default.

        Raises:
            RefusedError: Two names of a column were sent with two values.
        """
        columns = self._columns
        if len(columns.keys() & values.keys()) < 2:
            return values
        kept: dict[Any, str] = {}
        for name in sorted(columns.keys() & values.keys(), key=lambda each: each not in sent):
            other = kept.setdefault(columns[name], name)
            is_other = repr(values[other]) != repr(values[name]) or values[other] != values[name]
            if other != name and name in sent and is_other:
                message = f"Is the column of {self._names[other]}, which has another value"
                raise refuse((*location, self._names[name]), "repeated", message)
        dropped = (columns.keys() & values.keys()) - set(kept.values())
        return {name: value for name, value in values.items() if name not in dropped}

    def check_complete(self, row: Mapping[str, Any], body: Body, location: Location) -> None:
        """Check that a required column of several names has a value by one of them.

        Raises:
            RefusedError: It has none.
        """
        for names in self._required:
            opened = [name for name in names if name in body.open]
            if opened and not any(name in row for name in names):
                place = (*location, *body.places(opened[0])[0])
                raise refuse(place, "missing", "Field required")

    def others(self, row: Mapping[str, Any]) -> set[str]:
        """Return the names that need no value: another name of the column has it."""
        columns = self._columns
        first = {columns[name]: name for name in reversed(columns)}
        first |= {columns[name]: name for name in columns.keys() & row.keys()}
        return columns.keys() - set(first.values())

    def as_given(self, group: Names, row: Mapping[str, Any]) -> Names:
        """Return the attributes of a unique key by those names that a new row has for them."""
        columns = self._columns
        given = {columns[name]: name for name in columns.keys() & row.keys()}
        return frozenset(given.get(columns.get(name), name) for name in group)


def _shared_columns(declaration: Declaration) -> dict[str, Any]:
    """Return the columns that have several names, by each of these."""
    columns = {name: each.column for name, each in declaration.attributes.items()
               if each.column is not None}  # fmt: skip
    count = Counter(columns.values())
    return {name: column for name, column in columns.items() if count[column] > 1}


def _required_names(declaration: Declaration) -> list[list[str]]:
    """Return the names of each required column that has several."""
    found: dict[Any, list[str]] = {}
    for name, column in _shared_columns(declaration).items():
        if declaration.attributes[name].is_required:
            found.setdefault(column, []).append(name)
    return [*found.values()]
