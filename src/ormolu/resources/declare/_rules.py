"""The constraints in a model's annotations, beside those of its columns."""

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

# Pydantic's classes whose values are stored in another form.
_WRAPPERS = frozenset({"Json", "SecretBytes", "SecretStr"})


def with_rules(
    name: str, type_: TypeEngine[Any], kind: Any, annotation: Any, rules: Sequence[Any]
) -> Any:
    """Return Pydantic's type of a column's values, with the constraints of its annotation.

    Args:
        name: Name of the column, for the log.
        type_: SQL type of the column.
        kind: Pydantic's type of what the column can hold.
        annotation: The type in `Mapped[...]`.
        rules: The constraints in it.
    """
    asked = [each for rule in rules for each in _parts(rule) if not _is_wider(each, type_)]
    for make in (lambda: _narrowing(annotation, type_), lambda: asked):
        kind = _tried(name, kind, make)
    return kind


def _tried(name: str, kind: Any, make: Callable[[], Sequence[Any]]) -> Any:
    """Return a type with more constraints, if Pydantic can check them on it."""
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
    """Try constraints on a value of the type, without those that are the program's code.

    Raises:
        TypeError: One does not apply to the type, which Pydantic finds only now.
    """
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    plain = [each for each in rules if isinstance(each, BaseMetadata)
             and not isinstance(each, (Not, Predicate))]  # fmt: skip
    if base in _PROBES and plain:
        probed: Any = Annotated[(base, *plain)]
        with suppress(ValidationError):
            TypeAdapter(probed).validate_python(_PROBES[base])


def _joined(kind: Any, rules: Sequence[Any]) -> Any:
    """Put constraints where they see the plain value, before ours that see the stored one."""
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
    """Tell whether a constraint allows more than a column holds: it would replace our own."""
    if isinstance(rule, MaxLen):
        most = getattr(type_, "length", None)
        return most is not None and rule.max_length > most
    bits = next((bits for kind, bits in _BITS.items() if isinstance(type_, kind)), None)
    if bits is None:
        return False
    limit: Any = rule.ge if isinstance(rule, Ge) else rule.le if isinstance(rule, Le) else 0
    return not -(2**bits) <= limit < 2**bits


def _narrowing(annotation: Any, type_: TypeEngine[Any]) -> Sequence[Any]:
    """Return the constraints of an annotation narrower than its column: an EmailStr, a Literal."""
    is_literal = get_origin(annotation) is Literal and not isinstance(type_, sa.Enum)
    if isinstance(type_, TypeDecorator) or not (is_literal or _is_pydantic(annotation)):
        return ()
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def check(value: Any) -> Any:
        read = adapter.validate_python(value)
        # Pydantic's URLs are objects, of which the text is stored.
        return str(read) if isinstance(value, str) and not isinstance(read, str) else read

    return AfterValidator(check), PydanticField(json_schema_extra=adapter.json_schema())


def _is_pydantic(annotation: Any) -> bool:
    """Tell whether Pydantic checks plain values by a class: an e-mail address, a URL."""
    if not isinstance(annotation, type) or annotation.__name__ in _WRAPPERS:
        return False
    is_own = hasattr(annotation, "__get_pydantic_core_schema__")
    return is_own and not issubclass(annotation, BaseModel)
