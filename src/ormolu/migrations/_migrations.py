"""`Migrations`: the verbs, each of which calls Alembic's in a thread, one at a time everywhere."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError

from ormolu.backends import backend_named, backend_of
from ormolu.engines import Engines
from ormolu.errors import ConfigurationError, OverloadedError, SchemaMismatchError
from ormolu.faults import fault_of
from ormolu.migrations._place import Place, find_place
from ormolu.migrations._unimported import unimported_models

try:
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import Script
    from alembic.util import CommandError

    from ormolu.migrations._caller import Caller
    from ormolu.migrations._changes import Wishes
    from ormolu.migrations._half_done import ask, half_done
    from ormolu.migrations._options import check_asked
    from ormolu.migrations._steps import forget_steps
    from ormolu.migrations.rehearsal import Rehearsal, open_scratch_server, rehearse
except ModuleNotFoundError as error:
    if error.name != "alembic":
        raise
    message = "Migrations need one more package. Write: pip install 'ormolu[migrations]'"
    raise ConfigurationError(message) from error

__all__ = ["Migrations"]

_log = logging.getLogger("ormolu")

# Seconds between two looks whether another runner is done.
_PAUSE = 0.1

# Seconds that another runner may take.
_PATIENCE = 3600.0

# How often a revision is tried that gets no lock in time.
_TRIES = 6


def _log_line(line: str) -> None:
    _log.info("%s", line)


class Migrations:
    """The revisions of one database, and what is done with them.

    Each verb works inside a running event loop. One of all processes upgrades, downgrades or
    stamps at a time; the others wait.

    Attributes:
        engines: The database.
        place: Where the revisions are.
        say: Told of each revision that was done, and of what a revision leaves alone.
    """

    def __init__(self, engines: Engines, say: Callable[[str], None] = _log_line) -> None:
        """Find the revisions.

        Args:
            engines: The database.
            say: Told of each revision that was done, and of what a revision leaves alone.
        """
        self.engines = engines
        self.say: Callable[[str], None] = say
        self.place: Place = find_place(engines.migrations)

    @property
    def _caller(self) -> Caller:
        """Return what calls Alembic; a project's env.py would find its database, not a test's."""
        return Caller(
            engines=self.engines, place=self.place, say=self.say, is_ours=self.engines.is_moved
        )

    async def upgrade(self, revision: str = "heads") -> None:
        """Bring the database to a revision.

        Raises:
            CommandError: There is no such revision, or a part of one is there.
            DBAPIError: A revision failed.
            OverloadedError: Another runner, or a lock, was waited for in vain.
            SchemaMismatchError: The database has a revision that is not here.
        """
        async with self._alone():
            await self._check_known()
            await self._run(lambda config: command.upgrade(config, revision))

    async def downgrade(self, revision: str) -> None:
        """Bring the database back to a revision; `-1` is one back, `base` the beginning.

        Raises:
            CommandError: There is no such revision, or a part of one is there.
            OverloadedError: Another runner, or a lock, was waited for in vain.
            SchemaMismatchError: The database has a revision that is not here.
        """
        async with self._alone():
            await self._check_known()
            await self._run(lambda config: command.downgrade(config, revision))

    async def stamp(self, revision: str, *, purge: bool = False) -> None:
        """Note a revision in the database, and run nothing.

        Args:
            revision: What the database is said to have.
            purge: Whether revisions that are not here are forgotten.

        Raises:
            CommandError: There is no such revision.
            OverloadedError: Another runner was waited for in vain.
        """
        async with self._alone():
            await self._caller.call(lambda config: command.stamp(config, revision, purge=purge))
            await ask(self.engines, forget_steps)

    async def revision(
        self,
        message: str,
        *,
        empty: bool = False,
        allow_drop: bool = False,
        renames: Mapping[str, str] | None = None,
    ) -> list[Path]:
        """Write a revision that brings the database to the models.

        Args:
            message: What it does.
            empty: Whether it is to be filled by hand.
            allow_drop: Whether it may drop tables that no model maps, and columns of a table that
                gets new ones.
            renames: The new names of columns, by their table and old name: `users.name`.

        Returns:
            Its file.

        Raises:
            CommandError: The database is behind the revisions that are here, it is not certain
                whether a column was renamed, or an env.py does not ask for what was said.
            ConfigurationError: There is no folder for it.
        """
        if not empty:
            await asyncio.to_thread(self._report_unimported)
        wishes = Wishes(allow_drop=allow_drop, renames=renames or {}, report=self.say)
        check = None if empty else check_asked(wishes)
        verb = partial(
            command.revision, message=message, autogenerate=not empty,
            process_revision_directives=check,
        )  # fmt: skip
        return await self._caller.write(verb, wishes)

    async def merge(self, message: str, revisions: str = "heads") -> Path:
        """Write a revision that joins several heads.

        Raises:
            CommandError: There is one head.
        """
        made = await self._caller.write(
            lambda config: command.merge(config, revisions, message=message)
        )
        return made[0]

    async def check(self) -> None:
        """Compare the database with the revisions, and the models with the database.

        Raises:
            CommandError: There are several heads, or the models need a revision.
            SchemaMismatchError: The database is behind or ahead.
        """
        self._check_heads()
        await self.verify()
        await asyncio.to_thread(self._report_unimported)
        await self._caller.call(command.check)

    async def rehearse(self, scratch: str | URL, *, since: str | None = None) -> Rehearsal:
        """Run the revisions that the database lacks on throw-away copies of it.

        The database itself is asked which revisions it has, and no more. The copies are made on
        the other server, by the revisions, with rows of our own, and are dropped again.

        Args:
            scratch: A PostgreSQL server where databases may be created.
            since: Run what comes after this revision, and ask no database.

        Raises:
            CommandError: There are several heads, or no such revision.
            ConfigurationError: The database, or the server, is no PostgreSQL.
            SchemaMismatchError: The database has a revision that is not here.
        """
        target = make_url(scratch)
        if not self.can_rehearse or not _shows_locks(target):
            message = "Locks are measured for PostgreSQL, on another PostgreSQL server."
            raise ConfigurationError(message)
        self._check_heads()
        start, pending = await self._pending_since(since)
        if not pending:
            return Rehearsal()
        target = target.set(drivername=self.engines.url.drivername)
        async with open_scratch_server(target, self.engines.metadata) as server:
            return await rehearse(self._caller, server, start, pending)

    @property
    def can_rehearse(self) -> bool:
        """Tell whether the database is one whose locks can be measured."""
        return _shows_locks(self.engines.url)

    async def pending(self) -> list[str]:
        """Return the revisions that the database lacks, the first one first.

        Raises:
            SchemaMismatchError: It has a revision that is not here.
        """
        return [each.revision for each in await self._pending()]

    async def _pending_since(self, since: str | None) -> tuple[tuple[str, ...], list[Script]]:
        """Return the revisions of a database, or the one that was named, and those after it."""
        script = self._caller.script()
        found = await self._check_known() if since is None else (since,)
        start = tuple(each.revision for each in script.get_revisions(found) if each is not None)
        return start, list(script.iterate_revisions("heads", start or "base"))[::-1]

    def _check_heads(self) -> None:
        heads = self._caller.script().get_heads()
        if len(heads) > 1:
            message = f"There are several heads: {', '.join(heads)}. Run: ormolu db merge"
            raise CommandError(message)

    async def current(self) -> str:
        """Return the revisions that the database has, a line each, and what it has of others."""
        found = await self._caller.call(command.current)
        stored = await half_done(self.engines, self._caller.script())
        return found + "".join(f"{line}\n" for line in stored)

    async def history(self) -> str:
        """Return all revisions, the last one first, and which the database has."""
        return await self._caller.call(
            lambda config: command.history(config, indicate_current=True)
        )

    async def sql(self, revisions: str = "heads", *, is_downgrade: bool = False) -> str:
        """Return the statements of revisions, `from:to`, which are not run.

        Raises:
            CommandError: There is no such revision.
        """
        verb = command.downgrade if is_downgrade else command.upgrade
        return await self._caller.call(lambda config: verb(config, revisions, sql=True))

    async def verify(self) -> None:
        """Compare the revisions that the database has with those that are here.

        Raises:
            SchemaMismatchError: It is behind, or ahead; the error lists by which revisions.
        """
        stored = await half_done(self.engines, self._caller.script())
        differences = (
            ["\n".join(stored)]
            if stored
            else [
                f'Revision {each.revision} "{each.doc}" was not applied. Run: ormolu db upgrade'
                for each in await self._pending()
            ]
        )
        if differences:
            raise SchemaMismatchError(differences)

    async def _pending(self) -> list[Script]:
        """Return the revisions that the database lacks, the first one first."""
        return (await self._pending_since(None))[1]

    def _report_unimported(self) -> None:
        known = {table.name for table in self.engines.metadata.tables.values()}
        for sentence in unimported_models(Path.cwd(), known):
            self.say(sentence)

    async def _run(self, verb: Callable[[Config], Any]) -> None:
        """Call Alembic, and say how to go on where a part of a failed revision is stored.

        Raises:
            CommandError: A part of a revision is there already.
        """
        stored = await half_done(self.engines, self._caller.script(), is_alone=True)
        if stored:
            raise CommandError("\n".join(stored))
        try:
            await self._try_again(verb)
        except Exception as error:
            if isinstance(error, DBAPIError) and fault_of(error).is_settled:
                await ask(self.engines, partial(forget_steps, failed=True))
            for line in await half_done(self.engines, self._caller.script(), is_alone=True):
                self.say(line)
            raise

    async def _check_known(self) -> tuple[str, ...]:
        """Return the revisions that the database has.

        Raises:
            SchemaMismatchError: One is not here.
        """
        found = await self._heads_of_database()
        known = {each.revision for each in self._caller.script().walk_revisions()}
        unknown = [
            f"The database has the revision {each}, which is not in {self._caller.where()}. It was "
            "upgraded by newer code: deploy that, or downgrade with it."
            for each in found
            if each not in known
        ]
        if unknown:
            raise SchemaMismatchError(unknown)
        return found

    async def _heads_of_database(self) -> tuple[str, ...]:
        if self.place.versions is None and not self.engines.is_moved:
            # Where its env.py keeps them, in a table of another name, say.
            return await self._caller.heads()
        engine = self.engines.make_engine()
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(_heads)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Be the only runner of all processes.

        Raises:
            OverloadedError: Another one was waited for in vain.
        """
        engine = self.engines.make_engine()
        lock = backend_of(engine.dialect).migration_lock
        deadline, is_told = time.monotonic() + _PATIENCE, False
        try:
            while True:
                async with lock(engine) as is_mine:
                    if is_mine:
                        yield
                        return
                if not is_told:
                    self.say("another process migrates this database; waiting for it")
                    is_told = True
                if time.monotonic() > deadline:
                    message = f"Another process has migrated this database for {_PATIENCE:.0f} s."
                    raise OverloadedError(message)
                await asyncio.sleep(_PAUSE * (0.5 + random.random()))
        finally:
            await engine.dispose()

    async def _try_again(self, verb: Callable[[Config], Any]) -> None:
        """Call Alembic, again where a lock did not come in time: done revisions stay done.

        Raises:
            DBAPIError: It fails.
            OverloadedError: A lock was waited for in vain.
        """
        for attempt in range(1, _TRIES):
            try:
                await self._caller.call(verb)
            except (DBAPIError, OverloadedError) as error:
                if not self._may_try_again(error):
                    raise
                self.say(f"no lock in time, try {attempt} of {_TRIES}: {type(error).__name__}")
                await asyncio.sleep(2 ** (attempt - 2) * random.random())
            else:
                return
        await self._caller.call(verb)

    def _may_try_again(self, error: Exception) -> bool:
        is_busy = isinstance(error, OverloadedError) or fault_of(error).kind == "busy"
        return is_busy and self.engines.target.backend.has_transactional_ddl


def _shows_locks(url: URL) -> bool:
    return backend_named(url.get_backend_name()).shows_locks


def _heads(connection: Connection) -> tuple[str, ...]:
    return tuple(MigrationContext.configure(connection).get_current_heads())
