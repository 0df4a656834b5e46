"""The column that counts how often a row has been changed."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import getattr_static
from typing import Any

from sqlalchemy import Integer
from sqlalchemy.orm import MappedColumn, mapped_column

from ormolu.errors import ConfigurationError

__all__ = ["add_version"]

_NAME = "version"

_NOT_A_COLUMN = (
    "{0}.version is no column, so {0} cannot be declared with versioned=True. Rename it, or write "
    '__mapper_args__ = {{"version_id_col": ...}} with a column of another name.'
)
_NOT_A_MAPPING = (
    "{0}.__mapper_args__ is no dict, so versioned=True has nowhere to go. Leave it out, and add "
    '"version_id_col": cls.version to what __mapper_args__ returns.'
)


def add_version(model: type[Any]) -> None:
    """Give a class that is about to be mapped a version, in a column of its own or in its own.

    Raises:
        ConfigurationError: `version` is something else, or its mapper's arguments are no dict.
    """
    column = model.__dict__.get(_NAME)
    if column is None:
        # No annotation: in a dataclass it is no field, and no argument.
        column = mapped_column(Integer, nullable=False)
        setattr(model, _NAME, column)
    if not isinstance(column, MappedColumn):
        raise ConfigurationError(_NOT_A_COLUMN.format(model.__name__))
    # As it is written: a declared_attr gives a new dict to whoever asks for it.
    given = getattr_static(model, "__mapper_args__")
    if not isinstance(given, Mapping):
        raise ConfigurationError(_NOT_A_MAPPING.format(model.__name__))
    model.__mapper_args__ = {**given, "version_id_col": column}
