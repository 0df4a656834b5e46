"""Which resources an application has, and what each of them shows there.

The routes of an application are the only list of its resources. A resource is made before it is
included, so what its relations lead to is found when the application starts or gets its first
request, and again when its routes change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette

from ormolu.errors import ConfigurationError
from ormolu.resources.declare import Declaration, Exposure, Registry, live_resources
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

_T = TypeVar("_T", bound="Starlette | Outer")

hear_outer(lambda _scope: live_resources.note_change())


class AnyResource(Protocol):
    """The part of a `AnyResource` that is used here.

    Attributes:
        declaration: Its declaration.
        standalone: Its registry without an application, and the count of changes it was made at.
    """

    declaration: Declaration
    standalone: tuple[int, Registry] | None


@dataclass(frozen=True)
class ApplicationResources:
    """The resources of one application, as its routes were last.

    Attributes:
        table: The routes.
        own: The declarations that these serve.
        registry: These, and the others that show or guard what relations lead to.
    """

    table: Table
    own: frozenset[Declaration]
    registry: Registry

    def is_current(self) -> bool:
        """Tell whether this is still true."""
        return not self.registry.is_outdated and self.table.is_current()


def find_resources(app: Starlette) -> ApplicationResources:
    """Return the resources of an application, looked for anew if its routes have changed.

    Raises:
        ConfigurationError: It is not certain what a relation leads to.
    """
    found = _cached(app)
    if found is not None and found.is_current():
        return found
    with live_resources.lock:
        changes, table, own = live_resources.changes, Table(app), _own(app)
        declarations, unserved = _declarations_for(app, own)
        if found is not None and {*found.registry.declarations} == {*declarations, *unserved}:
            registry = found.registry
        else:
            registry = Registry(declarations, unserved)
            registry.check(own)
        registry.changes = changes
        live_resources.included.update(own)
        found = ApplicationResources(table, frozenset(own), registry)
        setattr(app.state, _KEY, found)
    return found


def _cached(app: Starlette) -> ApplicationResources | None:
    return getattr(app.state, _KEY, None)


def exposure_for(resource: AnyResource, session: AsyncSession | None) -> Exposure:
    """Return what a resource shows to a call from Python.

    Args:
        resource: The resource.
        session: Session of the call. It tells the application if it is of a request, and often if
            it is of a database.

    Raises:
        ConfigurationError: Several applications serve it, and show other things.
    """
    declaration = resource.declaration
    app = application_of(session)
    if app is not None and declaration in (registry := find_resources(app).registry).declarations:
        return registry.exposure(declaration)
    apps = _applications_with(declaration, attached_applications(session))
    apps = apps or _applications_with(declaration, attached_applications())
    if not apps:
        return _standalone_registry(resource).exposure(declaration)
    found = [find_resources(each).registry.exposure(declaration) for each in apps]
    if any(each.fingerprint != found[0].fingerprint for each in found):
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
    """Return the declarations that hold in an application, and those that no application serves.

    First come its own. For a model without a resource there follow those of the applications that
    it is mounted in; then those that close something in applications mounted beside or in it; and
    last those that no application has ever served, since they declare what may be seen.
    """
    found = list(own)
    for layer in (*_around(app), _beside(app)):
        models = {each.model for each in found}
        found += [each for each in layer if each.model not in models]
    models = {each.model for each in found}
    unserved = [each for each in _unserved(models) if each not in live_resources.included]
    return found, unserved


def _own(app: Starlette | Outer) -> list[Declaration]:
    """Return the declarations that the routes of an application serve, and those they include."""
    found: dict[Declaration, None] = {}
    for router in routers_in(app):
        declaration = getattr(router, "declaration", None)
        if isinstance(declaration, Declaration):
            found[declaration] = None
        for route in router.routes:
            dependency = getattr(getattr(route, "endpoint", None), "policy_dependency", None)
            if dependency is not None:
                live = getattr(dependency, "live_declaration", None)
                if isinstance(live, Declaration):
                    found[live] = None
    return _with_named(found)


def _with_named(declarations: Iterable[Declaration]) -> list[Declaration]:
    """Return declarations and those that their includes name."""
    found: dict[Declaration, None] = {}
    waiting = list(declarations)
    while waiting:
        each = waiting.pop(0)
        if each not in found:
            found[each] = None
            waiting += [given for given in each.includes.values() if given is not None]
    return list(found)


def _around(app: Starlette) -> list[list[Declaration]]:
    """Return the declarations of the applications that one is mounted in, the nearest first."""
    ways = [way for root in _roots() for way in _ways(root, app)]
    levels = zip_longest(*(reversed(way) for way in ways))
    return [
        list(dict.fromkeys(found for each in level if each is not None for found in _own(each)))
        for level in levels
    ]


def _beside(app: Starlette) -> list[Declaration]:
    """Return the declarations that close something, of applications mounted with or in this one."""
    families = [list(all_of(root)) for root in _roots()]
    declared = [each for family in families if app in family for other in family
                if other is not app for each in _own(other)]  # fmt: skip
    # What others leave open is not open here.
    closed = (each for each in declared if each.policy is not None or each.hidden)
    return list(dict.fromkeys(closed))


def _roots() -> list[Starlette | Outer]:
    """Return the applications that others may be mounted in."""
    return [*attached_applications(), *outer_routers()]


def _ways(root: Starlette | Outer, app: Starlette) -> Iterator[list[Starlette | Outer]]:
    for each in mounted_in(root):
        if each is app:
            yield [root]
        else:
            yield from ([root, *way] for way in _ways(each, app))


def all_of(root: _T) -> Iterator[Starlette | _T]:
    """Yield an application and those that are mounted in it."""
    yield root
    for each in mounted_in(root):
        yield from all_of(each)


def _unserved(models: Collection[type[Any]]) -> list[Declaration]:
    """Return the declarations that no application serves, without those of these models."""
    candidates = {each for each in live_resources.declarations() if each.model not in models}
    if candidates:
        for root in _roots():
            for each in all_of(root):
                candidates.difference_update(_own(each))
    return sorted(candidates, key=lambda each: each.path)


def _applications_with(declaration: Declaration, roots: Iterable[Starlette]) -> list[Starlette]:
    """Return the applications that serve a resource."""
    return [each for root in roots for each in all_of(root) if declaration in _served(each)]


def _served(app: Starlette) -> Collection[Declaration]:
    found = _cached(app)
    return found.own if found is not None and found.table.is_current() else _own(app)


def _standalone_registry(resource: AnyResource) -> Registry:
    """Return the registry of a resource without an application: all that no application serves."""
    cached = resource.standalone
    if cached is None or cached[0] != live_resources.changes:
        changes = live_resources.changes
        named = _with_named([resource.declaration])
        unserved = [each for each in _unserved(()) if each not in named]
        cached = resource.standalone = (changes, Registry(named, unserved))
    return cached[1]
