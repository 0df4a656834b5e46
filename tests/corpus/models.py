"""All classes of the projects, and a resource of each."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy.orm import Mapper

from ormolu import Resource, resource
from tests.corpus import (
    agents,
    flows,
    heroes,
    incidents,
    legacy,
    recipes,
    school,
    shop,
    trials,
    workspace,
)
from tests.corpus.tables import METADATA, NATIVE

__all__ = ["models_of", "resources"]

_PROJECTS = (
    agents, flows, heroes, incidents, legacy, recipes, school, shop, trials, workspace,
)  # fmt: skip


@cache
def models_of(*, has_native: bool) -> tuple[Mapper[Any], ...]:
    """Return the mappers of all classes, those first that others refer to.

    Args:
        has_native: Whether with those that PostgreSQL alone can have.
    """
    for each in _registries():
        # Not those of other tests, of which some are wrong on purpose.
        each.configure()
    tables = [*METADATA.sorted_tables, *(NATIVE.sorted_tables if has_native else ())]
    places = {table: place for place, table in enumerate(tables)}
    found = [each for registry in _registries() for each in registry.mappers
             if each.local_table in places]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (places[each.local_table], each.class_.__name__)))


@cache
def resources() -> dict[str, Resource]:
    """Return a resource of each class by its path; its answers may have the rows of relations.

    There is one for each class: with several it would not be certain what relations lead to.
    """
    found = {}
    for mapper in models_of(has_native=True):
        model = mapper.class_
        path = f"/{model.__module__.rpartition('.')[2]}/{model.__name__.lower()}"
        found[path] = resource(model, path=path, includes=set(mapper.relationships.keys()))
    return found


def _registries() -> list[Any]:
    bases = [value for project in _PROJECTS for value in vars(project).values()
             if isinstance(value, type) and hasattr(value, "registry")]  # fmt: skip
    return list(dict.fromkeys([*[base.registry for base in bases], legacy.BY_HAND]))
