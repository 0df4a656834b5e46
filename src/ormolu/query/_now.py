"""Hybrid properties of the clock, whose values Python computes anew for each statement.

A cached statement computes them when it is sent. Knows no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from typing import Any

from sqlalchemy import BindParameter, ClauseElement, inspect
from sqlalchemy.sql import visitors

from ormolu.seams import structure_of

__all__ = ["computes_now", "element_of", "with_values_of_now"]


def element_of(expression: Any) -> ClauseElement:
    """Return the SQL of an attribute."""
    is_attribute = hasattr(expression, "__clause_element__")
    element: ClauseElement = expression.__clause_element__() if is_attribute else expression
    return element


def computes_now(model: type[Any], name: str) -> bool:
    """Tell whether an attribute's SQL is always the same, with values that depend on the clock."""
    first, again = [structure_of(element_of(getattr(model, name))) for _ in range(2)]
    if first is None or again is None or first[0] != again[0]:
        return False
    values = [_values_of(binds) for _, binds in (first, again)]
    is_moved = values[0] != values[1] or any(isinstance(each, (date, time)) for each in values[0])
    return is_moved and not any(each.expanding or each.literal_execute for each in first[1])


def _values_of(binds: Sequence[BindParameter[Any]]) -> list[Any]:
    return [each.effective_value for each in binds]


def with_values_of_now(attribute: Any, entity: Any, name: str) -> Any:
    """Return the SQL of an attribute, with values that are computed when it is sent."""
    model = inspect(entity).mapper.class_
    known = structure_of(element_of(attribute))
    assert known is not None
    found = {
        bind.key: BindParameter(
            None, callable_=_Now(model, name, place), type_=bind.type, unique=True
        )
        for place, bind in enumerate(known[1])
    }

    def replace(element: Any, **_: Any) -> Any:
        return found.get(element.key) if isinstance(element, BindParameter) else None

    whole: Any = element_of(attribute)
    return visitors.replacement_traverse(whole, {}, replace)


class _Now:
    """Computes one value in the SQL of a hybrid property."""

    def __init__(self, model: type[Any], name: str, place: int) -> None:
        self._model = model
        self._name = name
        self._place = place

    def __call__(self) -> Any:
        known = structure_of(element_of(getattr(self._model, self._name)))
        assert known is not None
        return known[1][self._place].effective_value
