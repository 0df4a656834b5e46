"""Python to paste into a revision."""

from __future__ import annotations

import json
from dataclasses import dataclass
from textwrap import indent

from ormolu.migrations._texts import without_parameters

__all__ = ["Safer", "alone", "execute"]


@dataclass(frozen=True, kw_only=True)
class Safer:
    """What to write instead.

    Attributes:
        words: Why, and what has to be done around it.
        code: Python for the revision; empty if words are all there is.
        is_whole: Whether it runs as it is, with nothing to be filled in.
    """

    words: str
    code: str = ""
    is_whole: bool = False


def execute(sql: str) -> str:
    """Return the call that runs a statement."""
    return f"op.execute({json.dumps(without_parameters(sql), ensure_ascii=False)})"


def alone(code: str) -> str:
    """Return code within a block that commits before it, and runs outside of a transaction."""
    return f"with op.get_context().autocommit_block():\n{indent(code, '    ')}"
