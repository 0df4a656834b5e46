"""Types whose values only SQLAlchemy and Ormolu convert, also if the program subclasses them.

The program's own conversions may fail, or depend on the request. What counts is what a type does,
not who wrote it: a subclass or a decorator may just add a name or DDL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

__all__ = ["is_plain", "plain_type"]

_OURS = frozenset({"ormolu", "sqlalchemy"})
_KNOWN = _OURS | {"abc", "builtins", "typing"}

# Overriding these does not convert values; `load_dialect_impl` is called to see what it returns.
_HARMLESS = frozenset(
    {"cache_ok", "copy", "get_col_spec", "impl", "load_dialect_impl", "python_type"}
)


def is_plain(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Tell whether only SQLAlchemy and Ormolu convert a type's values."""
    return plain_type(type_, dialect) is not None


def plain_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any] | None:
    """Return the type of SQLAlchemy or Ormolu that converts the values; None if another does."""
    # Also look at the variant for this backend, and at the items of an array.
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
    """Tell whether a class overrides something that may convert values."""
    own = [each for each in kind.__mro__ if each.__module__.partition(".")[0] not in _KNOWN]
    if own and issubclass(kind, UserDefinedType):
        # Its values are the driver's, and not known.
        return True
    base = next(each for each in kind.__mro__ if _is_ours(each))
    names = {name for each in own for name in vars(each)} - _HARMLESS
    return any(_has_part(name) and hasattr(base, name) for name in names)


def _has_part(name: str) -> bool:
    # SQLAlchemy adds `_compiler_dispatch` names to each class.
    is_internal = name.startswith("__") or name.endswith("_compiler_dispatch")
    return not is_internal or name in {"__getattr__", "__getattribute__"}
