"""Types of parameters: those of the columns beside them, without their limits.

SQLAlchemy has PostgreSQL cast each value to the type of the column: 0.099 was 0.10, and each text
in a list was as long as the column has place for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

__all__ = ["unlimited"]

_TEXTS = frozenset({sa.String, sa.Unicode, sa.VARCHAR})


def unlimited(type_: Any) -> Any:
    """Return the type of a parameter that is compared with values of a type."""
    make = next((make for kind, make in _MAKERS if isinstance(type_, kind)), None)
    return type_ if make is None else make(type_)


def _decimal(type_: Any) -> Any:
    is_limited = type_.precision is not None and not isinstance(type_, sa.Float)
    return sa.Numeric(asdecimal=type_.asdecimal) if is_limited else type_


def _bits(type_: Any) -> Any:
    return type_ if type_.varying and type_.length is None else postgresql.BIT(varying=True)


def _interval(type_: Any) -> Any:
    is_limited = type_.precision is not None or type_.fields is not None
    return postgresql.INTERVAL() if is_limited else type_


def _list(type_: Any) -> Any:
    item = type_.item_type
    # A text alone is cast without its length.
    is_limited = type(item) in _TEXTS and item.length is not None
    other = type(item)(collation=item.collation) if is_limited else unlimited(item)
    if other is item or type(type_) not in {sa.ARRAY, postgresql.ARRAY}:
        return type_
    options = {name: getattr(type_, name) for name in ("as_tuple", "dimensions", "zero_indexes")}
    return type(type_)(other, **options)


# The first that fits is used.
_MAKERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (sa.Numeric, _decimal),
    (postgresql.BIT, _bits),
    (postgresql.INTERVAL, _interval),
    (sa.ARRAY, _list),
)
