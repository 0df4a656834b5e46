"""Columns whose Python type is not known: they are shown, but not written."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange

from ormolu.errors import ConfigurationError
from ormolu.query import Field, member_texts, undecorated

__all__ = ["check_opaque_keys", "log_opaque"]

# Kinds of keys that cannot stand in a path, or whose values have no hash.
_UNHASHABLE = frozenset({"array", "document", "jsonb", "opaque", "secret", "set"})

_log = logging.getLogger("ormolu")


def check_opaque_keys(name: str, keys: Iterable[Field]) -> None:
    """Check that each row has a path of its own.

    Raises:
        ConfigurationError: A key has no form in a path, or two values of it have the same one.
    """
    for key in keys:
        is_several = isinstance(undecorated(key.type), AbstractMultiRange)
        if is_several or key.kind.family in _UNHASHABLE:
            message = (
                f"resource({name}): nothing tells how {key.attribute!r}, which is of the primary "
                "key, stands in a path. Write Mapped[...] with a type that is text in JSON, and "
                "whose values can be hashed: no list, no object."
            )
            raise ConfigurationError(message)
        texts = member_texts(key.type, key.annotation) if key.kind.family == "enum" else []
        alike = next((text for text in texts if texts.count(text) > 1), None)
        if alike is not None:
            message = (
                f"resource({name}): in a path two members of {key.attribute!r}, which is of the "
                f"primary key, are {alike!r}. Give them values that differ as text."
            )
            raise ConfigurationError(message)


def log_opaque(name: str, fields: Iterable[Field], named: Collection[str]) -> None:
    """Log which columns are read only because their Python type is not known."""
    opaque = [
        field.attribute
        for field in fields
        if field.kind.family == "opaque" and not field.is_computed and field.attribute not in named
    ]
    if opaque:
        _log.warning(
            "%s: read only, since nothing tells what their values are: %s. Write Mapped[...] with "
            "a type that Pydantic knows, or name them in writable to take any JSON.",
            name, ", ".join(opaque),
        )  # fmt: skip
