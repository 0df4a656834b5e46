"""The Python type of a decorated column's values.

It is taken from the annotation in `Mapped[...]`, what is known of a package's types, `python_type`,
the decorator's own annotations, or what the backends store, in this order. Without any of these the
column is opaque. Knows no HTTP.
"""

from __future__ import annotations

import enum
import inspect
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import sqlalchemy as sa
from pydantic import BaseModel, IPvAnyAddress, TypeAdapter
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.mutable import Mutable
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.query._stored import (
    reads_as_inner,
    reads_as_stored,
    stored_types,
    undecorated,
    variant_types,
)

__all__ = [
    "SECRET", "Like", "is_readable", "plain_hint", "python_type_of", "value_type", "without_none",
]  # fmt: skip


class _Secret:
    """Stands for values that are never shown: a password's hash."""


@dataclass(frozen=True)
class Like:
    """Stands for the values of another SQL type, which are stored in another form."""

    type: TypeEngine[Any]


SECRET = _Secret()


def python_type_of(type_: TypeEngine[Any], annotation: Any) -> Any:
    """Return the Python type of a column's values; None where it is not known.

    Returns:
        A type that Pydantic knows, `SECRET`, or `Like`.
    """
    known = _known_type(type_)
    if known is SECRET or _is_closed(known):
        return known
    hints = (plain_hint(annotation), known, *_own_hints(type_))
    return next((hint for hint in hints if _is_usable(hint)), None)


def value_type(type_: TypeEngine[Any], annotation: Any = None) -> TypeEngine[Any]:
    """Return the plain type of a column that tells what its values are in Python.

    It is that of the class in `Mapped[...]`, else the one known of a package's type, else the type
    that is decorated or has variants.
    """
    plain, kind = undecorated(type_), get_origin(annotation) or annotation
    if isinstance(kind, type) and kind not in {Any, object}:
        for each in (plain, *variant_types(type_)):
            if _has_values_of(each, kind):
                return each
    known = _known_type(type_)
    return known.type if isinstance(known, Like) else plain


def _has_values_of(type_: TypeEngine[Any], kind: type[Any]) -> bool:
    """Tell whether values of a plain type are of a class."""
    for types, known in _PYTHON_TYPES:
        if isinstance(type_, types):
            return issubclass(kind, known)
    try:
        python: type[Any] = type_.python_type
    except NotImplementedError:
        return False
    return python is not object and issubclass(kind, python)


# The values of types for which SQLAlchemy's `python_type` is not precise.
_PYTHON_TYPES: tuple[tuple[Any, Any], ...] = (
    (sa.JSON, (dict, list)),
    (
        (
            postgresql.BIT, postgresql.CIDR, postgresql.INET, postgresql.MACADDR,
            postgresql.MACADDR8,
        ),
        str,
    ),
)  # fmt: skip


def _is_closed(known: Any) -> bool:
    """Tell whether a type is a fixed set of values, about which an annotation may say less."""
    return get_origin(known) is Literal or (
        isinstance(known, type) and issubclass(known, enum.Enum)
    )


def plain_hint(hint: Any) -> Any:
    """Return the plain container for one of SQLAlchemy's Mutable ones; any other hint itself."""
    origin = get_origin(hint) or hint
    if not isinstance(origin, type) or not issubclass(origin, Mutable):
        return hint
    containers: tuple[Any, ...] = (dict, list, set)
    plain = next((each for each in containers if issubclass(origin, each)), None)
    arguments = get_args(hint)
    return plain[arguments] if plain is not None and arguments else plain


def without_none(hint: Any) -> Any:
    """Return a type without None."""
    parts = [part for part in get_args(hint) if part is not type(None)]
    is_optional = type(None) in get_args(hint)
    return Union[tuple(parts)] if is_optional and parts else hint  # noqa: UP007 -- of a tuple


def _is_usable(hint: Any) -> bool:
    """Tell whether a hint says what the values are."""
    if hint is None or hint in {Any, object} or isinstance(hint, (TypeVar, str)):
        return False
    # An iterator can be read only once.
    is_iterator = bool({get_origin(hint), hint} & {Iterable, Generator})
    return isinstance(hint, Like) or (not is_iterator and is_readable(hint))


def is_readable(hint: Any) -> bool:
    """Tell whether Pydantic can read and write values of a type."""
    try:
        TypeAdapter(hint)
        return not any(_is_empty(each) for each in _classes_in(hint))
    except Exception:  # whatever a class of the program's own raises when it is inspected
        return False


def _classes_in(hint: Any) -> Iterator[Any]:
    """Yield a type and those in its brackets: `list[A | None]` has A, too."""
    yield get_origin(hint) or hint
    for part in get_args(hint):
        yield from _classes_in(part)


def _is_empty(kind: Any) -> bool:
    """Tell whether a class has no values of its own, but only those of subclasses."""
    if not isinstance(kind, type):
        return False
    if issubclass(kind, enum.Enum):
        return not kind.__members__
    if not issubclass(kind, BaseModel):
        return False
    has_any = bool(kind.model_fields) or kind.model_config.get("extra") == "allow"
    return not has_any or inspect.isabstract(kind)


def _own_hints(type_: Any) -> Iterator[Any]:
    # A `python_type` may fail, for want of an impl.
    with suppress(Exception):
        yield without_none(type_.python_type)
    yield _hint_of(getattr(type_, "process_result_value", None), "return")
    yield _hint_of(getattr(type_, "process_bind_param", None), "value")
    yield from _stored_hints(type_)


def _stored_hints(type_: Any) -> Iterator[Any]:
    """Yield the types that the backends store, where values are read as these."""
    stored = stored_types(type_) if isinstance(type_, TypeDecorator) else []
    yield from (Like(each) for each in stored if isinstance(each, (sa.Uuid, sa.JSON)))
    if reads_as_stored(type_) and stored:
        yield Like(stored[0])
    elif reads_as_inner(type_):
        yield Like(type_.impl_instance)


def _hint_of(function: Any, name: str) -> Any:
    """Return the type that a function takes or returns, unless it is SQLAlchemy's."""
    if function is None or function.__module__.startswith("sqlalchemy."):
        return None
    try:
        hint = without_none(get_type_hints(function).get(name))
    except Exception:  # only type checkers import a name
        return None
    # A decorator that takes several types converts them; that does not tell what it returns.
    return None if get_origin(hint) is Union and name == "value" else hint


def _known_type(type_: Any) -> Any:
    for kind in type(type_).__mro__:
        package = kind.__module__.partition(".")[0]
        read = _KNOWN.get((package, kind.__name__))
        if read is not None:
            return read(type_)
    return None


def _choices(type_: Any) -> Any:
    choices: Any = type_.choices
    if isinstance(choices, type) and issubclass(choices, enum.Enum):
        return choices
    pairs: Any = choices
    codes = tuple(code for code, _ in pairs)
    return Literal[codes] if codes else None


def _always(word: Any) -> Callable[[Any], Any]:
    return lambda _type: word


def _hidden(type_: Any) -> Any:
    return Like(type_.underlying_type)


# Types of well-known packages that do not tell their Python type themselves.
_UTILS, _ALCHEMY, _USERS = "sqlalchemy_utils", "advanced_alchemy", "fastapi_users_db_sqlalchemy"
_KNOWN: dict[tuple[str, str], Callable[[Any], Any]] = {
    (_UTILS, "BitType"): lambda type_: Like(postgresql.BIT(type_.length)),
    (_UTILS, "ChoiceType"): _choices,
    (_UTILS, "StringEncryptedType"): _hidden,
    (_UTILS, "IPAddressType"): _always(IPvAnyAddress),
    (_UTILS, "JSONType"): _always(Like(sa.JSON())),
    (_UTILS, "ScalarListType"): lambda type_: list[_item_of(type_.coerce_func)],  # type: ignore[misc]
    (_UTILS, "PasswordType"): _always(SECRET),
    (_ALCHEMY, "PasswordHash"): _always(SECRET),
    (_ALCHEMY, "TOTPSecret"): _always(SECRET),
    (_USERS, "GUID"): _always(uuid.UUID),
    **{
        (_UTILS, name): _always(str)
        for name in (
            "ColorType", "CountryType", "CurrencyType", "EmailType", "LocaleType", "LtreeType",
            "PhoneNumberType", "TimezoneType", "URLType", "WeekDaysType",
        )
    },
}  # fmt: skip


def _item_of(coerce: Any) -> Any:
    return coerce if isinstance(coerce, type) else str
