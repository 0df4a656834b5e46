"""What people paste as a database URL, turned into one that SQLAlchemy's asyncio can open."""

from __future__ import annotations

import importlib.util
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ormolu.backends import BACKENDS, POSTGRESQL, Backend, backend_named
from ormolu.engines._parameters import take_values
from ormolu.engines._pasted import (
    KEEPALIVES,
    check_mysql,
    join_hosts,
    read_parameters,
    split_hosts,
    take_hosts,
)
from ormolu.errors import ConfigurationError

__all__ = ["Target", "read_url", "with_driver"]

_DEFAULT = "sqlite:///app.db"

# Scheme without a driver -> backend and driver that Ormolu takes.
_DRIVERS = {
    **{name: each.driver for name, each in BACKENDS.items()},
    "postgres": POSTGRESQL.driver,
}

# Driver -> the extra of this package that installs it.
_EXTRAS = {"asyncmy": "mysql", "asyncpg": "postgresql", "psycopg": "psycopg"}

# Backend -> the package that has its dialect, where that is not SQLAlchemy.
_PACKAGES = {"cockroachdb": "sqlalchemy-cockroachdb"}

# What libpq and asyncpg read from a DSN, and SQLAlchemy would hand to asyncpg as unknown arguments.
_ASYNCPG_DSN = frozenset(
    {
        "sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation",
        "ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs",
        "krbsrvname", "gsslib", "application_name", "options",
    }
)  # fmt: skip

# MySQL's own modes, and libpq's for the same.
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_MODES_OF_MYSQL = frozenset({*_MODES, "DISABLE", "PREFER", "REQUIRE", "VERIFY-CA", "VERIFY-FULL"})

# What drivers take in a query, where a URL shows it.
_SECRETS = frozenset({"passwd", "password", "sslpassword"})

_NO_URL = (
    "This is not a database URL (not shown, it may hold a password). Write "
    '"sqlite:///app.db" for a file, or "postgresql://user:password@host/name"; '
    "@ : / in a password are written %40 %3A %2F."
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a database is and how its driver is called.

    Attributes:
        url: URL with an asynchronous driver, without options that the driver would refuse.
        connect_args: Keyword arguments of the driver's connect, taken from the URL's query.
        is_memory: Whether an in-memory SQLite database was asked for.
        has_pooler: Whether the URL says that a transaction pooler is before the database.
        keepalives: Options of the connection's socket, by libpq's names.
        hosts: Names and ports of several servers, of which the URL has the first; empty if there is
            one, or its driver knows them all.
    """

    url: URL
    connect_args: Mapping[str, Any] = field(default_factory=dict)
    is_memory: bool = False
    has_pooler: bool = False
    keepalives: Mapping[str, int] = field(default_factory=dict)
    hosts: Sequence[tuple[str, int]] = ()

    @property
    def backend(self) -> Backend:
        """Return what the first part of the scheme stands for, like `postgresql`."""
        return backend_named(self.url.get_backend_name())

    @property
    def driver(self) -> str:
        """Return the second part of the scheme, like `asyncpg`."""
        return self.url.get_driver_name()


def read_url(given: str | URL | None) -> Target:
    """Return the target that a URL means.

    Args:
        given: What the user wrote; None takes `$DATABASE_URL`, else `sqlite:///app.db`.

    Raises:
        ConfigurationError: The text is no URL, names a driver that blocks the event loop, or one
            that is not installed.
    """
    url = _parse(given if given is not None else os.environ.get("DATABASE_URL") or _DEFAULT)
    url = with_driver(url)
    backend = url.get_backend_name()
    if backend == "sqlite":
        _check_file(url)
        return Target(url=url, is_memory=_is_memory(url))
    _check_place(url)
    if backend in {"postgresql", "cockroachdb"}:
        return _without_secrets(_read_postgresql(url))
    if backend in {"mysql", "mariadb"}:
        return _without_secrets(_read_mysql(url))
    return _without_secrets(Target(url=url))


def _driver_name(url: URL) -> str:
    """Return the scheme with an asynchronous driver, if it names none."""
    scheme, mark, driver = url.drivername.partition("+")
    if not mark:
        return _DRIVERS.get(scheme) or scheme
    return f"postgresql+{driver}" if scheme == "postgres" else url.drivername


def _parse(given: str | URL) -> URL:
    if isinstance(given, URL):
        return given
    if not isinstance(given, str):
        message = (
            f"Database takes a URL, and this is a {type(given).__name__}. A database has two "
            "engines for each event loop, which it makes itself: write Database(engine.url), with "
            "engine_options={...} for what yours has, and @db.listens_for(...) for its events."
        )
        raise ConfigurationError(message)
    text = given.strip()
    if text == ":memory:":
        return make_url("sqlite://")
    text, hosts = split_hosts(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not from the error: it has the text that is in the place of the port.
        raise ConfigurationError(_NO_URL) from None
    return join_hosts(url, hosts)


def _check_place(url: URL) -> None:
    if "@" in (url.host or url.database or ""):
        raise ConfigurationError(_NO_URL)
    if url.port is not None and not 0 < url.port < 65536:
        message = f"There is no port {url.port}: write one from 1 to 65535."
        raise ConfigurationError(message)


def _without_secrets(target: Target) -> Target:
    """Return a target in whose URL the password alone is one, which SQLAlchemy shows to nobody."""
    secrets = {name: value for name, value in target.url.query.items() if name in _SECRETS}
    plain = target.url.difference_update_query(secrets)
    return replace(target, url=plain, connect_args={**target.connect_args, **secrets})


def _is_memory(url: URL) -> bool:
    return not url.database or url.database == ":memory:" or url.query.get("mode") == "memory"


def _check_file(url: URL) -> None:
    if url.host or url.username or url.password:
        message = (
            "A SQLite URL has no host: a slash is missing. Write "
            f'"sqlite:///{url.host or "app.db"}" for a file beside the program, '
            '"sqlite:////var/lib/app.db" for one from the root, "sqlite://" for one in memory.'
        )
        raise ConfigurationError(message)


def with_driver(url: URL) -> URL:
    """Return a URL with an asynchronous driver: its own, or the one that is taken for its backend.

    Raises:
        ConfigurationError: The driver blocks the event loop, or is not installed.
    """
    url = url.set(drivername=_driver_name(url))
    _check_driver(url)
    return url


def _check_driver(url: URL) -> None:
    try:
        dialect = url.get_dialect(_is_async=True)
    except (NoSuchModuleError, ValueError) as error:
        if url.get_backend_name() in _PACKAGES:
            package = _PACKAGES[url.get_backend_name()]
            message = f'The dialect of "{url.drivername}" is not installed: pip install {package}'
            raise ConfigurationError(message) from error
        known = ", ".join(sorted(_DRIVERS))
        message = f'No database is called "{url.drivername}". Known: {known}.'
        raise ConfigurationError(message) from error
    backend, driver = url.get_backend_name(), url.get_driver_name()
    if not dialect.is_async:
        asynchronous = _DRIVERS.get(backend, f"{backend}+<an asynchronous driver>")
        message = (
            f'The driver "{driver}" blocks the event loop. '
            f'Write "{asynchronous}://..." instead of "{url.drivername}://...".'
        )
        raise ConfigurationError(message)
    module = driver.removesuffix("_async")
    if importlib.util.find_spec(module) is None:
        package = f"ormolu[{_EXTRAS[module]}]" if module in _EXTRAS else module
        message = f'The driver "{module}" is not installed. Run: pip install "{package}"'
        raise ConfigurationError(message)


def _read_postgresql(url: URL) -> Target:
    url = read_parameters(url)
    has_pooler = str(url.query.get("pgbouncer", "")).lower() in {"true", "1"}
    url, values = take_values(url.difference_update_query(["pgbouncer"]))
    target = _read_asyncpg(url) if url.get_driver_name() == "asyncpg" else Target(url=url)
    return replace(target, has_pooler=has_pooler, connect_args={**target.connect_args, **values})


def _read_asyncpg(url: URL) -> Target:
    if url.query.get("channel_binding") == "require":
        message = (
            "asyncpg cannot require channel binding. Write "
            '"postgresql+psycopg://..." or leave channel_binding=require out of the URL.'
        )
        raise ConfigurationError(message)
    dsn_query = {key: value for key, value in url.query.items() if key in _ASYNCPG_DSN}
    connect_args: dict[str, Any] = {}
    if dsn_query:
        dsn = URL.create("postgresql", query=dsn_query)
        connect_args["dsn"] = dsn.render_as_string(hide_password=False)
    # To libpq 0 is no limit; ours holds all the same.
    if seconds := float(str(url.query.get("connect_timeout", "0"))):
        connect_args["timeout"] = seconds
    keepalives = {key: int(str(value)) for key, value in url.query.items() if key in KEEPALIVES}
    ours = [*dsn_query, *keepalives, "channel_binding", "connect_timeout"]
    plain = url.difference_update_query(ours)
    return Target(url=plain, connect_args=connect_args, keepalives=keepalives)


def _read_mysql(url: URL) -> Target:
    names = ("ssl-mode", "ssl_mode", "sslmode")
    modes = [str(url.query[name]).upper() for name in names if name in url.query]
    url, hosts = take_hosts(url.difference_update_query(names))
    check_mysql(url)
    url, values = take_values(url)
    if modes and modes[0] not in _MODES_OF_MYSQL:
        message = f"ssl-mode={modes[0]!r} in the URL: write one of {', '.join(_MODES)}."
        raise ConfigurationError(message)
    if not modes or modes[0] in {"DISABLED", "DISABLE", "PREFERRED", "PREFER"}:
        return Target(url=url, connect_args=values, hosts=hosts)
    context = ssl.create_default_context()
    context.check_hostname = modes[0] in {"VERIFY_IDENTITY", "VERIFY-FULL"}
    if modes[0] in {"REQUIRED", "REQUIRE"}:
        context.verify_mode = ssl.CERT_NONE
    return Target(url=url, connect_args={"ssl": context, **values}, hosts=hosts)
