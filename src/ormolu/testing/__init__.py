"""What the tests of an application need: a PostgreSQL server, fixtures, counters, faults.

Loaded by tests, and by commands that measure on a throw-away server; never by an application.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ormolu.testing._postgresql import PostgreSQLServer as PostgreSQLServer
    from ormolu.testing._postgresql import postgresql as postgresql

_PLACES = {
    **dict.fromkeys(("PostgreSQLServer", "postgresql"), "ormolu.testing._postgresql"),
}

__all__ = ["PostgreSQLServer", "postgresql"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value
