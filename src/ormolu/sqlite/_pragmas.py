"""How a connection is set up, as one frozen value: the pragmas, and what the URL may ask for.

Each option has the same name in the URL's query and in `connect_args`; docs/sqlite.md lists
them and is tested against this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy.exc import ArgumentError

from ormolu.controlled_delay import Patience

__all__ = [
    "SQLITE3_OPTIONS",
    "Begin",
    "Pragmas",
    "read_begin",
    "read_option",
    "read_pragmas",
    "url_options",
]

# What begins a transaction: "auto" looks at its first statement.
Begin = Literal["auto", "immediate", "read only"]


@dataclass(frozen=True, kw_only=True)
class Pragmas:
    """The settings of a connection.

    Attributes:
        durability: "power-loss" keeps what was committed when the power fails (synchronous=FULL);
            "process" keeps it when the process dies, and may lose the last commits of a
            machine that does (synchronous=NORMAL).
        foreign_keys: Whether foreign keys are checked.
        busy_timeout: Seconds that a statement waits for a lock of another process before it fails.
        line_timeout: Seconds that it waits in the line of this process's own writers before that,
            counted from the line's last move; None is as long as for a lock. A line that does not
            move is given up after `busy_timeout`.
        statement_timeout: Seconds after which a statement is interrupted; 0 is never.
        begin: How transactions begin that do not say so: "auto", "immediate" or "read only".
        journal_mode: "wal", or another that SQLite knows.
        cache_size: Pages of the cache, or KiB if negative; None keeps SQLite's 2 MiB.
        mmap_size: Bytes of the file that are mapped into memory; None keeps SQLite's 0.
        temp_store: Where temporary tables are: "default", "file" or "memory".
    """

    durability: Literal["power-loss", "process"] = "power-loss"
    foreign_keys: bool = True
    busy_timeout: float = 5.0
    line_timeout: float | None = None
    statement_timeout: float = 0.0
    begin: Begin = "auto"
    journal_mode: str = "wal"
    cache_size: int | None = None
    mmap_size: int | None = None
    temp_store: Literal["default", "file", "memory"] = "default"

    @property
    def patience(self) -> Patience:
        """Return how long a call waits."""
        line = self.busy_timeout if self.line_timeout is None else self.line_timeout
        return Patience(line=line, lock=self.busy_timeout)

    @property
    def is_wal(self) -> bool:
        """Tell whether a write-ahead log is asked for."""
        return self.journal_mode == "wal"

    @property
    def asks_for_log(self) -> bool:
        """Tell whether a connection makes one where there is none: a reader only reads."""
        return self.is_wal and self.begin != "read only"

    def statements(self) -> list[str]:
        """Return the statements that set a connection up."""
        synchronous = "NORMAL" if self.durability == "process" else "FULL"
        is_reader = self.begin == "read only"
        statements = [] if is_reader else [f"PRAGMA journal_mode={self.journal_mode}"]
        statements += [
            f"PRAGMA synchronous={synchronous}",
            f"PRAGMA foreign_keys={int(self.foreign_keys)}",
        ]
        if self.is_wal:
            # The writer's own thread does it after COMMIT was answered: see _checkpoints.
            statements.append("PRAGMA wal_autocheckpoint=0")
        if self.cache_size is not None:
            statements.append(f"PRAGMA cache_size={self.cache_size}")
        if self.mmap_size is not None:
            statements.append(f"PRAGMA mmap_size={self.mmap_size}")
        if self.temp_store != "default":
            statements.append(f"PRAGMA temp_store={self.temp_store}")
        return statements


@dataclass(frozen=True)
class _Reader:
    """How the text of an option is read: into a value, or LookupError or ValueError."""

    wanted: str
    read: Callable[[str], Any]


def _one_of(*known: str) -> _Reader:
    names = {name: name for name in known}
    return _Reader(" or ".join(f'"{name}"' for name in known), names.__getitem__)


_TRUE: dict[str, bool] = dict.fromkeys(("on", "true", "yes", "1"), True)
_FALSE: dict[str, bool] = dict.fromkeys(("off", "false", "no", "0"), False)
_SWITCH = _Reader('"on" or "off"', (_TRUE | _FALSE).__getitem__)
_WHOLE = _Reader("a whole number", int)


def _read_seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise ValueError(text)
    return seconds


_SECONDS = _Reader("seconds, from 0 to 3600", _read_seconds)

# pysqlite's isolation_level too: None and the empty text leave it to us.
_BEGIN = _Reader(
    '"auto", "immediate" or "read only"',
    {
        "auto": "auto", "immediate": "immediate",
        "read only": "read only", "read_only": "read only",
        "": "auto", "none": "auto", "deferred": "auto", "exclusive": "immediate",
    }.__getitem__,
)  # fmt: skip


_READERS: dict[str, _Reader] = {
    "durability": _one_of("power-loss", "process"),
    "foreign_keys": _SWITCH,
    "busy_timeout": _SECONDS,
    "line_timeout": _SECONDS,
    "statement_timeout": _SECONDS,
    "begin": _BEGIN,
    "journal_mode": _one_of("wal", "delete", "truncate", "persist", "memory", "off"),
    "cache_size": _WHOLE,
    "mmap_size": _WHOLE,
    "temp_store": _one_of("default", "file", "memory"),
}

# pysqlite's names for what has another name here.
_ALIASES = {"timeout": "busy_timeout", "isolation_level": "begin"}

# Options that go to sqlite3.connect as they are, and how their text is read.
SQLITE3_OPTIONS: dict[str, _Reader] = {
    "cached_statements": _WHOLE,
    "detect_types": _WHOLE,
    "uri": _SWITCH,
}

# What pysqlite users write for reasons that do not exist here.
_NEEDLESS = {"autocommit", "check_same_thread"}


def read_pragmas(options: Mapping[str, Any]) -> tuple[Pragmas, dict[str, Any]]:
    """Return the settings in options, and the options that are left for sqlite3.connect.

    Raises:
        ArgumentError: A value is not one that the option takes.
    """
    known = {field.name for field in fields(Pragmas)}
    settings: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for given, value in options.items():
        name = _ALIASES.get(given, given)
        if name in known:
            settings[name] = read_option(given, _READERS[name], value)
        elif name not in _NEEDLESS:
            rest[name] = value
    return Pragmas(**settings), rest


def read_option(name: str, reader: _Reader, value: object) -> Any:
    """Return an option's value from its text.

    Raises:
        ArgumentError: The text means no value of this option.
    """
    try:
        return reader.read(str(value).lower())
    except (LookupError, ValueError) as error:
        message = f"The SQLite option {name}={value!r} is wrong: write {reader.wanted}."
        raise ArgumentError(message) from error


def read_begin(value: object) -> Begin:
    """Return how a transaction begins, from the execution option; None is "auto".

    Raises:
        ArgumentError: The value means no such way.
    """
    begin: Begin = read_option("sqlite_begin", _BEGIN, value)
    return begin


def url_options() -> frozenset[str]:
    """Return the names that the query of a URL may have."""
    return frozenset({*_READERS, *_ALIASES, *SQLITE3_OPTIONS, *_NEEDLESS})
