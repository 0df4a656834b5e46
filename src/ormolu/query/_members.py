"""Members of enumerations: their JSON, and how they are read from it."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, to_jsonable_python

__all__ = ["have_distinct_forms", "member_texts", "member_type"]


def member_type(kind: type[enum.Enum], *, is_compared: bool, may_be_several: bool) -> Any:
    """Return Pydantic's type of the members of an enumeration.

    Args:
        kind: The enumeration.
        is_compared: Whether it is for operands, which may be text of a query string.
        may_be_several: Whether a combination of flags is a value, too.
    """
    if may_be_several and issubclass(kind, enum.Flag):
        return Annotated[kind, BeforeValidator(_read_digits)] if is_compared else kind
    is_simple = _is_simple(kind)
    if is_simple and not is_compared:
        return kind
    read = BeforeValidator(_reader_of(kind, is_compared=is_compared, is_simple=is_simple))
    if is_simple:
        return Annotated[kind, read]
    forms = [form for _, form in _forms_of(kind)]
    return Annotated[kind, read, WithJsonSchema({"title": kind.__name__, "enum": forms})]


def have_distinct_forms(kind: type[enum.Enum]) -> bool:
    """Tell whether each member has a JSON form that no other has."""
    try:
        texts = [_text_of(form) for _, form in _forms_of(kind)]
    except Exception:  # a value of the program's own that Pydantic does not know
        return False
    return len(set(texts)) == len(texts)


def member_texts(type_: Any, annotation: Any) -> list[str]:
    """Return the text of each member of a column's enumeration in a path or a query string."""
    kind = getattr(type_, "enum_class", None) or annotation
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return list(type_.enums)
    return [form if isinstance(form, str) else _text_of(form) for _, form in _forms_of(kind)]


@lru_cache(maxsize=1000)
def _forms_of(kind: type[enum.Enum]) -> Sequence[tuple[enum.Enum, Any]]:
    """Return the members, with named combinations of flags, and the JSON form of each."""
    members = {id(each): each for each in kind.__members__.values()}.values()
    return [(each, to_jsonable_python(each.value, bytes_mode="base64")) for each in members]


def _text_of(form: Any) -> str:
    """Return the JSON of a value, which is the same for equal values.

    Raises:
        ValueError: The value is infinite or NaN.
    """
    is_whole = isinstance(form, float) and form.is_integer()
    return json.dumps(int(form) if is_whole else form, sort_keys=True, allow_nan=False)


def _is_simple(kind: type[enum.Enum]) -> bool:
    """Tell whether Pydantic reads and describes a class rightly: all text, or all integers."""
    types = {type(each.value) for each in kind}
    has_others = len(kind.__members__) > len(kind) or issubclass(kind, enum.Flag)
    return not has_others and (types <= {str} or types <= {int})


def _reader_of(
    kind: type[enum.Enum], *, is_compared: bool, is_simple: bool
) -> Callable[[Any], Any]:
    known = {_text_of(form): member for member, form in _forms_of(kind)}
    listed = ", ".join(known)

    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        text = _text_of(to_jsonable_python(value, bytes_mode="base64", fallback=str))
        if text not in known and is_compared and isinstance(value, str):
            # Paths and query strings have the JSON of values that are no text.
            text = _json_in(value)
        if text in known or is_simple:
            return known.get(text, value)
        raise PydanticCustomError("enum", "Must be one of {listed}", {"listed": listed})

    return read


def _json_in(value: str) -> str:
    try:
        return _text_of(json.loads(value))
    except (RecursionError, ValueError):
        return ""


def _read_digits(value: Any) -> Any:
    is_number = isinstance(value, str) and value.isascii() and value.isdigit()
    return int(value) if is_number else value
