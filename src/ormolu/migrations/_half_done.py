"""What is said of a revision of which a database has stored a part."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ormolu.migrations._steps import Step

__all__ = ["half_done"]

_LONGEST = 200


def half_done(steps: Sequence[Step], script: ScriptDirectory, title: str | None) -> list[str]:
    """Return what was done, and how to go on; nothing if nothing was.

    Args:
        steps: What the database has noted.
        script: The revisions.
        title: The name of the database.
    """
    return list(_lines(steps, script, title)) if steps else []


def _lines(steps: Sequence[Step], script: ScriptDirectory, title: str | None) -> Iterator[str]:
    revision, is_upgrade = steps[0].revision, steps[0].is_upgrade
    doc, before = _found(script, revision)
    verb = "upgrade" if is_upgrade else "downgrade"
    yield (
        f"The {verb} of revision {revision}{doc} stopped half-way. {title} stores each CREATE and "
        "ALTER at once, and has stored:"
    )
    for step in steps:
        state = "done   " if step.is_done else "running"
        statement = re.sub(r"\s+", " ", step.statement).strip()
        cut = statement if len(statement) <= _LONGEST else f"{statement[:_LONGEST]}..."
        yield f"  {state} {step.place}: {cut}"
    if not steps[-1].is_done:
        yield "Look whether the one that was running is done. Nothing that comes after it is."
    else:
        yield "Nothing that comes after it is stored."
    option, reached = ("", revision) if is_upgrade else (" --downgrade", before)
    left = before if is_upgrade else revision
    span = f"{before}:{revision}" if is_upgrade else f"{revision}:{before}"
    yield (
        f"To go on, do the rest by hand (ormolu db sql {span}{option} shows it all), "
        f"and run: ormolu db stamp {reached}"
    )
    yield f"To begin again, undo the above by hand, and run: ormolu db stamp {left}"


def _found(script: ScriptDirectory, revision: str) -> tuple[str, str]:
    """Return the words of a revision, and the one before it."""
    try:
        found = script.get_revision(revision)
    except CommandError:
        return "", "base"
    before = found.down_revision or "base"
    return f' "{found.doc}"' if found.doc else "", before if isinstance(before, str) else "heads"
