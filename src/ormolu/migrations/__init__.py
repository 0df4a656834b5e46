"""Migrations of a database, by Alembic. Needs the extra `migrations`.

Knows engines; no session, no web framework. Only `Migrations` loads Alembic.
"""

from typing import TYPE_CHECKING, Any

from ormolu.migrations._options import options
from ormolu.migrations._place import Place, find_place

if TYPE_CHECKING:
    from ormolu.migrations._migrations import Migrations as Migrations

__all__ = ["Migrations", "Place", "find_place", "options"]


def __getattr__(name: str) -> Any:
    if name != "Migrations":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from ormolu.migrations._migrations import Migrations

    return Migrations
