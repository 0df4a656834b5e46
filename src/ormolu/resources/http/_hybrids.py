"""Hybrid properties, whose SQL is made anew each time, maybe of the clock or of the request.

A plan has them as they were when it was made. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, inspect
from sqlalchemy.sql import visitors

from ormolu.lanes import NotDoneError
from ormolu.query import View
from ormolu.web import NoDoorError

__all__ = ["Hybrids"]


class Hybrids:
    """What SQL computes with values of Python's, as it was when a door was opened."""

    def __init__(self, views: Iterable[View]) -> None:
        """Look at what may be seen.

        Raises:
            NoDoorError: A value is another one each time.
        """
        self._made: list[tuple[type[Any], str, Any]] = []
        for view in views:
            fields = (*view.fields.values(), *(view.shape.fields if view.shape else ()))
            for name in dict.fromkeys(each.attribute for each in fields if each.is_computed):
                self._note(view.model, name)
        self._check_twice()

    def check(self) -> None:
        """Check that statements made now would be those that were made then.

        Raises:
            NotDoneError: They would not.
        """
        for model, name, made in self._made:
            if not made.compare(_element_of(model, name)):
                raise NotDoneError(name)

    def __bool__(self) -> bool:
        """Tell whether there is something to check."""
        return bool(self._made)

    def _note(self, model: type[Any], name: str) -> None:
        made = _element_of(model, name)
        has_values = any(isinstance(each, BindParameter) for each in visitors.iterate(made))
        if has_values and name not in inspect(model).attrs:
            self._made.append((model, name, made))

    def _check_twice(self) -> None:
        try:
            self.check()
        except NotDoneError as error:
            message = f"{error} is computed with other values each time"
            raise NoDoorError(message) from error


def _element_of(model: type[Any], name: str) -> Any:
    element = getattr(model, name)
    return element.__clause_element__() if hasattr(element, "__clause_element__") else element
