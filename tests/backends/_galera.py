"""A cluster of MariaDB servers that all take writes, by Galera."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pymysql  # type: ignore[import-untyped]

from ormolu.testing._binaries import run_program
from ormolu.testing._postgresql import free_port
from tests.backends._mariadb import MariaDB
from tests.backends._server import MissingServerError

__all__ = ["Galera"]

_PLACES = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera/libgalera_smm.so")

# A node that says nothing is taken for lost after a second, not after five as by default: until
# then no COMMIT of the others is answered.
_TIMES = (
    "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT1S;"
    "evs.inactive_timeout=PT2S;evs.install_timeout=PT2S"
)


class _Node(MariaDB):
    name = "galera"

    def __init__(self, provider: str, members: list[int], number: int) -> None:
        """Prepare a node.

        Args:
            provider: The library.
            members: The ports by which the nodes know each other.
            number: Which of them it is. All but the first copy what that has.
        """
        self._provider = provider
        self._members = members
        self._number = number
        self._ports = free_port(), free_port()
        self._position: str | None = None
        self.is_first = number == 0
        super().__init__()

    def fill(self) -> None:
        """Make the tables of the first; the others are given them."""
        if self._number == 0:
            super().fill()
        else:
            run_program(["mkdir", str(self.data)], self.folder)

    def recover(self) -> None:
        """Find out how far it was, as its service does after a crash.

        Then it is sent what it has missed, and no other node has to stand still to be copied.
        """
        log = self.folder / "recovery.log"
        run_program([*self.command(), "--wsrep-recover", f"--log-error={log}"], self.folder)
        found = re.findall(r"Recovered position:? ([0-9a-f-]+:-?\d+)", log.read_text())
        self._position = found[-1]

    def command(self) -> list[str]:
        known = ",".join(f"127.0.0.1:{port}" for port in self._members)
        own, (copies, changes) = self._members[self._number], self._ports
        options = (
            f"base_port={own};gmcast.listen_addr=tcp://127.0.0.1:{own};"
            f"ist.recv_addr=127.0.0.1:{changes};gcache.size=16M;{_TIMES}"
        )
        return [
            *super().command(), "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON", f"--wsrep-provider={self._provider}",
            f"--wsrep-cluster-address=gcomm://{'' if self.is_first else known}",
            "--wsrep-node-address=127.0.0.1", f"--wsrep-node-name=node{self._number}",
            f"--wsrep-provider-options={options}", "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{copies}",
            *([f"--wsrep-start-position={self._position}"] if self._position else []),
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            return super().answers() and self.status("wsrep_ready") == "ON"
        except pymysql.MySQLError:
            return False

    def status(self, name: str) -> str:
        """Return what it says of itself."""
        with self._cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE %s", (name,))
            return str(cursor.fetchall()[0][1])


class Galera:
    """Three nodes."""

    def __init__(self) -> None:
        """Prepare them.

        Raises:
            MissingServerError: This machine has no Galera.
        """
        MariaDB.check_installed()
        provider = next((place for place in _PLACES if Path(place).exists()), None)
        if provider is None:
            message = "no Galera: apt-get install galera-4"
            raise MissingServerError(message)
        members = [free_port() for _ in range(3)]
        self.nodes = [_Node(provider, members, number) for number in range(3)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let them run for the time of a block."""
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.remove)
            for node in self.nodes:
                node.start()
            # From now on it comes back as one of them, and founds no other cluster.
            self.nodes[0].is_first = False
            yield

    def url(self, database: str, first: int) -> str:
        """Return a URL with all hosts, which begins with one of them."""
        nodes = self.nodes[first:] + self.nodes[:first]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        return f"mariadb+asyncmy://root@{hosts}/{database}"
