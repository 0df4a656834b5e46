"""The rows of the tables: what is asked, over and over, with random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench._content import USERS

__all__ = ["ROWS", "Row", "rows_of"]

_BEARER = {"Authorization": "Bearer {token}"}
_NAME = '{"name":"User {number}"}'
_NOTE = '{"title":"Note {number}","author_id":3,"body":"written"}'


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of request; a program may have another path and another body for it."""

    title: str
    group: str
    method: str = "GET"
    path: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def stores(self) -> bool:
        """Whether each success is a new row."""
        return self.method == "POST"


# In each group creates come last, for they make the tables longer.
ROWS = {
    "point": Row(
        title=f"point read, random id of {USERS:,}",
        group="open",
        path="/users/{id}",
    ),
    "list": Row(
        title="list of 95 to 105 rows",
        group="open",
        path="/users/?limit={limit}",
    ),
    "include": Row(
        title="read with 3 rows of a relation",
        group="open",
        path="/users/{id}/posts",
    ),
    "patch": Row(
        title="patch, random id",
        group="open",
        method="PATCH",
        path="/users/{id}",
        body=_NAME,
    ),
    "create": Row(
        title="durable create",
        group="open",
        method="POST",
        path="/users/",
        body=_NAME,
    ),
    "note": Row(
        title="read of a note, random user and id",
        group="users",
        path="/notes/{own_id}",
        headers=_BEARER,
    ),
    "notes": Row(
        title="list of 20, filtered and sorted",
        group="users",
        path="/notes?status=open&sort=-id&limit=20",
        headers=_BEARER,
    ),
    "notes-related": Row(
        title="list of 20 with a to-one and a to-many relation",
        group="users",
        path="/notes?sort=-id&limit=20&include=author,tags",
        headers=_BEARER,
    ),
    "patch-note": Row(
        title="patch of a note, random user and id",
        group="users",
        method="PATCH",
        path="/notes/{own_id}",
        body='{"title":"Note {number}"}',
        headers=_BEARER,
    ),
    "create-note": Row(
        title="durable create of a note",
        group="users",
        method="POST",
        path="/notes",
        body=_NOTE,
        headers=_BEARER,
    ),
}


def rows_of(group: str) -> dict[str, Row]:
    """Return the rows of a group, in their order."""
    return {name: row for name, row in ROWS.items() if row.group == group}
