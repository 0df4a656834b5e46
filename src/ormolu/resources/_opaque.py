"""Columns of which nobody tells what their values are: shown, and not written."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from ormolu.errors import ConfigurationError
from ormolu.query import Field

__all__ = ["check_opaque_keys", "log_opaque"]

_log = logging.getLogger("ormolu")


def check_opaque_keys(name: str, keys: Iterable[Field]) -> None:
    """Check that a path can lead to each row.

    Raises:
        ConfigurationError: Nothing tells how a key stands there.
    """
    for key in keys:
        if key.kind.family in {"document", "opaque"}:
            message = (
                f"resource({name}): nothing tells how {key.attribute!r}, which is of the primary "
                "key, stands in a path. Write Mapped[...] with a type that is text in JSON."
            )
            raise ConfigurationError(message)


def log_opaque(name: str, fields: Iterable[Field], named: Collection[str]) -> None:
    """Say which columns are read only since nobody tells what to send for them."""
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
