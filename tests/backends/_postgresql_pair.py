"""Two PostgreSQL servers, of which the second is a standby of the first; both may be killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg

from ormolu.testing._binaries import copy_cluster, find_programs
from tests.backends._postgresql import PostgreSQL
from tests.backends._server import Server, wait_until

__all__ = ["PostgreSQLPair"]


class _Primary(PostgreSQL):
    # Its log is written at once: what is committed is on its way.
    settings: ClassVar[Mapping[str, str]] = {
        **PostgreSQL.settings,
        "hot_standby": "on",
        "max_wal_senders": "4",
        "synchronous_commit": "local",
        "wal_level": "replica",
    }


class _Standby(_Primary):
    def __init__(self, primary: _Primary) -> None:
        Server.__init__(self)
        self._bin = find_programs(self.folder)
        self.data = self.folder / "data"
        copy_cluster(self._bin, self.folder, f"postgresql://postgres@127.0.0.1:{primary.port}/")


class PostgreSQLPair:
    """A primary with a standby.

    Attributes:
        primary: The server that takes writes.
        replica: The one that follows it, once they run.
    """

    replica: _Standby

    def __init__(self) -> None:
        self.primary = _Primary()

    def start(self) -> None:
        """Start both."""
        self.primary.start()
        self.replica = _Standby(self.primary)
        self.replica.start()

    def remove(self) -> None:
        """End both, and delete their data."""
        if hasattr(self, "replica"):
            self.replica.remove()
        self.primary.remove()

    def catch_up(self) -> None:
        """Wait until the standby has all that is committed."""
        place = _ask(self.primary, "SELECT pg_current_wal_flush_lsn()::text")
        question = f"SELECT pg_last_wal_replay_lsn() >= '{place}'"
        wait_until(lambda: _ask(self.replica, question), "The standby did not catch up")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the standby stay where it is within a block."""
        self.catch_up()
        _ask(self.replica, "SELECT pg_wal_replay_pause()")
        state = "SELECT pg_get_wal_replay_pause_state()"
        wait_until(lambda: _ask(self.replica, state) == "paused", "The standby did not pause")
        try:
            yield
        finally:
            _ask(self.replica, "SELECT pg_wal_replay_resume()")
            self.catch_up()

    @contextmanager
    def delayed(self) -> Iterator[None]:
        """Let the standby be half a second behind within a block."""
        self._set("ALTER SYSTEM SET recovery_min_apply_delay = '500ms'")
        try:
            yield
        finally:
            self._set("ALTER SYSTEM RESET recovery_min_apply_delay")
            self.catch_up()

    def promote(self) -> None:
        """Make the standby a primary."""
        _ask(self.replica, "SELECT pg_promote()")

    def _set(self, statement: str) -> None:
        with _connect(self.replica) as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")


def _connect(server: PostgreSQL) -> psycopg.Connection[Any]:
    return psycopg.connect(
        server.url("postgres", "psycopg").replace("+psycopg", ""), autocommit=True
    )


def _ask(server: PostgreSQL, question: str) -> Any:
    with _connect(server) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]
