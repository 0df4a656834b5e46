"""Exposures: what one application shows of a model, and of the models that its relations lead to.

Those are shown as their own resources declare, under their own policies. A model without a resource
is shown as the resources of its base classes and subclasses allow. The registry finds all these.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property, partial
from typing import Any, Protocol

from sqlalchemy import Column

from ormolu.errors import ConfigurationError
from ormolu.query import Relation, View
from ormolu.resources.declare._declaration import Declaration, Names
from ormolu.resources.declare._mapped import is_ambiguous
from ormolu.resources.declare._policy import EVERYTHING, Policy, isolate_policy
from ormolu.resources.declare._relatives import Guard
from ormolu.resources.declare._schemas import Schemas, schemas_of
from ormolu.resources.declare._shaping import Public, public_of

__all__ = ["Exposure", "Policies", "isolate_policies"]

Policies = Mapping["Exposure", Policy]


class Resources(Protocol):
    """The part of a `Registry` that an exposure uses."""

    @property
    def unserved(self) -> AbstractSet[Declaration]: ...

    @property
    def is_outdated(self) -> bool: ...

    def target(self, declaration: Declaration, name: str) -> Exposure: ...


class Exposure:
    """What is shown of one model in one application.

    Attributes:
        declaration: What the program declared.
        registry: The resources of the application.
        guards: The resources of relatives that restrict the model if it has no resource itself.
        is_declared: Whether the program declared it; else it is what is shown by default.
        documented: The schema of a row in the latest OpenAPI document.
        works: The works of its operations, once there were requests.
    """

    def __init__(
        self,
        declaration: Declaration,
        registry: Resources,
        guards: tuple[Guard[Exposure], ...] = (),
        *,
        is_declared: bool = True,
    ) -> None:
        self.declaration: Declaration = declaration
        self.registry: Resources = registry
        self.guards: tuple[Guard[Exposure], ...] = guards
        self.is_declared = is_declared
        self.documented: Any = None
        self.works: Any = None
        self._open_views: dict[bool, View] = {}

    @property
    def schemas(self) -> Schemas:
        """Return the Pydantic models."""
        return self.declaration.cached(schemas_of)

    @property
    def public(self) -> Public | None:
        """Return the public model that the program brings."""
        return self.declaration.cached(public_of)

    @cached_property
    def targets(self) -> dict[str, Exposure]:
        """Return what each relation leads to.

        Raises:
            ConfigurationError: That is not certain.
        """
        return {
            name: self.registry.target(self.declaration, name) for name in self.declaration.includes
        }

    @property
    def targets_by_name(self) -> dict[str, Exposure]:
        """Return what each relation leads to, by the client's name of the relation."""
        names = self.declaration.names
        return {names[relation]: target for relation, target in self.targets.items()}

    @cached_property
    def columns(self) -> dict[Column[Any], str]:
        """Return the attribute of each column."""
        props = self.declaration.mapper.column_attrs
        return {column: prop.key for prop in props for column in prop.columns
                if isinstance(column, Column)}  # fmt: skip

    def client_name(
        self, column: Column[Any], name: str, hidden: Names, *, is_new: bool
    ) -> str | None:
        """Return the name of a column in errors, None if clients must not learn of it.

        Args:
            column: A column of this model, or of any other.
            name: The attribute that is mapped to it.
            hidden: Attributes that a policy hides.
            is_new: Whether a new row is written, rather than changes of one.
        """
        attribute = self.columns.get(column)
        if attribute is None:
            return name
        body = self.schemas.created if is_new else self.schemas.changed
        seen = {field.attribute for field in self.declaration.readable.values()} | body.open
        return body.pointer(attribute) if attribute in seen - hidden else None

    @cached_property
    def ambiguous(self) -> AbstractSet[str]:
        """Return the names of relations to one row that may find several."""
        relations = self.declaration.mapper.relationships
        return {name for name in self.declaration.includes if is_ambiguous(relations[name])}

    @cached_property
    def reached(self) -> list[Exposure]:
        """Return every exposure that a request of this one may touch, itself first.

        Raises:
            ConfigurationError: It is not certain what a relation leads to.
        """
        found: dict[Exposure, None] = {}
        waiting: list[Exposure] = [self]
        while waiting:
            exposure = waiting.pop(0)
            if exposure not in found:
                found[exposure] = None
                waiting += exposure.targets.values()
        # Their policies are needed, but not what their relations lead to.
        guards = [guard.exposure for each in found for guard in each.guards]
        return list(found | dict.fromkeys(guards))

    @property
    def fingerprint(self) -> list[Any]:
        """Return a value that is equal for exposures in two applications that show the same."""
        return [
            each.declaration
            if each.is_declared
            else (each.declaration.model, each.declaration.hidden)
            for each in self.reached
        ]

    def view(self, policies: Policies | None, *, is_raw: bool = False) -> View:
        """Return what one request may see.

        Args:
            policies: The request's policies; None for the program itself, which sees all.
            is_raw: Whether values are returned as they are read, without the public model.
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


def isolate_policies(policies: Policies) -> Policies:
    """Return policies whose conditions can be used together in one statement."""
    return {
        each: isolate_policy(policy, place) for place, (each, policy) in enumerate(policies.items())
    }


class _ViewMaker:
    """Makes the views of one request, each once, since relations may be circular."""

    def __init__(self, policies: Policies | None, *, is_raw: bool) -> None:
        self._policies = policies
        self._is_raw = is_raw
        self._views: dict[Exposure, View] = {}

    def make(self, exposure: Exposure) -> View:
        if exposure not in self._views:
            self._views[exposure] = self._make(exposure)
        return self._views[exposure]

    def _make(self, exposure: Exposure) -> View:
        declaration = exposure.declaration
        policy = self._policy_of(exposure)
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
                partial(self.make, target),
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

    def _policy_of(self, exposure: Exposure) -> Policy:
        policy = exposure.policy(self._policies)
        for guard in exposure.guards:
            policy = guard.narrow(policy, guard.exposure.policy(self._policies))
        return policy
