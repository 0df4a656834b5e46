"""Exposures: what a declaration shows of its model, and of the models behind its relations.

The models behind are shown as their own resources declare them, under their own policies.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from ormolu.errors import ConfigurationError
from ormolu.query import Relation, View
from ormolu.resources._declaration import Declaration, declare
from ormolu.resources._mapped import check_table
from ormolu.resources._policy import EVERYTHING, Policy
from ormolu.resources._schemas import Schemas, schemas_of

__all__ = ["Exposure", "Policies"]

Policies = Mapping["Exposure", Policy]

_INFO_KEY = "ormolu.resources"
_DEFAULTS_KEY = "ormolu.defaults"


class Exposure:
    """What is shown of one model.

    Attributes:
        declaration: What the program declared.
        targets: What each relation leads to, as declared by the last `resolve`.
        shown: The schema of a row in the document that was made last.
        rebuild: Makes anew what was made of `targets`, once another exposure is declared.
    """

    def __init__(self, declaration: Declaration, *, is_declared: bool = True) -> None:
        self.declaration: Declaration = declaration
        self.rebuild: Callable[[], None]
        self.shown: Any = None
        self.targets: dict[str, Exposure] = {}
        self._open_view: View | None = None
        self._siblings: weakref.WeakSet[Exposure]
        info = declaration.metadata.info
        self._siblings = info.setdefault(_INFO_KEY, weakref.WeakSet())
        if is_declared:
            self._siblings.add(self)

    @cached_property
    def schemas(self) -> Schemas:
        """Return the Pydantic models."""
        return schemas_of(self.declaration)

    def withdraw(self) -> None:
        """Take back the declaration: something in it is wrong."""
        self._siblings.discard(self)

    @property
    def dependents(self) -> list[Exposure]:
        """Return the declared exposures that lead to this one's model."""
        model = self.declaration.model
        return [
            other
            for other in list(self._siblings)
            if other is not self and any(each.declaration.model is model for each in other.reached)
        ]

    @property
    def reached(self) -> list[Exposure]:
        """Return every exposure that a request of this one may touch, itself first."""
        found: list[Exposure] = []
        waiting: list[Exposure] = [self]
        while waiting:
            exposure = waiting.pop(0)
            if exposure not in found:
                found.append(exposure)
                waiting += exposure.targets.values()
        return found

    def resolve(self) -> None:
        """Find what each relation leads to, as declared by now.

        Raises:
            ConfigurationError: Several resources show the model behind one.
        """
        self.targets = {name: self._target(name) for name in self.declaration.includes}
        self._open_view = None

    def _target(self, name: str) -> Exposure:
        given = self.declaration.includes[name]
        if given is not None:
            exposure: Exposure = given.exposure
            return exposure
        model = self.declaration.mapper.relationships[name].mapper.class_
        declared = [each for each in list(self._siblings) if each.declaration.model is model]
        if len(declared) > 1:
            paths = " and ".join(sorted(each.declaration.path for each in declared))
            message = (
                f"resource({self.declaration.name}): {name!r} may be shown as {paths} declare it. "
                f"Name the one: includes={{{name!r}: the_resource}}."
            )
            raise ConfigurationError(message)
        return declared[0] if declared else self._default_of(model)

    def _default_of(self, model: type[Any]) -> Exposure:
        """Return what is shown of a model that has no resource of its own."""
        defaults = self.declaration.metadata.info.setdefault(_DEFAULTS_KEY, {})
        if model not in defaults:
            check_table(model.__mapper__, f"resource({self.declaration.name}): {model.__name__}")
            path = f"/{model.__mapper__.local_table.name}"
            declaration = declare(model=model, path=path, operations=frozenset())
            defaults[model] = Exposure(declaration, is_declared=False)
        exposure: Exposure = defaults[model]
        return exposure

    def view(self, policies: Policies | None) -> View:
        """Return what one request may see; None stands for the program itself, which sees all."""
        is_open = not any(each.declaration.policy for each in self.reached)
        if policies or not (policies is None or is_open):
            return _ViewMaker(policies).make(self)
        if self._open_view is None:
            self._open_view = _ViewMaker(None).make(self)
        return self._open_view

    def policy(self, policies: Policies | None) -> Policy:
        """Return the policy of this exposure's own rows.

        Raises:
            ConfigurationError: It has one, and none was given for this call.
        """
        if policies is None or self.declaration.policy is None:
            return (policies or {}).get(self, EVERYTHING)
        if self not in policies:
            name = self.declaration.name
            message = f"{name} has a policy: give policies={{{name}: Policy(...)}} for this call."
            raise ConfigurationError(message)
        return policies[self]


class _ViewMaker:
    """Makes the views of one request, each once, so that circles of relations end."""

    def __init__(self, policies: Policies | None) -> None:
        self._policies = policies
        self._made: dict[Exposure, View] = {}

    def make(self, exposure: Exposure) -> View:
        if exposure not in self._made:
            self._made[exposure] = self._make(exposure)
        return self._made[exposure]

    def _make(self, exposure: Exposure) -> View:
        declaration = exposure.declaration
        policy = exposure.policy(self._policies)
        fields = declaration.readable
        if policy.hidden:
            fields = {name: each for name, each in fields.items() if name not in policy.hidden}
        relations = {
            name: Relation(
                name,
                name,
                bool(declaration.mapper.relationships[name].uselist),
                self._later(target),
            )
            for name, target in exposure.targets.items()
            if name not in policy.hidden
        }
        searchable = tuple(sorted(declaration.searchable))
        return View(declaration.model, fields, declaration.keys, relations, searchable, policy.seen)

    def _later(self, exposure: Exposure) -> Any:
        return lambda: self.make(exposure)
