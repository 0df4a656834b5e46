"""What is said of a revision of which a database has stored a part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ormolu.backends import backend_of
from ormolu.engines import Engines
from ormolu.migrations._steps import Step, read_steps

__all__ = ["ask", "half_done"]

_Answer = TypeVar("_Answer")

_LONGEST = 200


async def ask(engines: Engines, question: Callable[[Connection], _Answer]) -> _Answer | None:
    """Ask a database that stores each step of a revision at once; None from any other."""
    if engines.target.backend.has_transactional_ddl:
        return None
    engine = engines.make_engine()
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(question)
    finally:
        await engine.dispose()


async def half_done(
    engines: Engines, script: ScriptDirectory, *, is_alone: bool = False
) -> list[str]:
    """Return what a database has stored of a revision, and how to go on; nothing if nothing.

    Args:
        engines: The database.
        script: The revisions.
        is_alone: Whether the caller is the runner; else one that still runs has not stopped.
    """
    steps = await ask(engines, read_steps)
    if not steps or not (is_alone or await _is_free(engines)):
        return []
    return list(_lines(steps, script, engines.target.backend.title))


async def _is_free(engines: Engines) -> bool:
    engine = engines.make_engine()
    try:
        async with backend_of(engine.dialect).migration_lock(engine) as is_mine:
            return is_mine
    finally:
        await engine.dispose()


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
