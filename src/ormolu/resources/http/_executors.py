"""Who runs an operation for a request: a lane, or the request's own session.

A handler reads the request and makes the answer, once for both. What only a session can do a lane
leaves to it, with `NotDoneError`: then nothing was changed, and the handler runs again over that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from starlette.types import Scope

from ormolu.resources.work import Key, Versions

__all__ = ["Asked", "AskedRow", "Executor", "FoundPage", "FoundRow", "StoredRow"]


class Asked(Protocol):
    """What the query string of a read or a list asks for, once it was read.

    Attributes:
        is_over_relations: Whether the answer depends on rows of other models.
    """

    @property
    def is_over_relations(self) -> bool: ...


class AskedRow(Asked, Protocol):
    """What the query string of a read asks for.

    Attributes:
        is_whole: Whether it names no fields, so that the row is shown as it always is.
    """

    @property
    def is_whole(self) -> bool: ...


class FoundRow(NamedTuple):
    """A row that was read.

    Attributes:
        content: Its JSON.
        version: Its version; None without one.
        truncated: Paths of its relations that are not whole.
    """

    content: bytes
    version: Any
    truncated: Sequence[str] = ()


class FoundPage(NamedTuple):
    """A page of a list.

    Attributes:
        items: The JSON of its rows.
        next_cursor: Where the next page begins; None after the last.
        total: How many rows there are, if that was asked for.
        total_kind: "exact", "at_least" or "estimate".
        truncated: Paths of relations that are not whole.
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
        variant: What tells the form of a whole row apart: who is shown less has another tag.
    """

    @property
    def variant(self) -> str: ...

    def key(self, scope: Scope) -> Key:
        """Return the primary key in the path."""
        ...

    def asked_row(self, query: bytes) -> AskedRow:
        """Read the query string of a read."""
        ...

    async def row(self, asked: Any, key: Key) -> FoundRow:
        """Read a row."""
        ...

    def asked_page(self, scope: Scope) -> Asked:
        """Read the query string of a list."""
        ...

    async def page(self, asked: Any) -> FoundPage:
        """Read a page of a list."""
        ...

    async def create(self, values: Mapping[str, Any]) -> StoredRow:
        """Store a new row."""
        ...

    async def update(self, key: Key, values: Mapping[str, Any], versions: Versions) -> StoredRow:
        """Change a row that is of one of these versions."""
        ...

    async def replace(
        self, key: Key, values: Mapping[str, Any], versions: Versions
    ) -> tuple[StoredRow, bool]:
        """Put a row in the place of a key; tell whether it is new."""
        ...

    async def remove(self, key: Key, versions: Versions) -> None:
        """Delete a row that is of one of these versions."""
        ...

    def in_session(self) -> Any:
        """Return the executor over the request's session, for what takes several statements."""
        ...
