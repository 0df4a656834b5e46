"""Columns whose values have another type on one backend: refused there at startup."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.errors import ConfigurationError
from ormolu.query import mismatched_types
from ormolu.resources.declare._declaration import Declaration

__all__ = ["check_variants"]


def check_variants(declaration: Declaration, dialect: Dialect) -> None:
    """Check that a backend's columns take the values that the model declares.

    Raises:
        ConfigurationError: A column has a type here that takes others.
    """
    served = {field.attribute for field in declaration.readable.values()}
    for name in sorted(served | declaration.accepted.keys()):
        attribute = declaration.attributes[name]
        field = attribute.field
        found = mismatched_types(field.type, field.annotation, dialect)
        if found is not None and attribute.column is not None:
            plain, stored = (type(found[0]).__name__, repr(found[1]))
            message = (
                f"resource({declaration.name}): {name!r} is {plain}, and {stored} on "
                f"{dialect.name}, which does not take the values of {plain} or reads others. "
                f"{_advice(field.type, plain, dialect)}"
            )
            raise ConfigurationError(message)


def _advice(type_: TypeEngine[Any], plain: str, dialect: Dialect) -> str:
    if isinstance(type_, TypeDecorator):
        return (
            f"Have load_dialect_impl of {type(type_).__name__} name a type of the same values for "
            f"{dialect.name}, say in Mapped[...] what the values are, or convert them in "
            "process_bind_param and process_result_value."
        )
    return (
        f"Leave the variant out where {dialect.name} has {plain} (it has Uuid, Enum, Numeric and "
        "JSON), or write a TypeDecorator that converts them."
    )
