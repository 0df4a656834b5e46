"""Two MariaDB servers, of which the second follows the first by GTIDs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.backends._mariadb import MariaDB
from tests.backends._server import wait_until

__all__ = ["MariaDBPair"]


class _Logging(MariaDB):
    """A server with a log that others may follow."""

    number = 1

    def command(self) -> list[str]:
        return [
            *super().command(), f"--server-id={self.number}", "--log-bin=log",
            "--log-slave-updates", f"--relay-log={self.data / 'relay'}",
        ]  # fmt: skip


class _Following(_Logging):
    number = 2


class MariaDBPair:
    """A primary with a replica.

    Attributes:
        primary: The server that takes writes.
        replica: The one that follows it.
    """

    def __init__(self) -> None:
        self.primary = _Logging()
        self.replica = _Following()

    def start(self) -> None:
        """Start both, and let the second follow the first from its beginning on."""
        for server in (self.primary, self.replica):
            server.start()
            # What made the system tables is in no log.
            server.execute("RESET MASTER")
        self.primary.execute("CREATE USER follower IDENTIFIED BY 'follower'")
        self.primary.execute("GRANT REPLICATION SLAVE ON *.* TO follower")
        self.replica.execute(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', "
            f"MASTER_PORT={self.primary.port}, MASTER_USER='follower', "
            "MASTER_PASSWORD='follower', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        )
        self.replica.execute("START SLAVE")

    def remove(self) -> None:
        """End both, and delete their data."""
        self.replica.remove()
        self.primary.remove()

    def catch_up(self) -> None:
        """Wait until the replica has all that is committed."""
        place = self.primary.ask("SELECT @@GLOBAL.gtid_binlog_pos")
        wait_until(
            lambda: self.replica.ask("SELECT @@GLOBAL.gtid_slave_pos") == place,
            "The replica did not catch up",
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the replica stay where it is within a block."""
        self.catch_up()
        self.replica.execute("STOP SLAVE SQL_THREAD")
        try:
            yield
        finally:
            self.replica.execute("START SLAVE SQL_THREAD")
            self.catch_up()

    @contextmanager
    def delayed(self) -> Iterator[None]:
        """Let the replica be half a second behind within a block, now and then: it stops."""
        is_over = threading.Event()

        def stop_and_go() -> None:
            while not is_over.wait(0.02):
                self.replica.execute("STOP SLAVE SQL_THREAD")
                is_over.wait(0.5)
                self.replica.execute("START SLAVE SQL_THREAD")

        stopper = threading.Thread(target=stop_and_go)
        stopper.start()
        try:
            yield
        finally:
            is_over.set()
            stopper.join()
            self.catch_up()
