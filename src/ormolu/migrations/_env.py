"""The env of projects that have none: runs revisions over a connection of the database's engine.

Alembic calls it in a thread of its own (see `_migrations`), so that it works where a loop runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from alembic import context
from sqlalchemy import URL, Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from ormolu.backends import backend_of
from ormolu.migrations._options import options

__all__ = ["KEY", "Migrated", "Run", "run"]

# Where a Config carries what our env needs.
KEY = "ormolu"


class Migrated(Protocol):
    """A database as our env needs it: the `Engines` of one, or a throw-away copy."""

    @property
    def metadata(self) -> MetaData:
        """Return the mapped tables."""
        raise NotImplementedError
        ...

    @property
    def url(self) -> URL:
        """Return the URL."""
        raise NotImplementedError
        ...

    def make_engine(self) -> AsyncEngine:
        """Return an engine that writes; the caller disposes of it."""
        raise NotImplementedError
        ...


@dataclass(kw_only=True)
class Run:
    """One call of Alembic's.

    Attributes:
        engines: The database.
        say: Told of each revision.
        began_at: When the revision that runs began.
    """

    engines: Migrated
    say: Callable[[str], None]
    began_at: float = field(default_factory=time.monotonic)

    def note(self, step: Any) -> None:
        """Say which revision was done."""
        took, self.began_at = time.monotonic() - self.began_at, time.monotonic()
        verb = "stamped" if step.is_stamp else "upgraded" if step.is_upgrade else "downgraded"
        names = ", ".join(step.up_revision_ids)
        doc = "" if step.up_revision is None else f" {step.up_revision.doc}"
        self.say(f"{verb} {names}{doc} ({took:.2f} s)")


def run() -> None:
    """Run what Alembic was called for."""
    current: Run = context.config.attributes[KEY]
    if context.is_offline_mode():
        context.configure(
            url=current.engines.url,
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
            **options(current.engines),
        )
        with context.begin_transaction():
            context.run_migrations()
    else:
        asyncio.run(_connect(current))


async def _connect(current: Run) -> None:
    engine = current.engines.make_engine()
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, current)
    finally:
        await engine.dispose()


def _migrate(connection: Connection, current: Run) -> None:
    check_references = backend_of(connection.dialect).hold_references(connection)
    connection.commit()

    def end_revision(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
        """Check foreign keys before the COMMIT of a revision, and tell of it."""
        del ctx, heads, run_args
        check_references()
        current.note(step)

    context.configure(
        connection=connection,
        on_version_apply=end_revision,
        **{**options(current.engines), "transaction_per_migration": True},
    )
    with context.begin_transaction():
        context.run_migrations()
