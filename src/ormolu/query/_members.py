"""Members of enumerations: what JSON has of each, and how it is found again.

Knows no column, no HTTP.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, to_jsonable_python

__all__ = ["are_told_apart", "member_texts", "member_type"]


def member_type(kind: type[enum.Enum], *, is_compared: bool, may_be_several: bool) -> Any:
    """Return Pydantic's type of the members of a class.

    Args:
        kind: The class.
        is_compared: Whether a value is compared with, which may be text of a query string.
        may_be_several: Whether several flags are a value, too, and no member.
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


def are_told_apart(kind: type[enum.Enum]) -> bool:
    """Tell whether JSON has a form of each member, and no two have the same."""
    try:
        texts = [_text_of(form) for _, form in _forms_of(kind)]
    except Exception:  # a value of the program's own that Pydantic does not know
        return False
    return len(set(texts)) == len(texts)


def member_texts(type_: Any, annotation: Any) -> list[str]:
    """Return what each member of a column's enumeration is in a path or a query string."""
    kind = getattr(type_, "enum_class", None) or annotation
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return list(type_.enums)
    return [form if isinstance(form, str) else _text_of(form) for _, form in _forms_of(kind)]


@lru_cache(maxsize=1000)
def _forms_of(kind: type[enum.Enum]) -> Sequence[tuple[enum.Enum, Any]]:
    """Return the members, those of several flags among them, and what JSON has of each."""
    members = {id(each): each for each in kind.__members__.values()}.values()
    return [(each, to_jsonable_python(each.value, bytes_mode="base64")) for each in members]


def _text_of(form: Any) -> str:
    """Return the JSON of a value, the same for equal values.

    Raises:
        ValueError: JSON has none: it is infinite, or no number.
    """
    is_whole = isinstance(form, float) and form.is_integer()
    return json.dumps(int(form) if is_whole else form, sort_keys=True, allow_nan=False)


def _is_simple(kind: type[enum.Enum]) -> bool:
    """Tell whether Pydantic reads and describes a class as it is: words, or whole numbers."""
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
            # A path and a query string have the JSON of what is no text.
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
