"""Real database servers for the tests: started here, on the loopback, ended with the tests."""

from tests.backends._mariadb import MariaDB
from tests.backends._pgbouncer import PgBouncer
from tests.backends._postgresql import PostgreSQL
from tests.backends._server import MissingServerError, Server

__all__ = ["MariaDB", "MissingServerError", "PgBouncer", "PostgreSQL", "Server"]
