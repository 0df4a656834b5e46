"""Dangers that whoever wrote a revision has accepted, in a comment with the reason.

op.drop_column("users", "nickname")  # ormolu: accepted, no release since 2.3 reads it
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Mapping
from pathlib import Path

__all__ = ["acceptance", "comments_of"]

_ACCEPTED = re.compile(r"#\s*ormolu:\s*accepted\b[\s,:]*(.*)")


def comments_of(path: str) -> Mapping[int, tuple[str, bool]]:
    """Return the comments of a file by their lines, and whether each has its line for itself."""
    source = Path(path).read_text(encoding="utf-8")
    lines = source.splitlines()
    return {
        token.start[0]: (token.string, lines[token.start[0] - 1].lstrip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }


def acceptance(comments: Mapping[int, tuple[str, bool]], lines: tuple[int, int]) -> str | None:
    """Return why a statement's dangers are accepted; None if nobody has said so.

    The comment stands in a line of the statement, or in those above it that have nothing else. The
    reason is empty if there is none.
    """
    first = lines[0]
    while comments.get(first - 1, ("", False))[1]:
        first -= 1
    for line in range(first, lines[1] + 1):
        comment, is_alone = comments.get(line, ("", False))
        found = _ACCEPTED.search(comment)
        if found is not None:
            text = found[1].strip()
            return " ".join([text, *_rest(comments, line, is_alone=is_alone)]).strip()
    return None


def _rest(comments: Mapping[int, tuple[str, bool]], line: int, *, is_alone: bool) -> list[str]:
    """Return what a comment of several lines goes on with."""
    rest = []
    while is_alone and comments.get(line + 1, ("", False))[1]:
        line += 1
        rest.append(comments[line][0].lstrip("# ").strip())
    return rest
