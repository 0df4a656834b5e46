"""Reads of one row each that wait together, as one statement: each has parameters of its own.

Knows the SQL of PostgreSQL; no connection, no request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

__all__ = ["Together", "together"]

# SQL in which each dollar begins a parameter of a known type: none is within a text or a name.
_CLEAR = re.compile(
    r"""(?: [^$'"\\] | '[^'$\\]*' | "[^"$\\]*" | (?<![\w$])\$\d+::[A-Z]+(?![\w$([]) )*""",
    re.VERBOSE,
)
_PARAMETER = re.compile(r"\$(\d+)::([A-Z]+)")

# What the reads ask for is a table of this name.
_ASKED = "ormolu_asked"
# Where the text may not be what it seems: in comments, or if a table of the program's has the name.
_UNCLEAR = ("--", "/*", _ASKED)


def _is_int(bits: int) -> Callable[[Any], bool]:
    least, most = -(1 << bits), (1 << bits) - 1
    return lambda value: type(value) is int and least <= value <= most


def _is_text(value: Any) -> bool:
    # Without NUL and half of a pair, which would make the statement fail for all.
    return type(value) is str and value.isprintable()


# Types whose values are equal to PostgreSQL if they are equal in Python, and which values they
# take for certain.
_TYPES: dict[str, Callable[[Any], bool]] = {
    "SMALLINT": _is_int(15),
    "INTEGER": _is_int(31),
    "BIGINT": _is_int(63),
    "VARCHAR": _is_text,
    "BOOLEAN": lambda value: type(value) is bool,
    "UUID": lambda value: type(value) is UUID,
}


class Together:
    """A statement for any number of reads by one plan.

    Attributes:
        text: SQL; it takes a list for each parameter of the plan. Its rows are those of the plan,
            with the number of their read behind, from 1.
    """

    __slots__ = ("_checks", "text")

    def __init__(self, text: str, checks: Sequence[Callable[[Any], bool]]) -> None:
        self.text: str = text
        self._checks = checks

    def takes(self, arguments: Sequence[Any]) -> bool:
        """Tell whether a read with these parameters surely does not make the others fail."""
        return all(check(value) for check, value in zip(self._checks, arguments, strict=True))

    def arguments(self, reads: Iterable[Sequence[Any]]) -> list[list[Any]]:
        """Return the parameters of reads that have these ones each."""
        return [*map(list, zip(*reads, strict=True))]


def together(text: str) -> Together | None:
    """Return the statement for any number of reads by one; None if there is none.

    Args:
        text: SQL of one read, each parameter of which is cast to its type.
    """
    if _CLEAR.fullmatch(text) is None or any(each in text for each in _UNCLEAR):
        return None
    found = {(int(place), name) for place, name in _PARAMETER.findall(text)}
    places, types = [place for place, _ in sorted(found)], [name for _, name in sorted(found)]
    is_known = all(name in _TYPES for name in types)
    if not found or not is_known or places != [*range(1, len(found) + 1)]:
        return None
    lists = ", ".join(f"${place}::{name}[]" for place, name in sorted(found))
    names = ", ".join(f"p{place}" for place in places)
    one = _PARAMETER.sub(rf"{_ASKED}.p\1::\2", text)
    made = (
        f"SELECT ormolu_found.*, {_ASKED}.number "
        f"FROM unnest({lists}) WITH ORDINALITY AS {_ASKED}({names}, number) "
        f"CROSS JOIN LATERAL ({one}) AS ormolu_found"
    )
    return Together(made, [_TYPES[name] for name in types])
