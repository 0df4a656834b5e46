"""What differs from database to database: one object for each, and one for any other.

Knows SQLAlchemy's dialects and types; no engine, no model, no request.
"""

from ormolu.backends._conversions import Conversion, has_meaning
from ormolu.backends._exact_json import is_member, step_by_step
from ormolu.backends._exact_text import ExactText, exact_text
from ormolu.backends._generic import Backend, Unreadiness
from ormolu.backends._mysql import is_short_float
from ormolu.backends._patterns import pieces_of
from ormolu.backends._postgresql import POSTGRESQL
from ormolu.backends._registry import BACKENDS, backend_named, backend_of, name_of
from ormolu.backends._sides import (
    NUMBER_FUNCTIONS,
    TEXT_FUNCTIONS,
    choices_of,
    name_of_function,
    without_grouping,
    without_quantifier,
)

__all__ = [
    "BACKENDS", "NUMBER_FUNCTIONS", "POSTGRESQL", "TEXT_FUNCTIONS", "Backend", "Conversion",
    "ExactText", "Unreadiness", "backend_named", "backend_of", "choices_of", "exact_text",
    "has_meaning", "is_member", "is_short_float", "name_of", "name_of_function", "pieces_of",
    "step_by_step", "without_grouping", "without_quantifier",
]  # fmt: skip
