"""Conditional requests (RFC 9110) and preferences (RFC 7240): headers as values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from pydantic_core import to_jsonable_python

from ormolu.errors import RefusedError
from ormolu.query import Location, entry_of

__all__ = [
    "NO_CONDITIONS", "Conditions", "check_version", "etag_of", "prefers_minimal", "read_conditions",
    "unescaped_version", "version_text",
]  # fmt: skip

# One element of a list of tags, which may be empty (RFC 9110, 5.6.1). Blanks match in one way only,
# else thousands of them would take seconds.
_TAG = re.compile(r'[ \t]*(?:(W/)?("[^"\x00-\x1f\x7f]*")[ \t]*)?(?:,|$)')
# Our tag: a version, and a digest for other forms of a row.
_OURS = re.compile(r'"([^";]+)(?:;[0-9a-f]{16})?"')
# More than anybody has versions of one row; each is a parameter of a statement.
_MOST_TAGS = 100
# Elements of a list, and their parameters; a comma or semicolon in quotes does not separate them.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+')
_PARAMETER = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*"?)+')


@dataclass(frozen=True)
class Conditions:
    """What the headers of a request require of a row.

    Attributes:
        versions: Versions of If-Match, as `version_text` writes them; None without the header.
        is_there: Whether If-Match is `*`.
        unseen: Tags of If-None-Match, whether weak or strong.
        is_absent: Whether If-None-Match is `*`.
    """

    versions: tuple[str, ...] | None = None
    is_there: bool = False
    unseen: tuple[str, ...] = ()
    is_absent: bool = False

    @property
    def has_match(self) -> bool:
        """Tell whether there is an If-Match."""
        return self.is_there or self.versions is not None

    @property
    def unseen_versions(self) -> tuple[str, ...]:
        """Return the versions of If-None-Match, as `version_text` writes them."""
        return _versions_of(self.unseen)


NO_CONDITIONS = Conditions()


def version_text(version: Any) -> str:
    """Return a version as it is in a tag, from which it can be read again."""
    text = to_jsonable_python(version, bytes_mode="base64", fallback=str)
    # A version may be a UUID or a datetime; escape spaces and semicolons.
    return quote(str(text), safe=":")


def unescaped_version(text: str) -> str:
    """Return the text that `version_text` has escaped."""
    return unquote(text)


def etag_of(version: Any, variant: str = "") -> str | None:
    """Return the strong tag of a version; a variant distinguishes other forms of the row."""
    if version is None:
        return None
    text = version_text(version)
    return f'"{text};{variant}"' if variant else f'"{text}"'


def read_conditions(
    if_match: Sequence[str],
    if_none_match: Sequence[str],
    *,
    location: Location = ("header", "if-match"),
) -> Conditions:
    """Read both headers, each of which may be repeated.

    Args:
        if_match: The lines of the one.
        if_none_match: The lines of the other.
        location: Where the first is in the request.

    Raises:
        RefusedError: One is not a list of tags, or has too many.
    """
    expected = _read_tags(if_match, "If-Match", location)
    unseen = _read_tags(if_none_match, "If-None-Match", ("header", "if-none-match"))
    # If-Match compares strongly: a weak tag never matches.
    strong = [tag for is_weak, tag in expected or () if not is_weak]
    return Conditions(
        _versions_of(strong) if if_match and expected is not None else None,
        bool(if_match) and expected is None,
        tuple(tag for _, tag in unseen or ()),
        bool(if_none_match) and unseen is None,
    )


def _versions_of(tags: Sequence[str]) -> tuple[str, ...]:
    found = [_OURS.fullmatch(tag) for tag in tags]
    return tuple(dict.fromkeys(each[1] for each in found if each is not None))


def _read_tags(
    lines: Sequence[str], name: str, location: Location
) -> list[tuple[bool, str]] | None:
    """Return the tags of a header, and whether each is weak; None for `*`.

    Raises:
        RefusedError: It is not a list of tags, or has too many.
    """
    header = ",".join(lines)
    if {part.strip(" \t") for part in header.split(",")} - {""} == {"*"}:
        return None
    tags, position = [], 0
    while position < len(header):
        found = _TAG.match(header, position)
        if found is None:
            message = f'{name} must be "*" or tags in quotes, as {name}: "3"'
            raise RefusedError("validation_error", message, [entry_of(location, "etag", message)])
        if found[2]:
            tags.append((found[1] is not None, found[2]))
        if len(tags) > _MOST_TAGS:
            message = f"{name} must not have more than {_MOST_TAGS} tags"
            entry = entry_of(location, "too_long", message)
            raise RefusedError("validation_error", message, [entry])
        position = found.end()
    return tags


def check_version(conditions: Conditions, version: Any) -> None:
    """Check that a row is of a version that If-Match names.

    Raises:
        RefusedError: It is not.
    """
    expected = conditions.versions
    if expected is not None and (version is None or version_text(version) not in expected):
        raise RefusedError("precondition_failed", "The row is of another version.")


def prefers_minimal(lines: Sequence[str]) -> bool:
    """Tell whether the Prefer headers ask for no body."""
    for element in _ELEMENT.findall(",".join(lines)):
        preference = _PARAMETER.findall(element)[:1]
        name, _, value = "".join(preference).partition("=")
        if name.strip().lower() == "return":
            # The first one counts (RFC 7240, 2).
            return value.strip().strip('"').lower() == "minimal"
    return False
