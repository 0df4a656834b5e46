"""The errors that Ormolu raises: one tree. Knows no database, no web framework.

    OrmoluError
    ├── ConfigurationError            a URL, an option or a declaration is wrong
    ├── RefusedError                  a request asks for what it may not or cannot have
    ├── SchemaMismatchError           the database lacks what the models map
    ├── UsageError                    the code around a session must be written differently
    │   ├── NoUnitOfWorkError         no session belongs to this place
    │   ├── SessionClosedError        the unit of work has ended
    │   ├── ConcurrentUseError        two tasks use one session at once
    │   ├── ReadOnlyError             a write in a read-only unit of work
    │   ├── RolledBackError           an error was caught whose transaction is rolled back
    │   ├── LazyLoadError             a relation was not loaded
    │   └── NaiveDatetimeError        a datetime without an offset
    └── UnavailableError              try again later
        ├── DatabaseDownError         the database does not answer
        ├── DeadlineExceededError     a request took longer than it may
        ├── OverloadedError           no connection or lock came free in time
        └── OutcomeUnknownError       the connection broke during COMMIT

Each class has an `error_code`, and each of these has a section in docs/errors.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy.exc import InvalidRequestError

__all__ = [
    "ConcurrentUseError",
    "ConfigurationError",
    "DatabaseDownError",
    "DeadlineExceededError",
    "LazyLoadError",
    "NaiveDatetimeError",
    "NoUnitOfWorkError",
    "OrmoluError",
    "OutcomeUnknownError",
    "OverloadedError",
    "ReadOnlyError",
    "RefusedError",
    "RolledBackError",
    "SchemaMismatchError",
    "SessionClosedError",
    "UnavailableError",
    "UsageError",
]


_CAUGHT = (
    "A statement of this unit of work failed, and the code caught the error and went on; but the "
    "error has rolled everything back, so nothing is stored. Write `async with "
    "session.begin_nested(): ...` around the statements that may fail, and catch the error outside "
    "of it; or let the error through."
)


class OrmoluError(Exception):
    """Root of everything that Ormolu raises."""

    error_code: ClassVar[str] = "ormolu_error"

    def __str__(self) -> str:
        """Return the message alone: SQLAlchemy's errors would add a link to their own pages."""
        return Exception.__str__(self)


class ConfigurationError(OrmoluError, ValueError):
    """A URL, an option or a declaration is wrong; the message says what to write."""

    error_code: ClassVar[str] = "configuration"


class RefusedError(OrmoluError):
    """A request asks for what it may not or cannot have; nothing was changed.

    Attributes:
        code: Stable name of the reason, in the table of docs/errors.md with its HTTP status.
        entries: One per wrong parameter or field: `loc`, `type`, `msg`, as Pydantic has them.
    """

    error_code: ClassVar[str] = "refused"

    def __init__(self, code: str, message: str, entries: Sequence[Mapping[str, Any]] = ()) -> None:
        """Keep the reason."""
        self.code = code
        self.entries: list[Mapping[str, Any]] = list(entries)
        super().__init__(message)


class SchemaMismatchError(OrmoluError):
    """The database does not have the tables and columns that the models map.

    Attributes:
        differences: One sentence per difference.
    """

    error_code: ClassVar[str] = "schema_mismatch"

    def __init__(self, differences: list[str]) -> None:
        """Put the differences into the message."""
        self.differences = differences
        listed = "\n".join(f"  - {difference}" for difference in differences)
        super().__init__(
            f"The database does not match the models:\n{listed}\n"
            "Migrate the database (a development file may be deleted and is made anew), "
            'or start with Database(..., schema="ignore").'
        )


class UsageError(OrmoluError):
    """The code that uses a session has to be written differently."""

    error_code: ClassVar[str] = "usage"


class NoUnitOfWorkError(UsageError):
    """No session belongs to the place that asked for one."""

    error_code: ClassVar[str] = "no_unit_of_work"


class SessionClosedError(UsageError, InvalidRequestError):
    """The unit of work of this session has ended."""

    error_code: ClassVar[str] = "session_closed"


class ConcurrentUseError(UsageError, InvalidRequestError):
    """Two tasks use one session at once."""

    error_code: ClassVar[str] = "concurrent_use"


class ReadOnlyError(UsageError, InvalidRequestError):
    """A write was tried in a read-only unit of work."""

    error_code: ClassVar[str] = "read_only_unit"


class RolledBackError(UsageError, InvalidRequestError):
    """A transaction was rolled back, and the code around it went on as if it was not."""

    error_code: ClassVar[str] = "rolled_back"

    def __init__(self, message: str | None = None) -> None:
        """Say what to write instead; without a message, of an error that was caught."""
        super().__init__(message or _CAUGHT)


class LazyLoadError(UsageError, InvalidRequestError):
    """A relation or a column was read that is not loaded."""

    error_code: ClassVar[str] = "lazy_load"


class NaiveDatetimeError(UsageError, ValueError):
    """A datetime without an offset was given where an instant is stored."""

    error_code: ClassVar[str] = "naive_datetime"


class UnavailableError(OrmoluError):
    """The database cannot serve now; the same request may work in a moment."""

    error_code: ClassVar[str] = "database_unavailable"


class DatabaseDownError(UnavailableError):
    """The database does not answer."""

    error_code: ClassVar[str] = "database_unavailable"


class DeadlineExceededError(UnavailableError):
    """A request took longer than its deadline: it was cancelled and rolled back."""

    error_code: ClassVar[str] = "deadline_exceeded"


class OverloadedError(UnavailableError):
    """No connection, no turn to write or no lock of a file came free in time."""

    error_code: ClassVar[str] = "overloaded"


class OutcomeUnknownError(UnavailableError):
    """The connection broke during COMMIT: the change may be stored or not."""

    error_code: ClassVar[str] = "outcome_unknown"
