"""Hybrid properties, whose SQL is made anew each time, and may depend on the clock or the request.

A plan keeps their SQL as it was, but computes the values of the clock each time. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, inspect
from sqlalchemy.sql import visitors

from ormolu.lanes import NotDoneError
from ormolu.query import Field, View, element_of
from ormolu.seams import structure_of
from ormolu.web import NoDoorError

__all__ = ["Hybrids"]


class Hybrids:
    """The SQL of hybrid properties with values from Python, as it was when a work was made."""

    def __init__(self, views: Iterable[View]) -> None:
        """Record the SQL.

        Raises:
            NoDoorError: A value is another one each time.
        """
        self._recorded: list[tuple[type[Any], Field, Any]] = []
        for view in views:
            fields = (*view.fields.values(), *(view.shape.fields if view.shape else ()))
            for field in {each.attribute: each for each in fields if each.is_computed}.values():
                self._record(view.model, field)
        try:
            self.check()
        except NotDoneError as error:
            message = f"{error} is computed with other values each time"
            raise NoDoorError(message) from error

    def check(self) -> None:
        """Check that the SQL is still the same.

        Raises:
            NotDoneError: It is not.
        """
        for model, field, sql in self._recorded:
            now = element_of(getattr(model, field.attribute))
            if not sql.compare(now) and not (field.is_of_now and _are_alike(sql, now)):
                raise NotDoneError(field.attribute)

    def _record(self, model: type[Any], field: Field) -> None:
        sql = element_of(getattr(model, field.attribute))
        has_values = any(isinstance(each, BindParameter) for each in visitors.iterate(sql))
        if has_values and field.attribute not in inspect(model).attrs:
            self._recorded.append((model, field, sql))


def _are_alike(one: Any, other: Any) -> bool:
    """Tell whether two expressions differ only in values."""
    first, second = structure_of(one), structure_of(other)
    return first is not None and second is not None and first[0] == second[0]
