"""Values of policies that their columns do not take: a mistake of the program's, not a client's."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from sqlalchemy import (
    BigInteger,
    BinaryExpression,
    BindParameter,
    Dialect,
    Integer,
    Numeric,
    SmallInteger,
    TypeDecorator,
)  # fmt: skip
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import visitors
from sqlalchemy.types import NullType, TypeEngine

from ormolu.faults import attach_fault, fault_of
from ormolu.redaction import redact
from ormolu.resources.declare import Policies
from ormolu.sessions import engine_of

__all__ = ["answering_for_policies"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

# The bits of integers, as those that a client may send have.
_BITS = {SmallInteger: 15, BigInteger: 63, Integer: 31}
# Characters that some backends or drivers do not take: NUL, and half of a pair.
_UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")
_NUMBERS = (bool, int, float, Decimal)


class _Caller(Protocol):
    """Whose operations are done, and where."""

    policies: Policies | None
    session: AsyncSession


_C = TypeVar("_C", bound=_Caller)


class _Value(NamedTuple):
    """A value in a condition of a policy.

    Attributes:
        name: Of the resource.
        bind: The parameter that has it.
        other: What it is compared with; None if that is unknown.
        value: The value, or one of a list.
    """

    name: str
    bind: BindParameter[Any]
    other: Any
    value: Any

    @property
    def type(self) -> TypeEngine[Any]:
        """Return the type of the column: SQLAlchemy gives the parameter that of the value."""
        found = getattr(self.other, "type", None)
        if isinstance(found, TypeEngine) and not isinstance(found, NullType):
            return found
        return self.bind.type


def answering_for_policies(
    operation: Callable[Concatenate[_C, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_C, _P], Coroutine[Any, Any, _T]]:
    """Let an operation blame its caller's policies for a value of theirs that is refused."""

    @wraps(operation)
    async def run(self: _C, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await operation(self, *args, **kwargs)
        except StatementError as error:
            if self.policies:
                _blame(error, self.policies, (await engine_of(self.session)).dialect)
            raise

    return run


def _blame(error: StatementError, policies: Policies, dialect: Dialect) -> None:
    """Give an error another fault if a value of a policy is to blame for it."""
    fault = fault_of(error)
    if fault.advice is not None or fault.columns or not fault.may_be_of_value:
        return
    found = _refused(error, fault.argument, [*_values_of(policies)], dialect)
    if found is None:
        return
    place = getattr(found.other, "key", None) or "something"
    advice = (
        f"The policy of resource({found.name}) compares {place} with a value that "
        f"{found.type!r} does not take. Check it where the policy is made."
    )
    blamed = replace(fault, kind="internal_error", advice=advice)
    attach_fault(error, blamed)
    redact(error, blamed)


def _values_of(policies: Policies) -> Iterator[_Value]:
    for exposure, policy in policies.items():
        for rows in policy.conditions:
            for bind, other in () if isinstance(rows, bool) else _parameters_of(rows):
                value: Any = bind.effective_value
                for each in value if bind.expanding else [value]:
                    yield _Value(exposure.declaration.name, bind, other, each)


def _parameters_of(condition: Any) -> list[tuple[BindParameter[Any], Any]]:
    """Return the parameters of a condition, each with what it is compared with."""
    found: dict[int, tuple[BindParameter[Any], Any]] = {}
    for part in visitors.iterate(condition):
        sides: list[tuple[Any, Any]] = [(part, None)]
        if isinstance(part, BinaryExpression):
            sides = [(part.left, part.right), (part.right, part.left)]
        for bind, other in sides:
            if isinstance(bind, BindParameter):
                found.setdefault(id(bind), (bind, other))
    return [*found.values()]


def _refused(
    error: StatementError, argument: int | str | None, values: Sequence[_Value], dialect: Dialect
) -> _Value | None:
    """Return the value that was refused; None if that may be another's."""
    if not isinstance(error, DBAPIError):
        return next((each for each in values if not _is_taken(each, dialect)), None)
    # What a type refuses was not sent with this statement.
    taken = [each for each in values if _is_taken(each, dialect)]
    if argument is None:
        return next((each for each in taken if _is_odd(each, dialect)), None)
    sent: Any = None
    with suppress(LookupError, TypeError):
        sent = error.params[argument]  # type: ignore[index]
    return next((each for each in taken if _is_same(each, sent, dialect)), None)


def _is_taken(value: _Value, dialect: Dialect) -> bool:
    try:
        _processed(value, dialect)
    except Exception:  # whatever the code of a type raises
        return False
    return True


def _is_same(value: _Value, sent: Any, dialect: Dialect) -> bool:
    processed = _processed(value, dialect)
    return type(processed) is type(sent) and bool(processed == sent)


def _processed(value: _Value, dialect: Dialect) -> Any:
    write = value.bind.type.dialect_impl(dialect).bind_processor(dialect)
    return value.value if write is None else write(value.value)


def _is_odd(given: _Value, dialect: Dialect) -> bool:
    """Tell whether a column has other values than this, in Python or for drivers."""
    type_, value, sent = given.type, given.value, _processed(given, dialect)
    if isinstance(sent, str) and _UNSENDABLE.search(sent):
        return True
    if isinstance(sent, int) and not _fits(sent, type_):
        return True
    if value is None or isinstance(type_, TypeDecorator):
        return False
    kinds: Any = object
    with suppress(NotImplementedError):
        kinds = type_.python_type
    if kinds is object:
        return isinstance(sent, dict)
    if kinds in _NUMBERS:
        kinds = _NUMBERS
    elif issubclass(kinds, Enum):
        kinds = (str, kinds)
    return kinds not in {dict, list} and not isinstance(value, kinds)


def _fits(value: int, type_: TypeEngine[Any]) -> bool:
    """Tell whether a column of a type, or any, has a place for a number."""
    plain: Any = type_.impl if isinstance(type_, TypeDecorator) else type_
    if isinstance(plain, Numeric):
        return True
    bits = next((bits for kind, bits in _BITS.items() if isinstance(plain, kind)), 63)
    return (value if value >= 0 else ~value).bit_length() <= bits
