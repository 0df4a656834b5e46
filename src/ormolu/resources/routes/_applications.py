"""Which resources an application has, and what each of them shows there.

The routes of an application say which resources are in it; there is no other list. A resource is
made before it is included, so what its relations lead to is known once the application starts, or
is asked for the first time, and again when its routes change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette

from ormolu.errors import ConfigurationError
from ormolu.resources.declare import Declaration, Exposure, Registry, made
from ormolu.web import (
    Outer,
    Table,
    application_of,
    attached_applications,
    hear_outer,
    mounted_in,
    outer_routers,
    routers_in,
)

__all__ = ["all_of", "exposure_for", "find_resources"]

_KEY = "ormolu_resources"

hear_outer(made.note_change)


class Resource(Protocol):
    """A resource, as far as it is looked for here.

    Attributes:
        declaration: What it declares.
        alone: What speaks for it in no application, and of how many changes that knows.
    """

    declaration: Declaration
    alone: tuple[int, Registry] | None


@dataclass(frozen=True)
class Found:
    """The resources of one application, as its routes said last.

    Attributes:
        table: The routes.
        own: What the resources among them declare.
        registry: What each shows, and each that speaks beside them.
    """

    table: Table
    own: frozenset[Declaration]
    registry: Registry

    def is_current(self) -> bool:
        """Tell whether it is still so."""
        return not self.registry.is_outdated and self.table.is_current()


def find_resources(app: Starlette) -> Found:
    """Return the resources of an application, looked for anew if its routes have changed.

    Raises:
        ConfigurationError: It is not certain what a relation leads to.
    """
    found = _kept(app)
    if found is not None and found.is_current():
        return found
    with made.lock:
        changes, table, own = made.changes, Table(app), _own(app)
        declarations, strays = _declarations_for(app, own)
        if found is not None and {*found.registry.declarations} == {*declarations, *strays}:
            registry = found.registry
        else:
            registry = Registry(declarations, strays)
            registry.check(own)
        registry.changes = changes
        made.included.update(own)
        found = Found(table, frozenset(own), registry)
        setattr(app.state, _KEY, found)
    return found


def _kept(app: Starlette) -> Found | None:
    return getattr(app.state, _KEY, None)


def exposure_for(resource: Resource, session: AsyncSession | None) -> Exposure:
    """Return what a resource shows to a call from Python.

    Args:
        resource: The resource.
        session: The call's; that of a request tells the application, that of a database often.

    Raises:
        ConfigurationError: It is in several applications, which show other things.
    """
    declaration = resource.declaration
    app = application_of(session)
    if app is not None and declaration in (registry := find_resources(app).registry).declarations:
        return registry.exposure(declaration)
    homes = _homes_of(declaration, attached_applications(session))
    homes = homes or _homes_of(declaration, attached_applications())
    if not homes:
        return _alone(resource).exposure(declaration)
    found = [find_resources(each).registry.exposure(declaration) for each in homes]
    if any(each.trace != found[0].trace for each in found):
        message = (
            f"resource({declaration.name}) is in {len(found)} applications, in which its relations "
            "show other things. Write resource(...) where each application is made, or call it "
            "with the session of a request."
        )
        raise ConfigurationError(message)
    return found[0]


def _declarations_for(
    app: Starlette, own: Iterable[Declaration]
) -> tuple[list[Declaration], list[Declaration]]:
    """Return what speaks in an application: its own resources first, and those that are in none.

    Of a model that it has none of, those of the application that it is mounted in; those by which
    others that are mounted with it or in it close something; and those that never were in one,
    since somebody declared what may be seen of the model.
    """
    found = list(own)
    for layer in (*_around(app), _beside(app)):
        models = {each.model for each in found}
        found += [each for each in layer if each.model not in models]
    models = {each.model for each in found}
    strays = [each for each in _in_no_application(models) if each not in made.included]
    return found, strays


def _own(app: Starlette | Outer) -> list[Declaration]:
    """Return what the routes of an application serve, and what is named by it."""
    found: dict[Declaration, None] = {}
    for router in routers_in(app):
        endpoints = (getattr(each, "endpoint", None) for each in router.routes)
        askings = (getattr(each, "asking", None) for each in endpoints)
        declared = (getattr(each, "kept", None) for each in askings)
        for each in (getattr(router, "declaration", None), *declared):
            if isinstance(each, Declaration):
                found[each] = None
    return _with_named(found)


def _with_named(declarations: Iterable[Declaration]) -> list[Declaration]:
    """Return declarations and those that they name in their includes."""
    found: dict[Declaration, None] = {}
    waiting = list(declarations)
    while waiting:
        each = waiting.pop(0)
        if each not in found:
            found[each] = None
            waiting += [given for given in each.includes.values() if given is not None]
    return list(found)


def _around(app: Starlette) -> list[list[Declaration]]:
    """Return what the applications declare that one is mounted in, the nearest first."""
    ways = [way for root in _roots() for way in _ways(root, app)]
    levels = zip_longest(*(reversed(way) for way in ways))
    return [
        list(dict.fromkeys(found for each in level if each is not None for found in _own(each)))
        for level in levels
    ]


def _beside(app: Starlette) -> list[Declaration]:
    """Return what is closed by all applications that are mounted in one with this, or in this."""
    families = [list(_family(root)) for root in _roots()]
    declared = [each for family in families if app in family for other in family
                for each in _own(other)]  # fmt: skip
    # What others leave open says nothing here.
    closed = (each for each in declared if each.policy is not None or each.hidden)
    return list(dict.fromkeys(closed))


def _roots() -> list[Starlette | Outer]:
    """Return the applications that others may be mounted in."""
    return [*attached_applications(), *outer_routers()]


def _family(root: Starlette | Outer) -> Iterator[Starlette | Outer]:
    yield root
    for each in mounted_in(root):
        yield from all_of(each)


def _ways(root: Starlette | Outer, app: Starlette) -> Iterator[list[Starlette | Outer]]:
    for each in mounted_in(root):
        if each is app:
            yield [root]
        else:
            yield from ([root, *way] for way in _ways(each, app))


def all_of(root: Starlette) -> Iterator[Starlette]:
    """Yield an application and those that are mounted in it."""
    yield root
    for each in mounted_in(root):
        yield from all_of(each)


def _in_no_application(models: Collection[type[Any]]) -> list[Declaration]:
    """Return what is declared of other models than these by resources in no application."""
    candidates = {each for each in made.declarations() if each.model not in models}
    if candidates:
        for root in _roots():
            for each in _family(root):
                candidates.difference_update(_own(each))
    return sorted(candidates, key=lambda each: each.path)


def _homes_of(declaration: Declaration, roots: Iterable[Starlette]) -> list[Starlette]:
    """Return the applications that a resource is in."""
    return [each for root in roots for each in all_of(root) if declaration in _served(each)]


def _served(app: Starlette) -> Collection[Declaration]:
    found = _kept(app)
    return found.own if found is not None and found.table.is_current() else _own(app)


def _alone(resource: Resource) -> Registry:
    """Return the resources that speak for one in no application: all others that are in none."""
    kept = resource.alone
    if kept is None or kept[0] != made.changes:
        changes = made.changes
        named = _with_named([resource.declaration])
        strays = [each for each in _in_no_application(()) if each not in named]
        kept = resource.alone = (changes, Registry(named, strays))
    return kept[1]
