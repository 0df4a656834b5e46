"""Columns that hold other values on one backend than on the others: refused there, at the start."""

from __future__ import annotations

from sqlalchemy import Dialect

from ormolu.errors import ConfigurationError
from ormolu.query import foreign_variant
from ormolu.resources._declaration import Declaration

__all__ = ["check_variants"]


def check_variants(declaration: Declaration, dialect: Dialect) -> None:
    """Check that what is shown and written of a model is the same on this backend as on others.

    Raises:
        ConfigurationError: A variant takes other values than its type.
    """
    served = {field.attribute for field in declaration.readable.values()}
    for name in sorted(served | declaration.accepted.keys()):
        attribute = declaration.attributes[name]
        type_ = attribute.field.type
        variant = foreign_variant(type_, dialect)
        if variant is not None and attribute.column is not None:
            plain = type(type_).__name__
            message = (
                f"resource({declaration.name}): {name!r} is {plain}, and {variant!r} on "
                f"{dialect.name}, which does not take the values of {plain} or reads others. "
                f"Leave the variant out where {dialect.name} has {plain} (it has Uuid, Enum, "
                f"Numeric and JSON), or write a TypeDecorator that converts them."
            )
            raise ConfigurationError(message)
