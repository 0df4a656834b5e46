"""What `ormolu db check` finds: locks where they are measured, else what is missing."""

from __future__ import annotations

from typing import Any

from ormolu.errors import ConfigurationError, SchemaMismatchError

__all__ = ["checked", "shown"]


async def checked(migrations: Any, *, scratch: str | None, since: str | None) -> Any:
    """Run what is pending on throw-away copies, or compare the database with its revisions.

    Args:
        migrations: The revisions.
        scratch: A server for the copies, if there is one.
        since: The revision after which all are run.

    Returns:
        A `Rehearsal`.

    Raises:
        ConfigurationError: There is no server for what was asked.
    """
    from alembic.util import CommandError

    from ormolu.migrations.rehearsal import Rehearsal

    if since is not None and scratch is None:
        message = "--since needs a server to run the revisions on: --scratch postgresql://..."
        raise ConfigurationError(message)
    try:
        if scratch is not None:
            rehearsal = await migrations.rehearse(scratch, since=since)
            if rehearsal.revisions or since is not None:
                return rehearsal
        await migrations.check()
    except (CommandError, SchemaMismatchError) as error:
        return Rehearsal(problems=(str(error),))
    return Rehearsal()


def shown(rehearsal: Any, form: Any) -> str:
    """Return what was found, as text, JSON, or GitHub's annotations."""
    from ormolu.migrations.rehearsal import shown as show

    return show(rehearsal, form)
