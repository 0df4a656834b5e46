"""The declarative base: what is right for every model is its default.

Knows SQLAlchemy's ORM; no engine, no session, no web framework.
"""

from ormolu.models._datetimes import UTCDateTime
from ormolu.models._lazy import not_loaded_message
from ormolu.models._model import Model

__all__ = ["Model", "UTCDateTime", "not_loaded_message"]
