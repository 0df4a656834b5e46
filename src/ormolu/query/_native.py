"""Readers for types of a single backend: ranges, addresses, bits, sets of names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyInterface,
    IPvAnyNetwork,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from sqlalchemy.dialects.postgresql import BitString
from sqlalchemy.dialects.postgresql.ranges import MultiRange

from ormolu.query import _checks as checks
from ormolu.query import _readers as readers
from ormolu.query._readers import Limits, in_query, text, whole

__all__ = [
    "address", "bit_number", "bits", "hardware_address", "names", "network", "object_id", "span",
    "spans", "texts_by_key", "year",
]  # fmt: skip


def year(_type: Any, _limits: Limits) -> Any:
    """Return the years that MySQL's YEAR has."""
    return whole(1901, 2155)


def object_id(_type: Any, _limits: Limits) -> Any:
    """Return the numbers that PostgreSQL's OID has."""
    return whole(0, 2**32 - 1)


def bit_number(type_: Any, _limits: Limits) -> Any:
    """Return the numbers that MySQL's BIT has."""
    return whole(0, 2 ** (type_.length or 1) - 1)


def texts_by_key(_type: Any, limits: Limits) -> Any:
    """Return what HSTORE holds."""
    each: Any = text(None)
    kind = dict[each, each | None]
    return in_query(kind, limits)


def names(type_: Any, limits: Limits) -> Any:
    """Return names of MySQL's SET, each once."""
    name: Any = Literal[tuple(type_.values)]
    kind = Annotated[list[name], AfterValidator(_as_set(type_))]
    return in_query(kind, limits, is_list=True)


def _as_set(type_: Any) -> Any:
    # MySQL stores them in the order of the declaration.
    return lambda value: [name for name in type_.values if name in value]


def bits(type_: Any, limits: Limits) -> Any:
    """Return text of zeros and ones."""
    length = type_.length if limits.is_limited else None
    check = checks.check_bits(length, is_fixed=not type_.varying)
    many = "*" if length is None else f"{{0,{length}}}" if type_.varying else f"{{{length}}}"
    form = Field(strict=True, json_schema_extra={"pattern": f"^[01]{many}$"})
    return Annotated[str, form, AfterValidator(check), AfterValidator(BitString)]


def address(_type: Any, _limits: Limits) -> Any:
    """Return addresses, with a network or without."""
    return _text_of(_unscoped(IPvAnyInterface), _address_text)


def network(_type: Any, _limits: Limits) -> Any:
    """Return networks."""
    return _text_of(_unscoped(IPvAnyNetwork), str)


def _address_text(value: Any) -> str:
    return str(value).removesuffix(f"/{value.max_prefixlen}")


def _unscoped(kind: Any) -> Any:
    return Annotated[kind, BeforeValidator(_refuse_scope)]


def _refuse_scope(value: Any) -> Any:
    # PostgreSQL has no scopes, and asyncpg leaves them out.
    if isinstance(value, str) and "%" in value:
        raise PydanticCustomError("scope", "Must have no scope")
    return value


def hardware_address(type_: Any, _limits: Limits) -> Any:
    """Return addresses of network cards."""
    count = 7 if type(type_).__name__ == "MACADDR8" else 5
    pattern = rf"^[0-9a-fA-F]{{2}}(:[0-9a-fA-F]{{2}}){{{count}}}$"
    return Annotated[str, Field(strict=True, pattern=pattern), AfterValidator(str.lower)]


def _text_of(kind: Any, write: Callable[[Any], str]) -> Any:
    """Return the type of values that are read as `kind`, and stored as their text."""
    schema = WithJsonSchema({"type": "string", **TypeAdapter(kind).json_schema()})
    return Annotated[kind, AfterValidator(write), PlainSerializer(str), schema]


def span(type_: Any, limits: Limits) -> Any:
    """Return ranges, as objects with `lower`, `upper`, `bounds` and `empty`."""
    return in_query(_span(type(type_).__name__), limits)


def spans(type_: Any, limits: Limits) -> Any:
    """Return lists of ranges."""
    one: Any = _span(type(type_).__name__.replace("MULTIRANGE", "RANGE"))
    kind = Annotated[list[one], AfterValidator(MultiRange)]
    return in_query(kind, limits)


def _span(name: str) -> Any:
    item: TypeAdapter[Any] = TypeAdapter(_ITEMS[name.removesuffix("Impl").partition("RANGE")[0]])
    inner = item.json_schema()
    ends = {"anyOf": [inner, {"type": "null"}]}
    members = {
        "lower": ends, "upper": ends, "bounds": {"enum": ["[)", "[]", "(]", "()"]},
        "empty": {"type": "boolean"},
    }  # fmt: skip
    read = BeforeValidator(checks.read_range(item.validate_python))
    return Annotated[Any, read, WithJsonSchema({"type": "object", "properties": members})]


# The items of a range, by the beginning of its type's name.
_ITEMS: dict[str, Any] = {
    "INT4": whole(-(2**31), 2**31 - 1), "INT8": whole(-(2**63), 2**63 - 1),
    "NUM": readers.ANY_DECIMAL, "DATE": readers.DATE, "TS": readers.NAIVE, "TSTZ": readers.INSTANT,
}  # fmt: skip
