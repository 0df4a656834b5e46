"""Conditional requests (RFC 9110) and preferences (RFC 7240): headers as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from ormolu.errors import RefusedError

__all__ = ["Conditions", "etag_of", "prefers_minimal", "read_conditions", "read_etag"]

_TAG = re.compile(r'\s*(W/)?"([^"\x00-\x1f\x7f]*)"\s*')


@dataclass(frozen=True)
class Conditions:
    """What a request says about the state that it expects.

    Attributes:
        versions: Versions of If-Match as texts; None without one, empty for none of ours.
        is_any: Whether If-Match is `*`.
        unseen: Tags of If-None-Match, as sent.
        is_new: Whether If-None-Match is `*`.
    """

    versions: tuple[str, ...] | None = None
    is_any: bool = False
    unseen: tuple[str, ...] = ()
    is_new: bool = False


def etag_of(version: Any, variant: str = "") -> str | None:
    """Return the strong tag of a version; a variant tells apart other forms of the same row."""
    if version is None:
        return None
    # A version may be a UUID or a moment: escaped, so that neither a space nor the ; is in it.
    text = quote(str(version), safe=":")
    return f'"{text};{variant}"' if variant else f'"{text}"'


def read_conditions(if_match: str | None, if_none_match: str | None) -> Conditions:
    """Read both headers.

    Raises:
        RefusedError: One is not a list of tags.
    """
    versions: tuple[str, ...] | None = None
    if if_match is not None and if_match.strip() != "*":
        tags = _read_tags(if_match, "If-Match")
        # A weak tag never matches here; the part after a semicolon is the form, not the version.
        versions = tuple(read_etag(tag) for tag in tags if not tag.startswith("W/"))
    is_new = if_none_match is not None and if_none_match.strip() == "*"
    unseen: tuple[str, ...] = ()
    if if_none_match is not None and not is_new:
        unseen = tuple(tag.removeprefix("W/") for tag in _read_tags(if_none_match, "If-None-Match"))
    is_any = if_match is not None and versions is None
    return Conditions(versions, is_any, unseen, is_new)


def read_etag(tag: str) -> str:
    """Return the version in a tag."""
    return unquote(tag.strip('"').partition(";")[0])


def _read_tags(header: str, name: str) -> list[str]:
    tags: list[str] = []
    position = 0
    while position < len(header):
        found = _TAG.match(header, position)
        if found is None:
            break
        tags.append(f'{found[1] or ""}"{found[2]}"')
        position = found.end()
        if position < len(header) and header[position] != ",":
            break
        position += 1
    if position < len(header) or not tags:
        message = f'{name} must be "*" or tags in quotes, as {name}: "3"'
        entry = {"loc": ["header", name.lower()], "type": "etag", "msg": message}
        raise RefusedError("validation_error", message, [entry])
    return tags


def prefers_minimal(prefer: str | None) -> bool:
    """Tell whether a Prefer header asks for no body."""
    wanted = [part.strip().lower() for part in re.split(r"[,;]", prefer or "")]
    found = [part.replace(" ", "").replace('"', "") for part in wanted if part.startswith("return")]
    return bool(found) and found[0] == "return=minimal"
