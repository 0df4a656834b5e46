"""Exposures: what a declaration shows of its model, and of the models behind its relations.

The models behind are shown as their own resources declare them, under their own policies.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any

from sqlalchemy import Column

from ormolu.errors import ConfigurationError
from ormolu.query import Relation, View
from ormolu.resources._declaration import Declaration, Names, declare
from ormolu.resources._mapped import check_table, is_ambiguous
from ormolu.resources._policy import EVERYTHING, Policy
from ormolu.resources._schemas import Schemas, schemas_of
from ormolu.resources._shaping import Public, public_of

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
        self._open_views: dict[bool, View] = {}
        self._siblings: weakref.WeakSet[Exposure]
        info = declaration.metadata.info
        self._siblings = info.setdefault(_INFO_KEY, weakref.WeakSet())
        if is_declared:
            self._siblings.add(self)

    @cached_property
    def schemas(self) -> Schemas:
        """Return the Pydantic models."""
        return schemas_of(self.declaration)

    @cached_property
    def public(self) -> Public | None:
        """Return the public model that the program brings."""
        return public_of(self.declaration)

    @property
    def called_targets(self) -> dict[str, Exposure]:
        """Return what each relation leads to, by what clients call it."""
        names = self.declaration.names
        return {names[relation]: target for relation, target in self.targets.items()}

    @cached_property
    def columns(self) -> dict[Column[Any], str]:
        """Return the attribute of each column."""
        props = self.declaration.mapper.column_attrs
        return {column: prop.key for prop in props for column in prop.columns
                if isinstance(column, Column)}  # fmt: skip

    def call(self, column: Column[Any], name: str, hidden: Names, *, is_new: bool) -> str | None:
        """Return what clients call a column in errors, None if they must not hear of it.

        Args:
            column: Of this model, or of any other.
            name: Of the attribute that is mapped to it.
            hidden: Attributes that a policy hides.
            is_new: Whether a new row is written, not changes of one.
        """
        attribute = self.columns.get(column)
        if attribute is None:
            return name
        body = self.schemas.created if is_new else self.schemas.changed
        seen = {field.attribute for field in self.declaration.readable.values()} | body.open
        return body.pointer(attribute) if attribute in seen - hidden else None

    def withdraw(self) -> None:
        """Take back the declaration: something in it is wrong."""
        self._siblings.discard(self)

    @cached_property
    def ambiguous(self) -> AbstractSet[str]:
        """Return the names of relations to one row that may find several."""
        relations = self.declaration.mapper.relationships
        return {name for name in self.declaration.includes if is_ambiguous(relations[name])}

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
        self._open_views = {}

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
        # Called in the way of those that it is shown with.
        generate = self.declaration.generate
        if (model, generate) not in defaults:
            check_table(model.__mapper__, f"resource({self.declaration.name}): {model.__name__}")
            path = f"/{model.__mapper__.local_table.name}"
            declaration = declare(
                model=model, path=path, operations=frozenset(), alias_generator=generate
            )
            defaults[model, generate] = Exposure(declaration, is_declared=False)
        exposure: Exposure = defaults[model, generate]
        return exposure

    def view(self, policies: Policies | None, *, is_raw: bool = False) -> View:
        """Return what one request may see; None stands for the program itself, which sees all.

        Args:
            policies: What the request's policies allow.
            is_raw: Whether values stay as they are read, whatever a public model makes of them.
        """
        is_open = not any(each.declaration.policy for each in self.reached)
        if policies or not (policies is None or is_open):
            return _ViewMaker(policies, is_raw=is_raw).make(self)
        if is_raw not in self._open_views:
            self._open_views[is_raw] = _ViewMaker(None, is_raw=is_raw).make(self)
        return self._open_views[is_raw]

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

    def __init__(self, policies: Policies | None, *, is_raw: bool) -> None:
        self._policies = policies
        self._is_raw = is_raw
        self._made: dict[Exposure, View] = {}

    def make(self, exposure: Exposure) -> View:
        if exposure not in self._made:
            self._made[exposure] = self._make(exposure)
        return self._made[exposure]

    def _make(self, exposure: Exposure) -> View:
        declaration = exposure.declaration
        policy = exposure.policy(self._policies)
        public = None if self._is_raw else exposure.public
        shape = None if public is None else public.shape(policy.hidden)
        seen = declaration.readable
        if policy.hidden:
            seen = {name: each for name, each in seen.items()
                    if each.attribute not in policy.hidden
                    and (shape is None or name in shape.members)}  # fmt: skip
        names, mapped = declaration.names, declaration.mapper.relationships
        relations = {
            names[key]: Relation(
                names[key],
                key,
                bool(mapped[key].uselist),
                self._later(target),
                is_first=key in exposure.ambiguous,
            )
            for key, target in exposure.targets.items()
            if key not in policy.hidden
        }
        return View(
            model=declaration.model, fields=seen, keys=declaration.keys, relations=relations,
            searchable=tuple(sorted(names[key] for key in declaration.searchable)),
            visible=policy.seen, shape=shape,
        )  # fmt: skip

    def _later(self, exposure: Exposure) -> Any:
        return lambda: self.make(exposure)
