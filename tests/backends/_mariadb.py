"""MariaDB from Debian's mariadb-server."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql  # type: ignore[import-untyped]
from pymysql.cursors import Cursor  # type: ignore[import-untyped]

from ormolu.testing._binaries import run_program
from tests.backends._server import MissingServerError, Server

__all__ = ["MariaDB"]

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class MariaDB(Server):
    """A server of its own, with a time zone far from UTC."""

    name = "mariadb"

    def __init__(self) -> None:
        self._server = _find("mariadbd")
        super().__init__()
        self.data = self.folder / "data"
        self._socket = self.folder / "s"
        self.fill()

    def fill(self) -> None:
        """Make its own tables."""
        run_program(
            [
                _find("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}",
                "--auth-root-authentication-method=normal", "--skip-test-db",
                "--innodb-log-file-size=16M", "--skip-name-resolve", f"--tmpdir={self.folder}",
            ],
            self.folder,
        )  # fmt: skip

    @staticmethod
    def check_installed() -> None:
        """Raise MissingServerError if this machine has no MariaDB."""
        _find("mariadbd")

    def command(self) -> list[str]:
        return [
            self._server, "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
            f"--socket={self._socket}", f"--pid-file={self.folder / 'pid'}",
            "--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=200",
            "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=0", "--default-time-zone=+05:30",
            "--character-set-server=utf8mb4", f"--tmpdir={self.folder}",
        ]  # fmt: skip

    def answers(self) -> bool:
        # PyMySQL leaves its socket open where nobody listens.
        if not self._is_listening():
            return False
        try:
            self.execute("SELECT 1")
        except pymysql.OperationalError:
            return False
        return True

    def url(self, database: str, driver: str) -> str:
        """Return the URL of a database for a SQLAlchemy driver."""
        return f"mariadb+{driver}://root@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        self.execute(f"CREATE DATABASE `{name}`")

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever uses it."""
        # DROP DATABASE waits for open transactions: a day, by default.
        with self._cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (connection,) in cursor.fetchall():
                # it may have ended by itself
                with suppress(pymysql.OperationalError):
                    cursor.execute("KILL %s", (connection,))
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def empty_database(self, name: str) -> None:
        """Drop a database and create it again, whoever uses it."""
        self.drop_database(name)
        self.create_database(name)

    def execute(self, statement: str) -> None:
        """Execute statements as root; raise if one fails."""
        with self._cursor() as cursor:
            for each in statement.split("; "):
                cursor.execute(each)

    def ask(self, question: str) -> Any:
        """Return the first value of the first row of a query."""
        return self.ask_all(question)[0]

    def ask_all(self, question: str) -> list[Any]:
        """Return the first value of each row of a query."""
        with self._cursor() as cursor:
            cursor.execute(question)
            return [row[0] for row in cursor.fetchall()]

    def _is_listening(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        connection = pymysql.connect(
            user="root", unix_socket=str(self._socket), ssl_disabled=True, connect_timeout=2
        )
        with connection, connection.cursor() as cursor:
            yield cursor


def _find(program: str) -> str:
    found = shutil.which(program, path=_PATH)
    if found is None:
        message = f"no {program}: apt-get install mariadb-server"
        raise MissingServerError(message)
    return found
