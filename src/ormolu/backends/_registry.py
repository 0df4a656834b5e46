"""Which object stands for a dialect."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Dialect

from ormolu.backends._generic import Backend
from ormolu.backends._mysql import MARIADB, MYSQL
from ormolu.backends._postgresql import COCKROACHDB, POSTGRESQL
from ormolu.backends._sqlite import SQLITE

__all__ = ["BACKENDS", "backend_named", "backend_of", "name_of"]

# By the names that SQLAlchemy's dialects have, and the first part of a URL.
BACKENDS: Mapping[str, Backend] = {
    "cockroachdb": COCKROACHDB,
    "mariadb": MARIADB,
    "mysql": MYSQL,
    "postgresql": POSTGRESQL,
    "sqlite": SQLITE,
}

_GENERIC = Backend()


def backend_named(name: str) -> Backend:
    """Return the backend of a name; that of any other database for a name that is not known."""
    return BACKENDS.get(name, _GENERIC)


def backend_of(dialect: Dialect) -> Backend:
    """Return the backend of a dialect. One look into a dict, so nobody needs to keep it."""
    return BACKENDS.get(dialect.name, _GENERIC)


def name_of(dialect: Dialect) -> str:
    """Return what messages call the database of a dialect."""
    return backend_of(dialect).title or dialect.name
