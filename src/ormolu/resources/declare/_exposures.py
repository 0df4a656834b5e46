"""Exposures: what a declaration shows of its model in one application, and of those behind it.

The models behind are shown as their own resources declare them, under their own policies; those
that have none as what they inherit from, or what inherits from them, allows. Which resources these
are is the registry's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import Column

from ormolu.errors import ConfigurationError
from ormolu.query import Relation, View
from ormolu.resources.declare._declaration import Declaration, Names
from ormolu.resources.declare._mapped import is_ambiguous
from ormolu.resources.declare._policy import EVERYTHING, Policy, kept_apart
from ormolu.resources.declare._relatives import Guard
from ormolu.resources.declare._schemas import Schemas, schemas_of
from ormolu.resources.declare._shaping import Public, public_of

__all__ = ["Exposure", "Policies", "apart"]

Policies = Mapping["Exposure", Policy]


class Resources(Protocol):
    """The resources of one application: its registry, as far as one of them has to know it."""

    @property
    def strays(self) -> AbstractSet[Declaration]: ...

    @property
    def is_outdated(self) -> bool: ...

    def target(self, declaration: Declaration, name: str) -> Exposure: ...


class Exposure:
    """What is shown of one model in one application.

    Attributes:
        declaration: What the program declared.
        registry: The resources of the application.
        guards: What speaks for the model if it has no resource of its own.
        is_declared: Whether the program declared it, and not what is shown without a declaration.
        shown: The schema of a row in the document that was made last.
        works: What answers its requests, once there were some.
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
        self.shown: Any = None
        self.works: Any = None
        self._open_views: dict[bool, View] = {}

    @property
    def schemas(self) -> Schemas:
        """Return the Pydantic models."""
        schemas: Schemas = self.declaration.once(schemas_of)
        return schemas

    @property
    def public(self) -> Public | None:
        """Return the public model that the program brings."""
        public: Public | None = self.declaration.once(public_of)
        return public

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
        # Asked for their policies, but not for what they lead to.
        guards = [guard.exposure for each in found for guard in each.guards]
        return list(found | dict.fromkeys(guards))

    @property
    def trace(self) -> list[Any]:
        """Return what tells whether another application shows the same."""
        return [
            each.declaration
            if each.is_declared
            else (each.declaration.model, each.declaration.hidden)
            for each in self.reached
        ]

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


def apart(policies: Policies) -> Policies:
    """Return policies whose conditions stand beside each other, and mean the same there."""
    return {
        each: kept_apart(policy, place) for place, (each, policy) in enumerate(policies.items())
    }


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

    def _policy_of(self, exposure: Exposure) -> Policy:
        policy = exposure.policy(self._policies)
        for guard in exposure.guards:
            policy = guard.narrow(policy, guard.exposure.policy(self._policies))
        return policy

    def _later(self, exposure: Exposure) -> Any:
        return lambda: self.make(exposure)
