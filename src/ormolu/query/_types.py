"""Questions about a column's type, which the table in `_kinds` answers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from ormolu.query._kinds import family_of, kind_of
from ormolu.query._readers import STRING_CHARACTERS
from ormolu.query._stored import undecorated

__all__ = ["STRING_CHARACTERS", "filtered_type", "is_json", "is_long", "is_text"]


def filtered_type(type_: TypeEngine[Any]) -> Any:
    """Return Pydantic's type of a value to compare with."""
    return kind_of(type_).filtered


def is_text(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column has text."""
    return family_of(type_) == "text"


def is_long(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column may have longer text than rows are sorted by."""
    plain: Any = undecorated(type_)
    if not is_text(type_):
        return False
    return isinstance(plain, sa.Text) if plain.length is None else plain.length > STRING_CHARACTERS


def is_json(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column has JSON."""
    return isinstance(undecorated(type_), sa.JSON)
