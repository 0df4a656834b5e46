"""What a model's annotations ask of a value, beside what its column can hold."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin

import sqlalchemy as sa
from annotated_types import BaseMetadata, Ge, GroupedMetadata, Le, MaxLen, Not, Predicate
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError
from pydantic import Field as PydanticField
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["with_rules"]

_log = logging.getLogger("ormolu")

_BITS = {sa.SmallInteger: 15, sa.BigInteger: 63, sa.Integer: 31}

_PROBES: dict[Any, Any] = {
    int: 1, str: "a", float: 0.5, Decimal: Decimal(1), bool: True, bytes: b"a",
    datetime: datetime(2000, 1, 1), date: date(2000, 1, 1), uuid.UUID: uuid.UUID(int=1),
}  # fmt: skip

# What their values hold is no value of a column.
_WRAPPERS = frozenset({"Json", "SecretBytes", "SecretStr"})


def with_rules(
    name: str, type_: TypeEngine[Any], kind: Any, annotation: Any, rules: Sequence[Any]
) -> Any:
    """Return what a column's values must be for Pydantic, with the rules of its annotation.

    Args:
        name: Of the column, for the log.
        type_: Of the column.
        kind: What the column can hold.
        annotation: What stands in `Mapped[...]`.
        rules: What stands there with it.
    """
    asked = [each for rule in rules for each in _parts(rule) if not _is_wider(each, type_)]
    for make in (lambda: _narrowing(annotation, type_), lambda: asked):
        kind = _tried(name, kind, make)
    return kind


def _tried(name: str, kind: Any, make: Callable[[], Sequence[Any]]) -> Any:
    """Return a type with more rules, if Pydantic can ask them of it."""
    try:
        rules = make()
        narrowed = _joined(kind, rules) if rules else kind
        if rules:
            TypeAdapter(narrowed)
            _probe(kind, rules)
    except (ImportError, PydanticUserError, RuntimeError, TypeError) as error:
        _log.warning("%s: its annotation cannot be checked (%s).", name, error)
        return kind
    return narrowed


def _probe(kind: Any, rules: Sequence[Any]) -> None:
    """Ask constraints, which are no code of the program's, of a value of the kind.

    Raises:
        TypeError: One has no meaning for it, of which Pydantic tells only then.
    """
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    plain = [each for each in rules if isinstance(each, BaseMetadata)
             and not isinstance(each, (Not, Predicate))]  # fmt: skip
    if base in _PROBES and plain:
        probed: Any = Annotated[(base, *plain)]
        with suppress(ValidationError):
            TypeAdapter(probed).validate_python(_PROBES[base])


def _joined(kind: Any, rules: Sequence[Any]) -> Any:
    """Put rules where they see the bare value, before what looks at the one that is stored."""
    if get_origin(kind) is not Annotated:
        return Annotated[(kind, *rules)]
    base, *ours = get_args(kind)
    first = 1 if isinstance(ours[0], FieldInfo) else 0
    return Annotated[(base, *ours[:first], *rules, *ours[first:])]


def _parts(rule: Any) -> Iterator[Any]:
    if isinstance(rule, GroupedMetadata):
        for each in rule:
            yield from _parts(each)
    else:
        yield rule


def _is_wider(rule: Any, type_: TypeEngine[Any]) -> bool:
    """Tell whether a rule allows more than a column holds: it would stand in for our own."""
    if isinstance(rule, MaxLen):
        most = getattr(type_, "length", None)
        return most is not None and rule.max_length > most
    bits = next((bits for kind, bits in _BITS.items() if isinstance(type_, kind)), None)
    if bits is None:
        return False
    limit: Any = rule.ge if isinstance(rule, Ge) else rule.le if isinstance(rule, Le) else 0
    return not -(2**bits) <= limit < 2**bits


def _narrowing(annotation: Any, type_: TypeEngine[Any]) -> Sequence[Any]:
    """Return the rules of a type that is more than the column's own: an address, some words."""
    is_words = get_origin(annotation) is Literal and not isinstance(type_, sa.Enum)
    if isinstance(type_, TypeDecorator) or not (is_words or _is_pydantic(annotation)):
        return ()
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def check(value: Any) -> Any:
        read = adapter.validate_python(value)
        # A URL of Pydantic's is an object; what is stored is its text.
        return str(read) if isinstance(value, str) and not isinstance(read, str) else read

    return AfterValidator(check), PydanticField(json_schema_extra=adapter.json_schema())


def _is_pydantic(annotation: Any) -> bool:
    """Tell whether a class of Pydantic's checks plain values: an e-mail address, a URL."""
    if not isinstance(annotation, type) or annotation.__name__ in _WRAPPERS:
        return False
    is_own = hasattr(annotation, "__get_pydantic_core_schema__")
    return is_own and not issubclass(annotation, BaseModel)
