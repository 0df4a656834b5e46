"""Where a request keeps its units of work: in the ASGI scope, one per database."""

from __future__ import annotations

from starlette.types import Scope

from ormolu.engines import Engines
from ormolu.sessions import UnitOfWork

__all__ = ["STORED_KEY", "note_stored", "open_units", "units_of"]

_KEY = "ormolu.units"

# In the scope of a request once a lane has stored something for it.
STORED_KEY = "ormolu.stored"


def open_units(scope: Scope) -> dict[Engines, UnitOfWork]:
    """Return the request's units of work, kept in its scope from now on.

    Middleware may ask once more with the scope of a request that is over, for another path, say,
    or with another header: what was found for that is forgotten.
    """
    past = units_of(scope).values()
    if past and all(unit.is_over for unit in past):
        for name in [name for name in scope if name.startswith("ormolu.")]:
            del scope[name]
    units: dict[Engines, UnitOfWork] = scope.setdefault(_KEY, {})
    return units


def note_stored(scope: Scope) -> None:
    """Note that a lane has stored something for a request: it must not be run again."""
    scope[STORED_KEY] = True


def units_of(scope: Scope) -> dict[Engines, UnitOfWork]:
    """Return the request's units of work, empty where no gate was passed."""
    units: dict[Engines, UnitOfWork] = scope.get(_KEY, {})
    return units
