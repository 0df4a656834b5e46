"""What people paste as a PostgreSQL URL: read the same way for both drivers.

Consoles, other ORMs and libpq have forms and names of their own. Each is understood, or refused by
its name with what to write instead; neither driver would say that.
"""

from __future__ import annotations

import inspect
import re
import socket
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from sqlalchemy import URL, Engine, event

from ormolu.errors import ConfigurationError
from ormolu.seams import transport_of

__all__ = ["KEEPALIVES", "check_mysql", "join_hosts", "keep_alive", "read_parameters",
           "split_hosts", "take_hosts"]  # fmt: skip

# libpq's names, and the options of a socket that they stand for; None where a system has none.
KEEPALIVES: Mapping[str, tuple[int, int | None]] = {
    "keepalives": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "keepalives_idle": (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", None)),
    "keepalives_interval": (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", None)),
    "keepalives_count": (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", None)),
    "tcp_user_timeout": (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", None)),
}

_SEARCH_PATH = 'options=-csearch_path%3DNAME in the URL, or __table_args__ = {"schema": "NAME"}'

# Of Prisma, JDBC, Rails and create_engine.
_INSTEAD = {
    "connection_limit": "Database(url, pool_size=...)",
    "currentSchema": _SEARCH_PATH,
    "max_overflow": "Database(url, max_overflow=...)",
    "pool": "Database(url, pool_size=...)",
    "pool_size": "Database(url, pool_size=...)",
    "pool_timeout": "Database(url, pool_timeout=...)",
    "schema": _SEARCH_PATH,
    "search_path": _SEARCH_PATH,
    "socket_timeout": "options=-cstatement_timeout%3DMILLISECONDS in the URL",
    "sslaccept": "sslmode=require in the URL",
    "statement_timeout": "options=-cstatement_timeout%3DMILLISECONDS in the URL",
}

# What SQLAlchemy takes out of a URL of MySQL's itself.
_OF_MYSQL = frozenset(
    {"compress", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_check_hostname", "ssl_cipher", "ssl_key"}
)
# Of Prisma, JDBC, Rails and create_engine.
_INSTEAD_ON_MYSQL = {
    "connection_limit": "Database(url, pool_size=...)",
    "pool": "Database(url, pool_size=...)",
    "pool_size": "Database(url, pool_size=...)",
    "pool_timeout": "Database(url, pool_timeout=...)",
    "ssl": "ssl-mode=REQUIRED or ssl-mode=DISABLED in the URL",
    "sslaccept": "ssl-mode=REQUIRED in the URL",
    "useSSL": "ssl-mode=REQUIRED or ssl-mode=DISABLED in the URL",
}

# Names of libpq that asyncpg knows too, and what SQLAlchemy takes out of the URL itself.
_KNOWN = frozenset(
    {
        "application_name", "channel_binding", "connect_timeout", "gsslib", "host", "krbsrvname",
        "options", "pgbouncer", "port", "prepared_statement_cache_size",
        "prepared_statement_name_func", "ssl", "ssl_max_protocol_version",
        "ssl_min_protocol_version", "sslcert", "sslcrl", "sslkey", "sslmode", "sslnegotiation",
        "sslpassword", "sslrootcert", "target_session_attrs", *KEEPALIVES,
    }
)  # fmt: skip


# A name or an address, perhaps with a port.
_HOST = re.compile(r"(?:\[[^\[\]@]+\]|[^\[\]@:]+)(?::\d+)?")

_NO_HOST = (
    "One of the hosts in the URL is none (not shown, it may be a password): write a host and a "
    "port, like db1:3306, and user:password@ before the first; @ : / in a password are written "
    "%40 %3A %2F."
)

_OF_SERVERS = ("postgres", "mysql", "mariadb")


def split_hosts(text: str) -> tuple[str, tuple[str, ...]]:
    """Take several hosts, `h1:5432,h2:5433`, out of a URL, where SQLAlchemy reads one.

    Returns:
        The URL without them, and the hosts, each perhaps with its port; empty if there is one.
    """
    scheme, mark, rest = text.partition("://")
    if not scheme.startswith(_OF_SERVERS) or not mark:
        return text, ()
    # In a password these signs are written %2F and %3F.
    end = min((place for sign in "/?" if (place := rest.find(sign)) >= 0), default=len(rest))
    user, at, hosts = rest[:end].rpartition("@")
    if "," not in hosts:
        return text, ()
    return f"{scheme}://{user}{at}{rest[end:]}", tuple(hosts.split(","))


def join_hosts(url: URL, hosts: tuple[str, ...]) -> URL:
    """Give a URL its hosts in the form that SQLAlchemy has for several.

    Raises:
        ConfigurationError: One is none; not shown, it may be a password.
    """
    if not hosts:
        return url
    if not all(map(_HOST.fullmatch, hosts)):
        raise ConfigurationError(_NO_HOST)
    default = 5432 if url.drivername.startswith("postgres") else 3306
    named = tuple(host if ":" in host.rpartition("]")[2] else f"{host}:{default}" for host in hosts)
    return url.update_query_dict({"host": named})


def take_hosts(url: URL) -> tuple[URL, tuple[tuple[str, int], ...]]:
    """Take several hosts out of a URL whose driver knows of one; it keeps the first.

    Raises:
        ConfigurationError: The port of one is no number.
    """
    given = url.query.get("host", ())
    named = (given,) if isinstance(given, str) else given
    places = []
    for each in named:
        host, _, port = each.rpartition(":")
        if not port.isdecimal():
            raise ConfigurationError(_NO_HOST)
        places.append((host.strip("[]"), int(port)))
    url = url.difference_update_query(["host"])
    return (url.set(host=places[0][0], port=places[0][1]) if places else url), tuple(places)


def read_parameters(url: URL) -> URL:
    """Return a URL whose parameters its driver understands.

    Raises:
        ConfigurationError: It has one that PostgreSQL does not; the message says what to write.
    """
    _check_names(url)
    _check_numbers(url, "connect_timeout", *KEEPALIVES)
    changed: dict[str, Any] = {}
    if url.query.get("target_session_attrs") == "read-write":
        # A connection for reading is read-only by its own setting, and would be refused for it.
        changed["target_session_attrs"] = "primary"
    if "ssl" in url.query:
        given = str(url.query["ssl"]).lower()
        changed["sslmode"] = {"true": "require", "1": "require", "false": "disable"}.get(
            given, given
        )
    return url.difference_update_query(["ssl"]).update_query_dict(changed)


def _check_numbers(url: URL, *names: str) -> None:
    for name in names:
        value = str(url.query.get(name, "0"))
        if not value.isdecimal():
            message = f"{name}={value!r} in the URL: write a whole number."
            raise ConfigurationError(message)


def check_mysql(url: URL) -> None:
    """Refuse what asyncmy does not take from a URL, where it would raise a TypeError.

    Raises:
        ConfigurationError: The message has the name, and what to write.
    """
    _check_numbers(url, "connect_timeout", "read_timeout")
    if url.get_driver_name() != "asyncmy":
        return
    theirs = set(inspect.signature(import_module("asyncmy").connect).parameters) - {"ssl"}
    for name in url.query:
        if name in _INSTEAD_ON_MYSQL:
            message = f"{name!r} in the URL is not MySQL's. Write {_INSTEAD_ON_MYSQL[name]}."
            raise ConfigurationError(message)
        if name not in theirs and name not in _OF_MYSQL:
            message = f"{name!r} in the URL means nothing to MySQL or its driver: leave it out."
            raise ConfigurationError(message)


def _check_names(url: URL) -> None:
    theirs = _names_of(url.get_driver_name())
    for name in url.query:
        if name in _INSTEAD:
            message = f"{name!r} in the URL is not PostgreSQL's. Write {_INSTEAD[name]}."
            raise ConfigurationError(message)
        if name not in _KNOWN and name not in theirs:
            message = (
                f"{name!r} in the URL means nothing to PostgreSQL or its driver: leave it out."
            )
            raise ConfigurationError(message)


def _names_of(driver: str) -> set[str]:
    """Return the names that a driver takes itself."""
    if driver == "asyncpg":
        return set(inspect.signature(import_module("asyncpg").connect).parameters)
    psycopg = import_module("psycopg")
    of_libpq = {each.keyword.decode() for each in psycopg.pq.Conninfo.get_defaults()}
    return of_libpq | set(inspect.signature(psycopg.AsyncConnection.connect).parameters)


def keep_alive(engine: Engine, settings: Mapping[str, int]) -> None:
    """Set the options of a connection's socket, which asyncpg has no arguments for."""
    if not settings:
        return

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _record: object) -> None:
        transport = transport_of(connection.driver_connection)
        opened = None if transport is None else transport.get_extra_info("socket")
        if opened is None or opened.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        for name, value in settings.items():
            level, option = KEEPALIVES[name]
            if option is not None:
                opened.setsockopt(level, option, value)
