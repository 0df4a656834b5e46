"""How a connection is set up, as one frozen value: the pragmas, and what the URL may ask for.

Each option has the same name in the URL's query and in `connect_args`; docs/sqlite.md lists
them and is tested against this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy.exc import ArgumentError

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
        busy_timeout: Seconds that a statement waits for a lock before it fails.
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
    statement_timeout: float = 0.0
    begin: Begin = "auto"
    journal_mode: str = "wal"
    cache_size: int | None = None
    mmap_size: int | None = None
    temp_store: Literal["default", "file", "memory"] = "default"

    @property
    def is_wal(self) -> bool:
        """Tell whether a write-ahead log is asked for."""
        return self.journal_mode == "wal"

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


def _one_of(*known: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = str(value).lower().replace("_", " ")
        if text not in known:
            raise ValueError(" or ".join(f'"{name}"' for name in known))
        return text

    return read


def _switch(value: object) -> bool:
    text = str(value).lower()
    if text not in {"on", "off", "true", "false", "yes", "no", "1", "0"}:
        raise ValueError('"on" or "off"')
    return text in {"on", "true", "yes", "1"}


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ValueError("seconds, from 0 to 3600")
    return seconds


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ValueError("a whole number") from None


def _begin(value: object) -> str:
    """Read pysqlite's isolation_level too: None and the empty text leave it to us."""
    names = {"": "auto", "none": "auto", "deferred": "auto", "exclusive": "immediate"}
    text = str(value).lower()
    return _one_of("auto", "immediate", "read only")(names.get(text, text))


_READERS: dict[str, Callable[[object], Any]] = {
    "durability": _one_of("power-loss", "process"),
    "foreign_keys": _switch,
    "busy_timeout": _seconds,
    "statement_timeout": _seconds,
    "begin": _begin,
    "journal_mode": _one_of("wal", "delete", "truncate", "persist", "memory", "off"),
    "cache_size": _whole,
    "mmap_size": _whole,
    "temp_store": _one_of("default", "file", "memory"),
}

# pysqlite's names for what has another name here.
_ALIASES = {"timeout": "busy_timeout", "isolation_level": "begin"}

# Options that go to sqlite3.connect as they are, and how their text is read.
SQLITE3_OPTIONS: dict[str, Callable[[object], Any]] = {
    "cached_statements": _whole,
    "detect_types": _whole,
    "uri": _switch,
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


def read_option(name: str, reader: Callable[[object], Any], value: object) -> Any:
    """Return an option's value from its text.

    Raises:
        ArgumentError: The text means no value of this option.
    """
    try:
        return reader(value)
    except ValueError as error:
        message = f"{name}={value!r} is no SQLite option: write {error}."
        raise ArgumentError(message) from error


def read_begin(value: object) -> Begin:
    """Return how a transaction begins, from the execution option; None is "auto".

    Raises:
        ArgumentError: The value means no such way.
    """
    begin: Begin = read_option("sqlite_begin", _begin, value)
    return begin


def url_options() -> frozenset[str]:
    """Return the names that the query of a URL may have."""
    return frozenset({*_READERS, *_ALIASES, *SQLITE3_OPTIONS, *_NEEDLESS})
