"""The parameters of a URL, which are texts, as the values that a driver's connect takes.

SQLAlchemy reads a few of them; the drivers would compare a text with a number, or call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import URL

from ormolu.errors import ConfigurationError

__all__ = ["NO_AUTOCOMMIT", "take_values"]

NO_AUTOCOMMIT = (
    "Each statement would be stored at once, and a unit of work that fails could not be rolled "
    "back. Leave it out; what cannot run in a transaction runs over a connection of its own: "
    'await connection.execution_options(isolation_level="AUTOCOMMIT").'
)

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError
    return text.lower() in _TRUE


def _limit(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


_Reader = Callable[[str], Any]

# What each driver takes that is no text.
_READERS: Mapping[str, Mapping[str, _Reader]] = {
    "asyncpg": {
        "command_timeout": float, "direct_tls": _flag, "max_cacheable_statement_size": int,
        "max_cached_statement_lifetime": int, "prepared_statement_cache_size": int,
        "statement_cache_size": int, "timeout": float,
    },
    "psycopg": {"prepare_threshold": _limit},
    "asyncmy": {
        "binary_prefix": _flag, "client_flag": int, "echo": _flag, "max_allowed_packet": int,
        "port": int, "stmt_cache_size": int,
    },
}  # fmt: skip

# What no text stands for: functions, classes, contexts and the like.
_OBJECTS: Mapping[str, frozenset[str]] = {
    "asyncpg": frozenset(
        {
            "connection_class", "dsn", "loop", "prepared_statement_name_func", "record_class",
            "server_settings",
        }
    ),
    "psycopg": frozenset({"conninfo", "context", "cursor_factory", "row_factory"}),
    "asyncmy": frozenset(
        {"auth_plugin_map", "conv", "cursor_cls", "password_creator", "query_callback", "sock"}
    ),
}  # fmt: skip

# What one driver takes, and another one would refuse in words of its own.
_OF_ANOTHER: Mapping[str, frozenset[str]] = {
    "psycopg": frozenset({"prepared_statement_cache_size", "prepared_statement_name_func"}),
}


def take_values(url: URL) -> tuple[URL, dict[str, Any]]:
    """Take what is no text out of a URL.

    Returns:
        The URL without it, and it, by the names of the driver's connect.

    Raises:
        ConfigurationError: A text does not stand for such a value, or none does; or each statement
            was to be stored at once.
    """
    driver = url.get_driver_name().removesuffix("_async")
    readers = _READERS.get(driver, {})
    taken: dict[str, Any] = {}
    for name, given in url.query.items():
        if name == "autocommit":
            message = f"'autocommit' in the URL: {NO_AUTOCOMMIT}"
            raise ConfigurationError(message)
        if name in _OF_ANOTHER.get(driver, ()):
            message = (
                f"{name!r} in the URL means nothing to {driver}: leave it out. Behind PgBouncer "
                'write Database(url, pooler="transaction").'
            )
            raise ConfigurationError(message)
        if name in _OBJECTS.get(driver, ()):
            message = (
                f"{name!r} cannot be written in a URL: write "
                f'Database(url, connect_args={{"{name}": ...}}).'
            )
            raise ConfigurationError(message)
        if name in readers:
            taken[name] = _read(name, str(given), readers[name])
    return url.difference_update_query(taken), taken


def _read(name: str, text: str, read: _Reader) -> Any:
    try:
        return read(text)
    except ValueError:
        kind = "true or false" if read is _flag else "a number"
        message = f"{name}={text!r} in the URL: write {kind}."
        raise ConfigurationError(message) from None
