"""SQLAlchemy for FastAPI, correct by construction.

The names here are the whole face: everything else is SQLAlchemy's and FastAPI's own. Each is
loaded when it is first asked for, so that `sqlite+ormolu` alone does not load FastAPI.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ormolu.database import Database as Database
    from ormolu.engines import SchemaMode as SchemaMode
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
    from ormolu.errors import RefusedError as RefusedError
    from ormolu.errors import RolledBackError as RolledBackError
    from ormolu.errors import SchemaMismatchError as SchemaMismatchError
    from ormolu.errors import SessionClosedError as SessionClosedError
    from ormolu.errors import UnavailableError as UnavailableError
    from ormolu.errors import UsageError as UsageError
    from ormolu.models import Model as Model
    from ormolu.models import UTCDateTime as UTCDateTime
    from ormolu.resources import Explanation as Explanation
    from ormolu.resources import HookName as HookName
    from ormolu.resources import Page as Page
    from ormolu.resources import Policy as Policy
    from ormolu.resources import Resource as Resource
    from ormolu.resources import resource as resource
    from ormolu.sessions import after_commit as after_commit
    from ormolu.web import ReadSessionDep as ReadSessionDep
    from ormolu.web import SessionDep as SessionDep
    from ormolu.web import deadline as deadline
    from ormolu.web import request_session as request_session
    from ormolu.web import retry as retry

_ROOMS = {
    "Database": "ormolu.database",
    **dict.fromkeys(
        (
            "ConcurrentUseError",
            "ConfigurationError",
            "DatabaseDownError",
            "LazyLoadError",
            "NaiveDatetimeError",
            "NoUnitOfWorkError",
            "OrmoluError",
            "OutcomeUnknownError",
            "OverloadedError",
            "ReadOnlyError",
            "RefusedError",
            "RolledBackError",
            "SchemaMismatchError",
            "SessionClosedError",
            "UnavailableError",
            "UsageError",
        ),
        "ormolu.errors",
    ),
    **dict.fromkeys(
        ("Model", "UTCDateTime"),
        "ormolu.models",
    ),
    # Two types for annotations alone are found here too, but are not of the face.
    **dict.fromkeys(
        ("Explanation", "HookName", "Page", "Policy", "Resource", "resource"), "ormolu.resources"
    ),
    "SchemaMode": "ormolu.engines",
    "after_commit": "ormolu.sessions",
    **dict.fromkeys(
        ("ReadSessionDep", "SessionDep", "deadline", "request_session", "retry"), "ormolu.web"
    ),
}

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
    "Page",
    "Policy",
    "ReadOnlyError",
    "ReadSessionDep",
    "RefusedError",
    "Resource",
    "RolledBackError",
    "SchemaMismatchError",
    "SchemaMode",
    "SessionClosedError",
    "SessionDep",
    "UTCDateTime",
    "UnavailableError",
    "UsageError",
    "after_commit",
    "deadline",
    "request_session",
    "resource",
    "retry",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(_ROOMS[name]), name)
    return value
