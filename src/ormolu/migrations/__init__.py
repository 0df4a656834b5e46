"""Migrations of a database, by Alembic. Needs the extra `migrations`.

Knows engines; no session, no web framework. `Migrations` and `options` load Alembic.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ormolu.migrations._place import Place, find_place

if TYPE_CHECKING:
    from ormolu.migrations._migrations import Migrations as Migrations
    from ormolu.migrations._options import options as options

__all__ = ["Migrations", "Place", "find_place", "options"]


_FILES = {
    "Migrations": "ormolu.migrations._migrations",
    "options": "ormolu.migrations._options",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_FILES[name]), name)
