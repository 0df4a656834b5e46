"""What `ormolu db check` finds: locks where they are measured, else what is missing."""

from __future__ import annotations

import asyncio
from typing import Any

from ormolu.errors import ConfigurationError, SchemaMismatchError

__all__ = ["checked", "shown"]


async def checked(migrations: Any, *, scratch: str | None, since: str | None) -> Any:
    """Run what is pending on throw-away copies, or compare the database with its revisions.

    Args:
        migrations: The revisions.
        scratch: A server for the copies; None starts one, if the extra `testing` is there.
        since: The revision after which all are run; then no database is asked.

    Returns:
        A `Rehearsal`.

    Raises:
        ConfigurationError: Locks are to be measured, and cannot be.
    """
    from alembic.util import CommandError

    from ormolu.migrations.rehearsal import Rehearsal

    is_asked_for = scratch is not None or since is not None
    try:
        if migrations.can_rehearse or is_asked_for:
            found = await _rehearsed(migrations, scratch, since, is_asked_for=is_asked_for)
            if found is not None:
                return found
        await migrations.check()
    except (CommandError, SchemaMismatchError) as error:
        return Rehearsal(problems=(str(error),))
    return Rehearsal()


async def _rehearsed(
    migrations: Any, scratch: str | None, since: str | None, *, is_asked_for: bool
) -> Any:
    """Return what running the pending revisions shows; None if there are none, or no server.

    Raises:
        ConfigurationError: There is none, and it was asked for.
    """
    if since is None and not await migrations.pending():
        return None
    try:
        server = scratch or await asyncio.to_thread(_own_server)
    except ConfigurationError as error:
        if is_asked_for:
            raise
        migrations.say(f"Locks were not measured: {error} Or name a server: --scratch URL")
        return None
    return await migrations.rehearse(server, since=since)


def _own_server() -> str:
    from ormolu.testing import postgresql

    return postgresql().url()


def shown(rehearsal: Any, form: Any) -> str:
    """Return what was found, as text, JSON, or GitHub's annotations."""
    from ormolu.migrations.rehearsal import shown as show

    return show(rehearsal, form)
