"""The options of a database's engines, and what each backend makes of them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, NoReturn

from sqlalchemy import Engine, event

from ormolu.controlled_delay import Patience
from ormolu.engines._cancels import cancel_arguments
from ormolu.engines._engine_options import check_engine_options, their_arguments
from ormolu.engines._parameters import NO_AUTOCOMMIT
from ormolu.engines._url import Target
from ormolu.errors import ConfigurationError
from ormolu.transactions import Access

__all__ = [
    "EngineOptions",
    "Pooler",
    "Retry",
    "check_deadline",
    "check_reader",
    "connect_arguments",
    "engine_arguments",
    "reads_in_autocommit",
    "set_session",
    "silence_driver",
]

Pooler = Literal["transaction"]
Retry = Literal["marked", "all", "never"]


# Read from connect_args and passed to the engine: the module that opens the file, like sqlite3.
_MODULE = "module"

# Connections that write to one SQLite file in turn: as many commits share a sync at most.
_WRITERS = 16


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How the engines of one database are made.

    Attributes:
        pool_size: Connections that stay open for reading, and as many for writing (16 on SQLite).
        max_overflow: Connections that are opened beyond those where they are needed.
        pool_timeout: Seconds that a unit of work waits in line for a connection, and on SQLite for
            its turn to write, counted from the line's last move.
        connect_timeout: Seconds that a server may be silent when it is asked for a connection.
        lock_timeout: Seconds that a statement waits for another transaction's lock, on SQLite for
            another process's, and that one waits in a line that does not move.
        deadline: Seconds that a request may take; None for any.
        cancel_departed: Whether a request is cancelled whose client has left.
        pooler: "transaction" behind a pooler that gives a server connection per transaction.
        isolation_level: Of writing transactions; None keeps the server's default.
        retry: Which requests are run again.
        log_slow: Seconds from which on a statement is logged; None for none.
        replica_wait: Seconds that a read waits for a replica that is about to have what it needs.
        replica_lag: Seconds that a replica may be behind, to be read from.
        echo: Whether statements are logged.
        connect_args: More keyword arguments for the driver's connect.
        engine_options: More keyword arguments for `create_async_engine`, of both engines.
    """

    pool_size: int = 5
    max_overflow: int = 10
    pool_timeout: float = 60.0
    connect_timeout: float = 1.0
    lock_timeout: float = 5.0
    deadline: float | None = None
    cancel_departed: bool = True
    pooler: Pooler | None = None
    isolation_level: str | None = None
    retry: Retry = "marked"
    log_slow: float | None = None
    replica_wait: float = 0.05
    replica_lag: float = 10.0
    echo: bool = False
    connect_args: Mapping[str, Any] = field(default_factory=dict)
    engine_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that would fail later, far from the place that wrote them.

        Raises:
            ConfigurationError: A value is out of its range.
        """
        if self.pool_size < 1:
            message = f"pool_size={self.pool_size}: write 1 or more."
            raise ConfigurationError(message)
        if self.max_overflow < 0:
            message = (
                f"max_overflow={self.max_overflow}: write 0 or more. A pool without an end would "
                "take all connections that the server has."
            )
            raise ConfigurationError(message)
        for name in ("pool_timeout", "connect_timeout", "lock_timeout"):
            seconds = getattr(self, name)
            if not 0 < seconds <= 60:
                message = f"{name}={seconds}: write seconds, above 0 and at most 60."
                raise ConfigurationError(message)
        if not 0 <= self.replica_wait <= 1:
            message = f"replica_wait={self.replica_wait}: write seconds, from 0 to 1."
            raise ConfigurationError(message)
        if not 0 < self.replica_lag <= 3600:
            message = f"replica_lag={self.replica_lag}: write seconds, above 0 and at most 3600."
            raise ConfigurationError(message)
        check_deadline(self.deadline)
        if self.log_slow is not None and not self.log_slow >= 0:
            message = f"log_slow={self.log_slow}: write seconds, 0 or more."
            raise ConfigurationError(message)
        if self.pooler not in (None, "transaction"):
            message = f'pooler={self.pooler!r}: write pooler="transaction", or leave it out.'
            raise ConfigurationError(message)
        if self.retry not in {"marked", "all", "never"}:
            message = f'retry={self.retry!r}: write "marked", "all" or "never".'
            raise ConfigurationError(message)
        _refuse_autocommit(self)
        check_engine_options(self.engine_options)

    @property
    def patience(self) -> Patience:
        """Return how long one waits in a line."""
        return Patience(line=self.pool_timeout, lock=self.lock_timeout)

    @property
    def pool_recycle(self) -> float:
        """Return the seconds after which a connection is made anew; -1 for never."""
        seconds: float = self.engine_options.get("pool_recycle", -1)
        return seconds


def _refuse_autocommit(options: EngineOptions) -> None:
    if (options.isolation_level or "").upper() == "AUTOCOMMIT":
        message = f"isolation_level={options.isolation_level!r}: {NO_AUTOCOMMIT}"
        raise ConfigurationError(message)
    # -1 is sqlite3's word for how it was before it had this argument.
    if options.connect_args.get("autocommit") == 1:
        message = f"connect_args has autocommit: {NO_AUTOCOMMIT}"
        raise ConfigurationError(message)


def check_deadline(seconds: float | None) -> None:
    """Refuse a deadline that no request can keep.

    Raises:
        ConfigurationError: It is not above 0.
    """
    # NaN is not, either.
    if seconds is not None and not seconds > 0:
        message = f"deadline={seconds}: write seconds, above 0."
        raise ConfigurationError(message)


def engine_arguments(target: Target, access: Access, options: EngineOptions) -> dict[str, Any]:
    """Return what create_async_engine is given besides the URL and the driver's arguments."""
    is_writer = access is Access.WRITE
    arguments: dict[str, Any] = {
        **their_arguments(options.engine_options),
        "echo": options.echo,
        "hide_parameters": True,
        # Our pool asks the driver whether a transaction is open, and rolls back only then.
        "pool_reset_on_return": None,
        "pool_timeout": options.pool_timeout,
        **_pool_sizes(target, access, options),
    }
    if target.driver == "ormolu" and _MODULE in options.connect_args:
        arguments["module"] = options.connect_args[_MODULE]
    if is_writer and options.isolation_level and not target.backend.is_file:
        arguments["isolation_level"] = options.isolation_level
    if is_writer:
        return arguments
    if reads_in_autocommit(target, options):
        arguments |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    elif target.backend.read_options:
        arguments["execution_options"] = dict(target.backend.read_options)
    return arguments


def _pool_sizes(target: Target, access: Access, options: EngineOptions) -> dict[str, int]:
    """Return one place for writers on SQLite, or some where they stand in the driver's own line.

    There one prepares what it will write while another one commits.
    """
    if access is Access.READ or not target.backend.is_file:
        return {"pool_size": options.pool_size, "max_overflow": options.max_overflow}
    return {"pool_size": _WRITERS if target.driver == "ormolu" else 1, "max_overflow": 0}


def reads_in_autocommit(target: Target, options: EngineOptions) -> bool:
    """Tell whether reading connections are read-only by a setting of their own.

    Then no BEGIN and ROLLBACK is sent around a read. Behind a transaction pooler a setting would
    reach other clients, so that reads there are transactions.
    """
    return target.backend.has_read_only_sessions and options.pooler is None


def connect_arguments(target: Target, access: Access, options: EngineOptions) -> dict[str, Any]:
    """Return the keyword arguments of the driver's connect: the program's, and ours on top.

    What makes a reader read only, and bounds its waits, is not for the program to replace.
    """
    given: dict[str, Any] = {
        **cancel_arguments(target.driver), **target.connect_args, **options.connect_args,
    }  # fmt: skip
    if target.driver == "ormolu":
        given.pop(_MODULE, None)
        begin = "immediate" if access is Access.WRITE else "read only"
        limits = {"busy_timeout": options.lock_timeout, "line_timeout": options.pool_timeout}
        return {**limits, **given, "begin": begin}
    if target.backend.is_file:
        # isolation_level None: the driver begins nothing by itself. The short busy timeout is
        # only the pause between tries; the wait itself does not hold the driver's thread.
        return {**given, "isolation_level": None, "timeout": 0.05}
    if target.driver == "asyncmy":
        return {**given, "conv": _sendable(given.get("conv"))}
    if options.pooler is not None:
        return {**given, **_pooler_arguments(target.driver)}
    is_reader = access is Access.READ
    settings = target.backend.settings(options.lock_timeout, is_reader=is_reader)
    return {**given, **_with_settings(target, settings, given)} if settings else given


def _sendable(given: Mapping[Any, Any] | None) -> dict[Any, Any]:
    """Return asyncmy's converters of values, by their types: it would send the repr of a dict."""
    known = import_module("asyncmy.converters").conversions if given is None else given
    return {dict: _refuse_dict, **known}


def _refuse_dict(_value: object, _known: object) -> NoReturn:
    message = "a dict is no value of a column"
    raise TypeError(message)


def _pooler_arguments(driver: str) -> dict[str, Any]:
    """Keep prepared statements off: the next transaction may be on another server connection."""
    if driver == "asyncpg":
        return {
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__ormolu_{uuid.uuid4().hex}__",
            "statement_cache_size": 0,
        }
    return {"prepare_threshold": None} if driver.startswith("psycopg") else {}


def _with_settings(
    target: Target, settings: Mapping[str, str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the driver's argument that has the settings, behind those that are given."""
    if target.driver == "asyncpg":
        return {"server_settings": {**given.get("server_settings", {}), **settings}}
    # Ours come last: the last value of a repeated setting counts.
    theirs = [str(target.url.query.get("options", "")), str(given.get("options", ""))]
    ours = [f"-c {name}={value}" for name, value in settings.items()]
    return {"options": " ".join(part for part in (*theirs, *ours) if part)}


def check_reader(engine: Engine, target: Target, options: EngineOptions) -> None:
    """Ask each new connection for reading whether it is read only: a pooler may drop the setting.

    PgBouncer does with `ignore_startup_parameters`; a GET could write then.
    """
    setting = target.backend.read_only_setting
    if setting is None or not reads_in_autocommit(target, options):
        return

    @event.listens_for(engine, "connect")
    def _check(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SHOW {setting}")
        answer = cursor.fetchone()
        cursor.close()
        connection.rollback()
        if answer[0] != "on":
            message = (
                f"The setting {setting} of a connection for reading was "
                "dropped on its way, so a GET could write. Is a pooler such as PgBouncer before "
                'this database? Write: Database(url, pooler="transaction")'
            )
            raise ConfigurationError(message)


def silence_driver(driver: str) -> None:
    """Drop the log lines in which asyncmy, on warnings, and aiosqlite quote values."""
    if driver in {"aiosqlite", "asyncmy"}:
        logging.getLogger(driver).addFilter(_drop)


def _drop(_record: logging.LogRecord) -> bool:
    return False


def set_session(engine: Engine, target: Target, access: Access, timeout: float) -> None:
    """Tell each new connection what its driver's arguments cannot."""
    is_reader = access is Access.READ
    statements = target.backend.session_statements(timeout, is_reader=is_reader)
    if not statements:
        return

    # First of all: SQLAlchemy's dialect looks at the mode of the session, and escapes by that.
    @event.listens_for(engine, "connect", insert=True)
    def _set(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        _check_characters(cursor, target)
        cursor.close()


def _check_characters(cursor: Any, target: Target) -> None:
    """Check in which character set the server reads statements.

    In GBK a byte before a backslash makes a letter of both, and then the quote behind them, which
    asyncmy has escaped, ends the literal: what a client sends would be read as SQL.

    Raises:
        ConfigurationError: It is one of those sets.
    """
    known = target.backend.client_character_sets
    if not known:
        return
    cursor.execute("SELECT @@character_set_client")
    name = cursor.fetchone()[0]
    if name not in known:
        message = (
            f"The connection sends its statements in {name}, in which a value could end its quotes "
            "and become SQL. Write charset=utf8mb4 in the URL, and no SET NAMES in init_command; "
            "tables may have any character set, which the server converts."
        )
        raise ConfigurationError(message)
