"""PgBouncer in transaction mode, from Debian's pgbouncer, before a PostgreSQL server."""

from __future__ import annotations

import os
import shutil

import psycopg

from tests.backends._postgresql import PostgreSQL
from tests.backends._server import MissingServerError, Server

__all__ = ["PgBouncer"]

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
ignore_startup_parameters = {ignored}
"""


class PgBouncer(Server):
    """A pooler that gives each transaction any of three server connections."""

    name = "pgbouncer"

    def __init__(self, server: PostgreSQL, ignored: str = "") -> None:
        """Write its configuration.

        Args:
            server: What it stands before.
            ignored: Settings of a connection that it drops.
        """
        self._program = _find()
        super().__init__()
        text = _CONFIGURATION.format(server_port=server.port, port=self.port, ignored=ignored)
        (self.folder / "pgbouncer.ini").write_text(text)

    @staticmethod
    def check_installed() -> None:
        """Raise MissingServerError if this machine has no PgBouncer."""
        _find()

    def command(self) -> list[str]:
        return [self._program, str(self.folder / "pgbouncer.ini")]

    def answers(self) -> bool:
        url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str, driver: str) -> str:
        """Return the URL of a database for a SQLAlchemy driver."""
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/{database}"


def _find() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    program = shutil.which("pgbouncer", path=path)
    if program is None:
        message = "no pgbouncer: apt-get install pgbouncer"
        raise MissingServerError(message)
    return program
