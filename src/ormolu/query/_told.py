"""What the values of a decorated column are in Python, and who tells it.

In this order: the annotation in `Mapped[...]`, what is known of a package's types, `python_type`,
the decorator's own annotations, and what the backends store. Where nobody tells it, the column
is opaque. Knows no HTTP.
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
    named_types,
    reads_as_inner,
    reads_as_stored,
    stored_types,
    undecorated,
)

__all__ = ["SECRET", "Like", "is_readable", "plain_hint", "told_type", "value_type", "without_none"]


class _Secret:
    """Stands for values that nobody is ever shown: a password's hash."""


@dataclass(frozen=True)
class Like:
    """Stands for the values of another SQL type, which are stored in a form of their own."""

    type: TypeEngine[Any]


SECRET = _Secret()


def told_type(type_: TypeEngine[Any], annotation: Any) -> Any:
    """Return the Python type of a column's values; None where nobody tells it.

    Returns:
        A type that Pydantic knows, `SECRET`, or `Like`.
    """
    known = _known_type(type_)
    if known is SECRET or _is_closed(known):
        return known
    words = (plain_hint(annotation), known, *_own_words(type_))
    return next((word for word in words if _tells(word)), None)


def value_type(type_: TypeEngine[Any], annotation: Any = None) -> TypeEngine[Any]:
    """Return which of the plain types that a program names for a column says what its values are.

    That of the class in `Mapped[...]`, else what is known of a package's type, else the type that
    is decorated or has variants.
    """
    plain, kind = undecorated(type_), get_origin(annotation) or annotation
    if isinstance(kind, type) and kind not in {Any, object}:
        for each in (plain, *named_types(type_)):
            if _has_values_of(each, kind):
                return each
    known = _known_type(type_)
    return known.type if isinstance(known, Like) else plain


def _has_values_of(type_: TypeEngine[Any], kind: type[Any]) -> bool:
    """Tell whether values of a plain type are of a class; of some types SQLAlchemy does not say."""
    for types, known in _UNSAID:
        if isinstance(type_, types):
            return issubclass(kind, known)
    try:
        python: type[Any] = type_.python_type
    except NotImplementedError:
        return False
    return python is not object and issubclass(kind, python)


_UNSAID: tuple[tuple[Any, Any], ...] = (
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
    """Tell whether a type takes some values only, of which an annotation may say less."""
    return get_origin(known) is Literal or (
        isinstance(known, type) and issubclass(known, enum.Enum)
    )


def plain_hint(hint: Any) -> Any:
    """Return a type that Pydantic knows for a container that tells SQLAlchemy of its changes."""
    origin = get_origin(hint) or hint
    if not isinstance(origin, type) or not issubclass(origin, Mutable):
        return hint
    containers: tuple[Any, ...] = (dict, list, set)
    plain = next((each for each in containers if issubclass(origin, each)), None)
    arguments = get_args(hint)
    return plain[arguments] if plain is not None and arguments else plain


def without_none(hint: Any) -> Any:
    """Return a type without None: whether a column has a value is asked elsewhere."""
    parts = [part for part in get_args(hint) if part is not type(None)]
    is_optional = type(None) in get_args(hint)
    return Union[tuple(parts)] if is_optional and parts else hint  # noqa: UP007 -- of a tuple


def _tells(word: Any) -> bool:
    if word is None or word in {Any, object} or isinstance(word, (TypeVar, str)):
        return False
    # Of an iterator the values are gone once they have been looked at.
    is_kept = get_origin(word) not in {Iterable, Generator} and word not in {Iterable, Generator}
    return isinstance(word, Like) or (is_kept and is_readable(word))


def is_readable(word: Any) -> bool:
    """Tell whether Pydantic makes values of a type, and writes them again."""
    try:
        TypeAdapter(word)
        return not any(_is_empty(each) for each in _classes_in(word))
    except Exception:  # whatever a class of the program's own raises when it is looked at
        return False


def _classes_in(word: Any) -> Iterator[Any]:
    """Yield a type and those in its brackets: of `list[A | None]` A, too."""
    yield get_origin(word) or word
    for part in get_args(word):
        yield from _classes_in(part)


def _is_empty(kind: Any) -> bool:
    """Tell whether a class says of its values only that they are of some subclass."""
    if not isinstance(kind, type):
        return False
    if issubclass(kind, enum.Enum):
        return not kind.__members__
    if not issubclass(kind, BaseModel):
        return False
    has_any = bool(kind.model_fields) or kind.model_config.get("extra") == "allow"
    return not has_any or inspect.isabstract(kind)


def _own_words(type_: Any) -> Iterator[Any]:
    # Some look into an impl that is not there.
    with suppress(Exception):
        yield without_none(type_.python_type)
    yield _hint_of(getattr(type_, "process_result_value", None), "return")
    yield _hint_of(getattr(type_, "process_bind_param", None), "value")
    yield from _stored_words(type_)


def _stored_words(type_: Any) -> Iterator[Any]:
    """Yield what the backends store, where that says what the values are."""
    stored = stored_types(type_) if isinstance(type_, TypeDecorator) else []
    yield from (Like(each) for each in stored if isinstance(each, (sa.Uuid, sa.JSON)))
    if reads_as_stored(type_) and stored:
        yield Like(stored[0])
    elif reads_as_inner(type_):
        yield Like(type_.impl_instance)


def _hint_of(function: Any, name: str) -> Any:
    """Return what a function of the program's own takes or returns; SQLAlchemy's say nothing."""
    if function is None or function.__module__.startswith("sqlalchemy."):
        return None
    try:
        hint = without_none(get_type_hints(function).get(name))
    except Exception:  # a name that is there for type checkers only
        return None
    # Of what a decorator takes, several types say that it coerces: not what its values are.
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


# Types of well-known packages that say nothing themselves, or of their impl alone.
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
