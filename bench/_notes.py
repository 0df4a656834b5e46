"""What is in the tables of an application with users: notes of tenants, by authors, with tags."""

from __future__ import annotations

from typing import Any

from bench._callers import CALLERS, TENANTS, tenant_of
from bench._tables import Table

__all__ = ["NOTES", "TABLES", "created", "newest", "newest_with_relations", "note"]

NOTES = 10_000
_AUTHORS = 50
_TAGS_EACH = 3
_TAG_NAMES = 7
_PAGE = 20
_EVERY_DONE = 3
_BODY = "lorem ipsum dolor sit amet consectetur adipiscing elit"

TABLES = (
    Table(
        "accounts",
        {"id": "n", "tenant_id": f"n % {TENANTS} + 1", "name": "'Account ' || n"},
        CALLERS,
    ),
    Table("authors", {"id": "n", "name": "'Author ' || n"}, _AUTHORS),
    Table(
        "notes",
        {
            "id": "n",
            "tenant_id": f"n % {TENANTS} + 1",
            "author_id": f"n % {_AUTHORS} + 1",
            "title": "'Note ' || n",
            "status": f"CASE n % {_EVERY_DONE} WHEN 0 THEN 'done' ELSE 'open' END",
            "body": f"'{_BODY}'",
        },
        NOTES,
    ),
    Table(
        "tags",
        {
            "id": "n",
            "note_id": f"(n + {_TAGS_EACH - 1}) / {_TAGS_EACH}",
            "name": f"'Tag ' || (n % {_TAG_NAMES})",
        },
        NOTES * _TAGS_EACH,
    ),
)


def note(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "tenant_id": tenant_of(number),
        "author_id": number % _AUTHORS + 1,
        "title": f"Note {number}",
        "status": "open" if number % _EVERY_DONE else "done",
        "body": _BODY,
    }


def created(tenant: int, title: str) -> dict[str, Any]:
    """Return the first new note, as a load of creates makes them."""
    new = {"id": NOTES + 1, "tenant_id": tenant, "author_id": 3, "title": title}
    return {**new, "status": "open", "body": "written"}


def newest(tenant: int) -> list[dict[str, Any]]:
    """Return a tenant's page of open notes."""
    notes = [note(number) for number in _newest_first(tenant) if number % _EVERY_DONE]
    return notes[:_PAGE]


def newest_with_relations(tenant: int) -> list[dict[str, Any]]:
    """Return a tenant's page of notes with their authors and tags."""
    return [_with_relations(number) for number in _newest_first(tenant)[:_PAGE]]


def _newest_first(tenant: int) -> list[int]:
    return [number for number in range(NOTES, 0, -1) if tenant_of(number) == tenant]


def _with_relations(number: int) -> dict[str, Any]:
    row = note(number)
    author = {"id": row["author_id"], "name": f"Author {row['author_id']}"}
    last = number * _TAGS_EACH
    tags = [
        {"id": tag, "note_id": number, "name": f"Tag {tag % _TAG_NAMES}"}
        for tag in range(last - _TAGS_EACH + 1, last + 1)
    ]
    return {**row, "author": author, "tags": tags}
