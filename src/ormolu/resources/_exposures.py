"""Exposures: what a declaration shows of its model, and of the models behind its relations.

The models behind are shown as their own resources declare them, under their own policies; those
that have none as what they inherit from, or what inherits from them, allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import cached_property
from typing import Any

from sqlalchemy import Column, inspect

from ormolu.errors import ConfigurationError
from ormolu.query import Relation, View
from ormolu.resources._declaration import Declaration, Names, declare
from ormolu.resources._mapped import check_table, is_ambiguous
from ormolu.resources._policy import EVERYTHING, Policy
from ormolu.resources._relatives import (
    Guard,
    are_related,
    declared,
    find_guarded,
    guards_of,
    of_model,
)
from ormolu.resources._schemas import Schemas, schemas_of
from ormolu.resources._shaping import Public, public_of

__all__ = ["Exposure", "Policies"]

Policies = Mapping["Exposure", Policy]

_DEFAULTS_KEY = "ormolu.defaults"


class Exposure:
    """What is shown of one model.

    Attributes:
        declaration: What the program declared.
        targets: What each relation leads to, as declared by the last `resolve`.
        guards: What speaks for the model if it has no resource of its own.
        shown: The schema of a row in the document that was made last.
        rebuild: Makes anew what was made of `targets`, once another exposure is declared.
    """

    def __init__(self, declaration: Declaration, *, is_declared: bool = True) -> None:
        self.declaration: Declaration = declaration
        self.rebuild: Callable[[], None]
        self.shown: Any = None
        self.targets: dict[str, Exposure] = {}
        self._open_views: dict[bool, View] = {}
        self.guards: tuple[Guard, ...] = ()
        if is_declared:
            declared.add(self)

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
        declared.discard(self)

    @cached_property
    def ambiguous(self) -> AbstractSet[str]:
        """Return the names of relations to one row that may find several."""
        relations = self.declaration.mapper.relationships
        return {name for name in self.declaration.includes if is_ambiguous(relations[name])}

    @property
    def dependents(self) -> list[Exposure]:
        """Return the declared exposures that lead to this one's model, or to a relative of it."""
        model = self.declaration.model
        return [
            other
            for other in list(declared)
            if other is not self
            and any(are_related(each.declaration.model, model) for each in other.reached)
        ]

    @property
    def reached(self) -> list[Exposure]:
        """Return every exposure that a request of this one may touch, itself first."""
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

    def settle(self) -> list[Exposure]:
        """Take its place among those declared; return it and all that are another by that.

        Raises:
            ConfigurationError: It is not certain what a relation leads to; it is withdrawn.
        """
        dependents = self.dependents
        try:
            for each in (self, *dependents):
                each.resolve()
        except ConfigurationError:
            self.withdraw()
            for each in dependents:
                # As it was without this one.
                with suppress(ConfigurationError):
                    each.resolve()
            raise
        return [self, *dependents]

    def resolve(self) -> None:
        """Find what each relation leads to, as declared by now.

        Raises:
            ConfigurationError: Several resources show the model behind one.
        """
        self.targets = {name: self._target(name) for name in self.declaration.includes}
        self._open_views = {}

    def _target(self, name: str) -> Exposure:
        model = self.declaration.mapper.relationships[name].mapper.class_
        place = f"resource({self.declaration.name}): {name!r} leads to {model.__name__}"
        given = self.declaration.includes[name]
        if given is not None:
            exposure: Exposure = given.exposure
            if not issubclass(exposure.declaration.model, model):
                message = f"{place}, and {exposure.declaration.path} shows no rows of that."
                raise ConfigurationError(message)
            return exposure
        known = of_model(model)
        if not known:
            return self._default_of(model, place)
        _check_one(known, place, name)
        return known[0]

    def _default_of(self, model: type[Any], place: str) -> Exposure:
        """Return what is shown of a model that has no resource of its own."""
        guards = guards_of(model, place)
        known = inspect(model).all_orm_descriptors.keys()
        named = {name for guard in guards for name in guard.names_of(guard.concealed)}
        hidden = frozenset(named & set(known))
        defaults = self.declaration.metadata.info.setdefault(_DEFAULTS_KEY, {})
        # Called in the way of those that it is shown with.
        generate = self.declaration.generate
        kind = (model, generate, hidden)
        if kind not in defaults:
            check_table(model.__mapper__, f"resource({self.declaration.name}): {model.__name__}")
            path = f"/{model.__mapper__.local_table.name}"
            declaration = declare(
                model=model, path=path, operations=frozenset(), alias_generator=generate,
                hidden=hidden,
            )  # fmt: skip
            defaults[kind] = Exposure(declaration, is_declared=False)
        exposure: Exposure = defaults[kind]
        exposure.guards = guards
        exposure._open_views = {}
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


def _check_one(known: list[Exposure], place: str, name: str) -> None:
    """Check that it is certain what a relation shows, and under which policy.

    Raises:
        ConfigurationError: It is not.
    """
    paths = " and ".join(sorted(each.declaration.path for each in known))
    advice = f"includes={{{name!r}: the_resource}}"
    if len(known) > 1:
        message = f"{place}, which may be shown as {paths} declare it. Name the one: {advice}."
        raise ConfigurationError(message)
    guarded = find_guarded(known[0].declaration.model)
    if known[0].declaration.policy is None and guarded is not None:
        message = (
            f"{place}, and {guarded.declaration.path} has a policy for "
            f"{guarded.declaration.name}, but {paths} has none. Give it one; or name it, if all of "
            f"its rows are for everybody: {advice}."
        )
        raise ConfigurationError(message)
