"""The versions of a row that the conditional headers of a request name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from ormolu.errors import RefusedError
from ormolu.resources.declare import Declaration
from ormolu.resources.http._conditions import Conditions, unescaped_version, version_text
from ormolu.resources.work import Versions

__all__ = ["read_versions"]


def read_versions(declaration: Declaration, conditions: Conditions) -> Versions:
    """Return what the conditions of a request expect of the row that it changes.

    Raises:
        RefusedError: The rows of this resource have no version.
    """
    expected = conditions.versions
    if expected is not None and declaration.traits.version is None:
        message = f"A {declaration.name} has no version to compare If-Match with."
        raise RefusedError("precondition_failed", message)
    return Versions(
        among=None if expected is None else _named(declaration, expected),
        besides=_named(declaration, conditions.unseen_versions),
        is_there=conditions.is_there,
        is_absent=conditions.is_absent,
    )


def _named(declaration: Declaration, texts: Sequence[str]) -> list[Any]:
    """Return the versions in the texts of tags, without those that no row can have."""
    name = declaration.traits.version
    if name is None:
        return []
    adapter, found = declaration.attributes[name].field.filtered, []
    for text in texts:
        with suppress(ValidationError):
            version = adapter.validate_strings(unescaped_version(text))
            # Tags are opaque: neither "003" nor "%33" is the tag of version 3.
            if version_text(version) == text:
                found.append(version)
    return found
