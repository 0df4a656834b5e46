"""Alembic's commands, called in a thread, one at a time in a process, with what they print."""

from __future__ import annotations

import asyncio
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from ormolu.errors import ConfigurationError
from ormolu.migrations._changes import Wishes
from ormolu.migrations._env import KEY, Migrated, Run
from ormolu.migrations._logging import keeping_loggers
from ormolu.migrations._options import WISHES
from ormolu.migrations._place import Place

__all__ = ["Caller"]

_SCRIPT = Path(__file__).parent / "script"

# Alembic's `op` and `context` are one for the process.
_alembic = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Calls Alembic for a database.

    Attributes:
        engines: The database.
        place: Where the revisions are.
        say: Told of each revision that was done, and of what a revision leaves alone.
        is_ours: Whether our env runs them, be there one of the project's.
    """

    engines: Migrated
    place: Place
    say: Callable[[str], None]
    is_ours: bool = False

    async def call(self, verb: Callable[[Config], Any], wishes: Wishes | None = None) -> str:
        """Call Alembic in a thread, and return what it printed."""
        self._check_folder()
        attributes = {
            KEY: Run(engines=self.engines, say=self.say),
            WISHES: wishes or Wishes(report=self.say),
        }
        printed = StringIO()

        def call() -> None:
            with _alembic, keeping_loggers():
                verb(self._config(attributes, printed))

        await asyncio.to_thread(call)
        return printed.getvalue()

    async def heads(self) -> tuple[str, ...]:
        """Return the revisions that the database has, as the env.py of the project finds them."""
        found: list[str] = []

        def look(config: Config) -> None:
            script = ScriptDirectory.from_config(config)

            def note(heads: tuple[str, ...], context: Any) -> list[Any]:
                del context
                found.extend(heads)
                return []

            with EnvironmentContext(config, script, fn=note, dont_mutate=True):
                script.run_env()

        await self.call(look)
        return tuple(found)

    async def write(
        self, verb: Callable[[Config], Any], wishes: Wishes | None = None
    ) -> list[Path]:
        """Call Alembic to write revisions, and return their files."""
        made: list[Any] = []

        def write(config: Config) -> None:
            # It would print the names of the files, too.
            config.cmd_opts = Namespace(quiet=True)
            made.append(verb(config))

        await self.call(write, wishes)
        return [Path(each.path) for each in made if each is not None]

    def where(self) -> Path:
        """Return the folder of the revisions."""
        return self.place.versions or Path(self.script().versions)

    def script(self) -> ScriptDirectory:
        """Return the revisions.

        Raises:
            ConfigurationError: There is no folder for them.
        """
        self._check_folder()
        return ScriptDirectory.from_config(self._config({}, StringIO()))

    def _check_folder(self) -> None:
        if not self.place.has_revisions:
            message = f"There is no folder {self.where()}. Run: ormolu db init"
            raise ConfigurationError(message)

    def _config(self, attributes: Mapping[str, Any], printed: StringIO) -> Config:
        config = Config(
            self.place.ini,
            toml_file=self.place.toml,
            stdout=printed,
            output_buffer=printed,
            attributes=dict(attributes),
        )
        versions = self.place.versions
        if versions is not None:
            _take_ours(config, [versions])
        elif self.is_ours:
            theirs = ScriptDirectory.from_config(config)
            config = Config(stdout=printed, output_buffer=printed, attributes=dict(attributes))
            _take_ours(config, theirs.version_locations or [Path(theirs.dir) / "versions"])
            is_deep = str(theirs.recursive_version_locations).lower()
            config.set_main_option("recursive_version_locations", is_deep)
        return config


def _take_ours(config: Config, versions: Sequence[object]) -> None:
    """Let our env run the revisions of these folders."""
    config.set_main_option("script_location", _escaped(_SCRIPT))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(_escaped(each) for each in versions))


def _escaped(path: object) -> str:
    return str(path).replace("%", "%%")
