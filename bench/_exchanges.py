"""Which answer each row must have, in every program of its group, before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench import _content as content
from bench import _notes as notes
from bench._callers import tenant_of, token

__all__ = ["READS", "WRITES", "Exchange"]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request of a row with values in its places, and what must come back.

    Of a refusal only the status is compared. `is_strangers` means that it asks for what belongs to
    another tenant, which a program without tenants answers.
    """

    row: str
    values: Mapping[str, object]
    answer: object = None
    status: int = 200
    is_strangers: bool = False


_NUMBER = 87654321
_RENAMED = {"id": content.USERS, "name": f"User {_NUMBER}"}

_OPEN_READS = (
    *(Exchange(row="point", values={"id": number}, answer=content.user(number))
      for number in (1, 5000, content.USERS)),
    *(Exchange(row="include", values={"id": number}, answer=content.user_with_posts(number))
      for number in (1, 5000, content.USERS)),
    *(Exchange(row="list", values={"limit": limit}, answer=content.users(limit))
      for limit in (95, 105)),
)  # fmt: skip
_OPEN_WRITES = (
    Exchange(row="create", values={"number": _NUMBER}, answer=content.created(_NUMBER)),
    Exchange(row="patch", values={"id": content.USERS, "number": _NUMBER}, answer=_RENAMED),
    Exchange(row="point", values={"id": content.USERS + 1}, answer=content.created(_NUMBER)),
    Exchange(row="point", values={"id": content.USERS}, answer=_RENAMED),
)


def _by(caller: int, **values: object) -> dict[str, object]:
    return {"token": token(caller), "tenant": tenant_of(caller), "number": _NUMBER, **values}


# The callers 7 and 11 are of one tenant, 8 is of another, as notes of these numbers are.
_OWN_NOTE, _STRANGERS_NOTE = 5007, 5008
_NEW = notes.created(tenant_of(7), f"Note {_NUMBER}")
_RETITLED = {**notes.note(_OWN_NOTE), "title": f"Note {_NUMBER}"}

_USERS_READS = (
    *(Exchange(row="note", values=_by(caller, own_id=_OWN_NOTE), answer=notes.note(_OWN_NOTE))
      for caller in (7, 11)),
    *(Exchange(row="notes", values=_by(caller), answer=notes.newest(tenant_of(caller)))
      for caller in (7, 8)),
    *(Exchange(row="notes-related", values=_by(caller),
               answer=notes.newest_with_relations(tenant_of(caller)))
      for caller in (7, 8)),
    Exchange(row="note", values=_by(7, own_id=_STRANGERS_NOTE), status=404, is_strangers=True),
    *(Exchange(row=row, values=_by(7, own_id=_OWN_NOTE, token="nobody's"), status=401)
      for row in ("note", "notes", "notes-related", "patch-note", "create-note")),
)  # fmt: skip
_USERS_WRITES = (
    Exchange(row="create-note", values=_by(7), answer=_NEW, status=201),
    Exchange(row="patch-note", values=_by(7, own_id=_OWN_NOTE), answer=_RETITLED),
    Exchange(
        row="patch-note", values=_by(7, own_id=_STRANGERS_NOTE), status=404, is_strangers=True
    ),
    Exchange(row="note", values=_by(7, own_id=_NEW["id"]), answer=_NEW),
    Exchange(row="note", values=_by(7, own_id=_OWN_NOTE), answer=_RETITLED),
    Exchange(row="note", values=_by(8, own_id=_STRANGERS_NOTE), answer=notes.note(_STRANGERS_NOTE)),
)

READS = {"open": _OPEN_READS, "users": _USERS_READS}
WRITES = {"open": _OPEN_WRITES, "users": _USERS_WRITES}
