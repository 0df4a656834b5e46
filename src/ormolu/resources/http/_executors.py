"""What runs an operation for a request: a lane, or the request's own session.

A handler reads the request and makes the answer, for both alike. If a lane raises `NotDoneError`,
nothing was changed, and the handler runs again with the session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from starlette.types import Scope

from ormolu.resources.work import Key, Versions

__all__ = ["Executor", "FoundPage", "FoundRow", "ParsedQuery", "ParsedRowQuery", "StoredRow"]


class ParsedQuery(Protocol):
    """The query string of a read or a list, parsed.

    Attributes:
        reads_relations: Whether the answer depends on rows of other models.
    """

    @property
    def reads_relations(self) -> bool: ...


class ParsedRowQuery(ParsedQuery, Protocol):
    """The query string of a read, parsed.

    Attributes:
        is_whole: Whether it has neither `fields` nor `include`.
    """

    @property
    def is_whole(self) -> bool: ...


class FoundRow(NamedTuple):
    """A row that was read.

    Attributes:
        content: Its JSON.
        version: Its version; None without one.
        truncated: Paths of its relations that are truncated.
    """

    content: bytes
    version: Any
    truncated: Sequence[str] = ()


class FoundPage(NamedTuple):
    """A page of a list.

    Attributes:
        items: The JSON of its rows.
        next_cursor: The cursor of the next page; None after the last.
        total: How many rows there are, if that was asked for.
        total_kind: "exact", "at_least" or "estimate".
        truncated: Paths of relations that are truncated.
    """

    items: bytes
    next_cursor: str | None
    total: int | None = None
    total_kind: str | None = None
    truncated: Sequence[str] = ()


class StoredRow(Protocol):
    """A row after a write.

    Attributes:
        key: Its primary key.
        version: Its version; None without one.
    """

    @property
    def key(self) -> Key: ...

    @property
    def version(self) -> Any: ...

    def content(self) -> bytes:
        """Return its JSON."""
        ...


class Executor(Protocol):
    """Runs the operations of one resource for one request, within its policies.

    Each method raises `RefusedError` for what the request must not do or asks for wrongly, and
    `NotDoneError` for what this executor cannot do.

    Attributes:
        variant: The suffix of ETags where the policies hide a part of the row.
    """

    @property
    def variant(self) -> str: ...

    def key(self, scope: Scope) -> Key:
        """Return the primary key in the path."""
        ...

    def parse_row_query(self, query: bytes) -> ParsedRowQuery:
        """Parse the query string of a read."""
        ...

    async def row(self, parsed: Any, key: Key) -> FoundRow:
        """Read a row."""
        ...

    def parse_page_query(self, scope: Scope) -> ParsedQuery:
        """Parse the query string of a list."""
        ...

    async def page(self, parsed: Any) -> FoundPage:
        """Read a page of a list."""
        ...

    async def create(self, values: Mapping[str, Any]) -> StoredRow:
        """Store a new row."""
        ...

    async def update(self, key: Key, values: Mapping[str, Any], versions: Versions) -> StoredRow:
        """Change a row that has one of these versions."""
        ...

    async def replace(
        self, key: Key, values: Mapping[str, Any], versions: Versions
    ) -> tuple[StoredRow, bool]:
        """Put a row in the place of a key; tell whether it is new."""
        ...

    async def remove(self, key: Key, versions: Versions) -> None:
        """Delete a row that has one of these versions."""
        ...

    def in_session(self) -> Any:
        """Return the session's executor, for operations of several statements."""
        ...
