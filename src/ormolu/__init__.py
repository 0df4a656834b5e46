"""SQLAlchemy for FastAPI, correct by construction.

The names here are the whole face: everything else is SQLAlchemy's and FastAPI's own.
"""

from ormolu.database import Database as Database
from ormolu.errors import ConcurrentUseError as ConcurrentUseError
from ormolu.errors import ConfigurationError as ConfigurationError
from ormolu.errors import DatabaseDownError as DatabaseDownError
from ormolu.errors import LazyLoadError as LazyLoadError
from ormolu.errors import NaiveDatetimeError as NaiveDatetimeError
from ormolu.errors import NoUnitOfWorkError as NoUnitOfWorkError
from ormolu.errors import OrmoluError as OrmoluError
from ormolu.errors import OutcomeUnknownError as OutcomeUnknownError
from ormolu.errors import OverloadedError as OverloadedError
from ormolu.errors import ReadOnlyError as ReadOnlyError
from ormolu.errors import SchemaMismatchError as SchemaMismatchError
from ormolu.errors import SessionClosedError as SessionClosedError
from ormolu.errors import UnavailableError as UnavailableError
from ormolu.errors import UsageError as UsageError
from ormolu.models import Model as Model
from ormolu.models import UTCDateTime as UTCDateTime
from ormolu.sessions import after_commit as after_commit
from ormolu.web import SessionDep as SessionDep

__all__ = [
    "ConcurrentUseError",
    "ConfigurationError",
    "Database",
    "DatabaseDownError",
    "LazyLoadError",
    "Model",
    "NaiveDatetimeError",
    "NoUnitOfWorkError",
    "OrmoluError",
    "OutcomeUnknownError",
    "OverloadedError",
    "ReadOnlyError",
    "SchemaMismatchError",
    "SessionClosedError",
    "SessionDep",
    "UTCDateTime",
    "UnavailableError",
    "UsageError",
    "after_commit",
]
