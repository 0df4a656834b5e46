"""Real database servers for the tests: started here, on the loopback, ended with the tests."""

from tests.backends._galera import Galera
from tests.backends._mariadb import MariaDB
from tests.backends._mariadb_pair import MariaDBPair
from tests.backends._pgbouncer import PgBouncer
from tests.backends._postgresql import PostgreSQL
from tests.backends._postgresql_pair import PostgreSQLPair
from tests.backends._server import MissingServerError, Server, stopped

__all__ = [
    "Galera",
    "MariaDB",
    "MariaDBPair",
    "MissingServerError",
    "PgBouncer",
    "PostgreSQL",
    "PostgreSQLPair",
    "Server",
    "stopped",
]
