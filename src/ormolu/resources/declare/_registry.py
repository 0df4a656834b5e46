"""A registry: the resources of one application, and what each of them shows there.

It knows no application: `routes/_applications.py` finds the resources of one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import inspect
from sqlalchemy.orm import RelationshipProperty

from ormolu.errors import ConfigurationError
from ormolu.resources.declare._declaration import Declaration, declare
from ormolu.resources.declare._exposures import Exposure
from ormolu.resources.declare._relatives import find_between, find_guarded, guards_of

__all__ = ["Registry", "live_resources"]


class HasDeclaration(Protocol):
    """The part of a `Resource` that the registry uses."""

    declaration: Declaration


class _LiveResources:
    """All resources of the program that are in use, also those that no application serves.

    Attributes:
        changes: Counts new resources, routes added to them, and applications seen around others.
        included: Declarations that an application has ever served, though it may be gone.
        lock: Held while somebody looks at the resources and caches what was found.
    """

    def __init__(self) -> None:
        self.changes: int = 0
        self.included: weakref.WeakSet[Declaration] = weakref.WeakSet()
        self.lock: AbstractContextManager[bool] = threading.RLock()
        # By id: routers have no hash.
        self._all: weakref.WeakValueDictionary[int, HasDeclaration] = weakref.WeakValueDictionary()

    def add(self, resource: HasDeclaration) -> None:
        """Add a resource, without keeping it alive."""
        with self.lock:
            self._all[id(resource)] = resource
            self.changes += 1

    def note_change(self) -> None:
        """Note that a resource has another route, or that an application is mounted in another."""
        with self.lock:
            self.changes += 1

    def declarations(self) -> set[Declaration]:
        """Return their declarations."""
        with self.lock:
            return {each.declaration for each in self._all.values()}


live_resources: _LiveResources = _LiveResources()


class Registry:
    """The resources of one application, which show what each other's relations lead to.

    Attributes:
        declarations: Their declarations.
        unserved: Those of them that no application serves, and that another one may serve later.
        changes: `live_resources.changes` as it was when these were looked for.
    """

    def __init__(
        self, declarations: Sequence[Declaration], unserved: Sequence[Declaration] = ()
    ) -> None:
        self.declarations: tuple[Declaration, ...] = (*declarations, *unserved)
        self.unserved: frozenset[Declaration] = frozenset(unserved)
        self.changes: int = live_resources.changes
        self._exposures = {each: Exposure(each, self) for each in self.declarations}
        self._named: dict[Declaration, Exposure] = {}
        self._defaults: dict[Any, Exposure] = {}

    @property
    def is_outdated(self) -> bool:
        """Tell whether a resource was made since then, or has another route."""
        return self.changes != live_resources.changes

    def exposure(self, declaration: Declaration) -> Exposure:
        """Return what a resource shows here, also one that only `includes` names."""
        found = self._exposures.get(declaration) or self._named.get(declaration)
        if found is None:
            found = self._named[declaration] = Exposure(declaration, self)
        return found

    def check(self, declarations: Iterable[Declaration]) -> None:
        """Check that it is certain what the relations of some resources lead to.

        Raises:
            ConfigurationError: It is not.
        """
        for each in declarations:
            assert self.exposure(each).reached

    def target(self, declaration: Declaration, name: str) -> Exposure:
        """Return what a relation of a resource leads to.

        Raises:
            ConfigurationError: That is not certain.
        """
        given = declaration.includes[name]
        if given is not None:
            return self.exposure(given)
        relation = declaration.mapper.relationships[name]
        model = relation.mapper.class_
        place = f"resource({declaration.name}): {name!r} leads to {model.__name__}"
        self._check_between(relation, place)
        known = [each for each in self._exposures.values() if each.declaration.model is model]
        if not known:
            return self._default_of(model, declaration, place)
        self._check_one(known, place, name)
        return known[0]

    def _check_between(self, relation: RelationshipProperty[Any], place: str) -> None:
        """Check that the `secondary` table of a relation is of no resource with a policy.

        Raises:
            ConfigurationError: It is, and the relation would show pairs that the policy hides.
        """
        found = find_between(relation, self._exposures.values())
        if found is not None:
            model = relation.mapper.class_.__name__
            message = (
                f"{place} over the table of {found.declaration.name}, for which "
                f"{found.declaration.path} has a policy. Include {found.declaration.name}, and "
                f"from there {model}; or name a resource of {model}, if all of these pairs are "
                f"for everybody: includes={{{relation.key!r}: the_resource}}."
            )
            raise ConfigurationError(message)

    def _default_of(self, model: type[Any], origin: Declaration, place: str) -> Exposure:
        """Return what is shown by default of a model without a resource."""
        guards = guards_of(model, self._exposures.values(), place)
        known = inspect(model).all_orm_descriptors.keys()
        named = {name for guard in guards for name in guard.names_of(guard.concealed)}
        hidden = frozenset(named & set(known))
        # Its names are generated as those of the resource that leads to it.
        generate = origin.generate
        kind = (model, generate, hidden)
        if kind not in self._defaults:
            path = f"/{model.__mapper__.local_table.name}"
            declaration = declare(
                model=model, path=path, operations=frozenset(), alias_generator=generate,
                hidden=hidden,
            )  # fmt: skip
            self._defaults[kind] = Exposure(declaration, self, guards, is_declared=False)
        return self._defaults[kind]

    def _check_one(self, known: Sequence[Exposure], place: str, name: str) -> None:
        """Check that it is certain which resource a relation shows, and under which policy.

        Raises:
            ConfigurationError: It is not.
        """
        paths = " and ".join(sorted(each.declaration.path for each in known))
        advice = f"includes={{{name!r}: the_resource}}"
        if len(known) > 1:
            message = f"{place}, which may be shown as {paths} declare it. Name the one: {advice}."
            raise ConfigurationError(message)
        guarded = find_guarded(known[0].declaration.model, self._exposures.values())
        if known[0].declaration.policy is None and guarded is not None:
            message = (
                f"{place}, and {guarded.declaration.path} has a policy for "
                f"{guarded.declaration.name}, but {paths} has none. Give it one; or name it, if "
                f"all of its rows are for everybody: {advice}."
            )
            raise ConfigurationError(message)
