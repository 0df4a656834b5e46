"""`Migrations`: the verbs, each of which calls Alembic's in a thread, one at a time everywhere."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ormolu.backends import backend_of
from ormolu.engines import Engines
from ormolu.errors import ConfigurationError, OverloadedError, SchemaMismatchError
from ormolu.faults import fault_of
from ormolu.migrations._logging import keeping_loggers
from ormolu.migrations._place import Place, find_place

try:
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import Script, ScriptDirectory
    from alembic.util import CommandError

    from ormolu.migrations._changes import Wishes
    from ormolu.migrations._env import KEY, Run
    from ormolu.migrations._options import WISHES
except ModuleNotFoundError as error:
    if error.name != "alembic":
        raise
    message = "Migrations need one more package. Write: pip install 'ormolu[migrations]'"
    raise ConfigurationError(message) from error

__all__ = ["Migrations"]

_log = logging.getLogger("ormolu")

_SCRIPT = Path(__file__).parent / "script"

# Alembic's `op` and `context` are one for the process.
_alembic = threading.Lock()

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
    """

    def __init__(self, engines: Engines, say: Callable[[str], None] = _log_line) -> None:
        """Find the revisions.

        Args:
            engines: The database.
            say: Told of each revision that was done, and of what a revision leaves alone.
        """
        self.engines = engines
        self._say = say
        self.place: Place = find_place(engines.migrations)

    async def upgrade(self, revision: str = "heads") -> None:
        """Bring the database to a revision.

        Raises:
            CommandError: There is no such revision.
            DBAPIError: A revision failed.
            OverloadedError: Another runner, or a lock, was waited for in vain.
            SchemaMismatchError: The database has a revision that is not here.
        """
        async with self._alone():
            await self._check_known()
            try:
                await self._try_again(lambda config: command.upgrade(config, revision))
            except DBAPIError:
                await self._tell_half_done()
                raise

    async def downgrade(self, revision: str) -> None:
        """Bring the database back to a revision; `-1` is one back, `base` the beginning.

        Raises:
            CommandError: There is no such revision.
            OverloadedError: Another runner, or a lock, was waited for in vain.
            SchemaMismatchError: The database has a revision that is not here.
        """
        async with self._alone():
            await self._check_known()
            await self._try_again(lambda config: command.downgrade(config, revision))

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
            await self._call(lambda config: command.stamp(config, revision, purge=purge))

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
            CommandError: The database is behind the revisions that are here, or it is not certain
                whether a column was renamed.
            ConfigurationError: There is no folder for it.
        """
        return await self._write(
            lambda config: command.revision(config, message=message, autogenerate=not empty),
            Wishes(allow_drop=allow_drop, renames=renames or {}, report=self._say),
        )

    async def merge(self, message: str, revisions: str = "heads") -> Path:
        """Write a revision that joins several heads.

        Raises:
            CommandError: There is one head.
        """
        made = await self._write(lambda config: command.merge(config, revisions, message=message))
        return made[0]

    async def check(self) -> None:
        """Compare the database with the revisions, and the models with the database.

        Raises:
            CommandError: There are several heads, or the models need a revision.
            SchemaMismatchError: The database is behind or ahead.
        """
        heads = self._script().get_heads()
        if len(heads) > 1:
            message = f"There are several heads: {', '.join(heads)}. Run: ormolu db merge"
            raise CommandError(message)
        await self.verify()
        await self._call(command.check)

    async def current(self) -> str:
        """Return the revisions that the database has, a line each."""
        return await self._call(command.current)

    async def history(self) -> str:
        """Return all revisions, the last one first, and which the database has."""
        return await self._call(lambda config: command.history(config, indicate_current=True))

    async def sql(self, revisions: str = "heads", *, is_downgrade: bool = False) -> str:
        """Return the statements of revisions, `from:to`, which are not run.

        Raises:
            CommandError: There is no such revision.
        """
        verb = command.downgrade if is_downgrade else command.upgrade
        return await self._call(lambda config: verb(config, revisions, sql=True))

    async def verify(self) -> None:
        """Compare the revisions that the database has with those that are here.

        Raises:
            SchemaMismatchError: It is behind, or ahead; the error lists by which revisions.
        """
        pending = await self._pending()
        if pending:
            raise SchemaMismatchError(
                [
                    f'Revision {each.revision} "{each.doc}" was not applied. Run: ormolu db upgrade'
                    for each in pending
                ]
            )

    async def _pending(self) -> list[Script]:
        """Return the revisions that the database lacks, the first one first."""
        found = await self._check_known()
        return list(self._script().iterate_revisions("heads", found or "base"))[::-1]

    async def _tell_half_done(self) -> None:
        """Say how to go on where the database has stored a part of a revision."""
        backend = self.engines.target.backend
        if backend.has_transactional_ddl:
            return
        (failed, *_later) = await self._pending()
        self._say(
            f'Revision {failed.revision} "{failed.doc}" stopped half-way. {backend.title} stores '
            "each CREATE and ALTER at once: what stands before the failed statement in "
            f"{failed.path} was done, now or by a run that was killed. Undo that by hand and "
            f"upgrade again; or do the rest by hand, and run: ormolu db stamp {failed.revision}"
        )

    async def _check_known(self) -> tuple[str, ...]:
        """Return the revisions that the database has.

        Raises:
            SchemaMismatchError: One is not here.
        """
        found = await self._heads_of_database()
        known = {each.revision for each in self._script().walk_revisions()}
        unknown = [
            f"The database has the revision {each}, which is not in {self._where()}. It was "
            "upgraded by newer code: deploy that, or downgrade with it."
            for each in found
            if each not in known
        ]
        if unknown:
            raise SchemaMismatchError(unknown)
        return found

    async def _heads_of_database(self) -> tuple[str, ...]:
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
                    self._say("another process migrates this database; waiting for it")
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
                await self._call(verb)
            except (DBAPIError, OverloadedError) as error:
                if not self._may_try_again(error):
                    raise
                self._say(f"no lock in time, try {attempt} of {_TRIES}: {type(error).__name__}")
                await asyncio.sleep(2 ** (attempt - 2) * random.random())
            else:
                return
        await self._call(verb)

    def _may_try_again(self, error: Exception) -> bool:
        is_busy = isinstance(error, OverloadedError) or fault_of(error).kind == "busy"
        return is_busy and self.engines.target.backend.has_transactional_ddl

    async def _write(
        self, verb: Callable[[Config], Any], wishes: Wishes | None = None
    ) -> list[Path]:
        """Call Alembic to write revisions, and return their files."""
        made: list[Any] = []

        def write(config: Config) -> None:
            # It would print the names of the files, too.
            config.cmd_opts = Namespace(quiet=True)
            made.append(verb(config))

        await self._call(write, wishes)
        return [Path(each.path) for each in made if each is not None]

    async def _call(self, verb: Callable[[Config], Any], wishes: Wishes | None = None) -> str:
        """Call Alembic in a thread, and return what it printed."""
        self._check_folder()
        attributes = {
            KEY: Run(engines=self.engines, say=self._say),
            WISHES: wishes or Wishes(report=self._say),
        }
        printed = StringIO()

        def call() -> None:
            with _alembic, keeping_loggers():
                verb(self._config(attributes, printed))

        await asyncio.to_thread(call)
        return printed.getvalue()

    def _check_folder(self) -> None:
        if not self.place.has_revisions:
            message = f"There is no folder {self._where()}. Run: ormolu db init"
            raise ConfigurationError(message)

    def _where(self) -> Path:
        return self.place.versions or Path(self._script().versions)

    def _script(self) -> ScriptDirectory:
        self._check_folder()
        return ScriptDirectory.from_config(self._config({}, StringIO()))

    def _config(self, attributes: dict[str, Any], printed: StringIO) -> Config:
        config = Config(
            self.place.ini,
            toml_file=self.place.toml,
            stdout=printed,
            output_buffer=printed,
            attributes=attributes,
        )
        versions = self.place.versions
        if versions is not None:
            config.set_main_option("script_location", _escaped(_SCRIPT))
            config.set_main_option("path_separator", "newline")
            config.set_main_option("version_locations", _escaped(versions))
        return config


def _heads(connection: Connection) -> tuple[str, ...]:
    return tuple(MigrationContext.configure(connection).get_current_heads())


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
