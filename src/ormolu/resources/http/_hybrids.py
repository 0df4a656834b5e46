"""Hybrid properties, whose SQL is made anew each time, and may depend on the clock or the request.

A plan keeps their SQL as it was, but computes the values of the clock each time. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, inspect

from ormolu.lanes import NotDoneError
from ormolu.query import Field, View, element_of
from ormolu.seams import structure_of
from ormolu.web import NoDoorError

__all__ = ["Hybrids"]


class _Recorded(NamedTuple):
    """A hybrid property as it was.

    Attributes:
        model: Its class.
        field: Its name and type.
        element: Its SQL.
        structure: That SQL without its values; it may be another column for another request.
        values: The values in it; None where the clock makes them anew.
    """

    model: type[Any]
    field: Field
    element: Any
    structure: Any
    values: Sequence[Any] | None

    def is_the_same(self) -> bool:
        """Tell whether the SQL of this moment is that of the record."""
        now = element_of(getattr(self.model, self.field.attribute))
        if now is self.element:
            return True
        found = structure_of(now)
        if found is None or found[0] != self.structure:
            return False
        return self.values is None or _are_equal(self.values, _values_of(found[1]))


class Hybrids:
    """The SQL of hybrid properties, as it was when a work was made."""

    def __init__(self, views: Iterable[View]) -> None:
        """Record the SQL.

        Raises:
            NoDoorError: It is another one each time, or nobody can tell.
        """
        self._recorded: list[_Recorded] = []
        for view in views:
            fields = (*view.fields.values(), *(view.shape.fields if view.shape else ()))
            for field in {each.attribute: each for each in fields if each.is_computed}.values():
                # The SQL of mapped attributes is made once, with the class.
                if field.attribute not in inspect(view.model).attrs:
                    self._recorded.append(_record(view.model, field))
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
        for recorded in self._recorded:
            if not recorded.is_the_same():
                raise NotDoneError(recorded.field.attribute)


def _record(model: type[Any], field: Field) -> _Recorded:
    """Return a hybrid property as it is now.

    Raises:
        NoDoorError: Its SQL cannot be compared.
    """
    element = element_of(getattr(model, field.attribute))
    found = structure_of(element)
    if found is None:
        message = f"the SQL of {field.attribute} has no cache key, by which it could be compared"
        raise NoDoorError(message)
    values = None if field.is_of_now else _values_of(found[1])
    return _Recorded(model, field, element, found[0], values)


def _values_of(binds: Sequence[BindParameter[Any]]) -> list[Any]:
    return [each.effective_value for each in binds]


def _are_equal(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Tell whether values are the same to a database: 1, 1.0 and True are not, nor 0.0 and -0.0."""
    pairs = zip(one, other, strict=True)
    return all(a is b or (type(a) is type(b) and repr(a) == repr(b) and a == b) for a, b in pairs)
