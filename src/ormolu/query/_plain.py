"""Types that leave values as they are: a subclass or a decorator may only add a name or DDL.

What code of the program's own makes of values may fail, or look at the request. So the question is
what a type does, not whose it is. Knows no request.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

__all__ = ["is_plain", "plain_type"]

_OURS = frozenset({"ormolu", "sqlalchemy"})
_KNOWN = _OURS | {"abc", "builtins", "typing"}

# What a type may say otherwise without a part in its values; it is asked what it loads.
_HARMLESS = frozenset(
    {"cache_ok", "copy", "get_col_spec", "impl", "load_dialect_impl", "python_type"}
)


def is_plain(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Tell whether a type's values are read and written by SQLAlchemy or by us alone."""
    return plain_type(type_, dialect) is not None


def plain_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any] | None:
    """Return the type of SQLAlchemy's or ours that reads and writes values; None if none does."""
    # A variant for this backend is a type of its own, and so are an array's items.
    kinds = [type_, type_.dialect_impl(dialect)]
    if any(_has_code(type(each)) for each in kinds):
        return None
    item = getattr(type_, "item_type", None)
    if item is not None and not is_plain(item, dialect):
        return None
    if isinstance(type_, TypeDecorator) and not _is_ours(type(type_)):
        return plain_type(type_.load_dialect_impl(dialect), dialect)
    return type_


def _is_ours(kind: type[Any]) -> bool:
    return kind.__module__.partition(".")[0] in _OURS


def _has_code(kind: type[Any]) -> bool:
    """Tell whether a class says anything otherwise than SQLAlchemy that values may go through."""
    own = [each for each in kind.__mro__ if each.__module__.partition(".")[0] not in _KNOWN]
    if own and issubclass(kind, UserDefinedType):
        # Its values are the driver's, of which nobody knows.
        return True
    base = next(each for each in kind.__mro__ if _is_ours(each))
    names = {name for each in own for name in vars(each)} - _HARMLESS
    return any(_has_part(name) and hasattr(base, name) for name in names)


def _has_part(name: str) -> bool:
    # SQLAlchemy makes some for each class, by which it finds what compiles it.
    is_made = name.startswith("__") or name.endswith("_compiler_dispatch")
    return not is_made or name in {"__getattr__", "__getattribute__"}
