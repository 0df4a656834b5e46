"""Before any timing: every program answers every row alike, and stores what it says it stores."""

from __future__ import annotations

from typing import Any

from bench import _content as content
from bench._contenders import Contender

__all__ = ["check", "check_lengths"]

_NEW_NAME = "User 87654321"


def check(contender: Contender) -> None:
    """Compare the answers of a program with what is stored.

    Raises:
        RuntimeError: One differs.
    """
    if contender.program.is_constant:
        return
    for number in (1, 5000, content.USERS):
        _expect(contender, "GET", _path(contender, "point", number), content.user(number))
        whole = content.user_with_posts(number)
        _expect(contender, "GET", _path(contender, "include", number), whole)
    for limit in (95, 105):
        path = contender.program.path("list").format(limit=limit)
        _expect(contender, "GET", path, content.users(limit))
    if contender.database is not None:
        _check_writes(contender)


def _check_writes(contender: Contender) -> None:
    name = {"name": _NEW_NAME}
    new = {"id": content.USERS + 1, **name}
    _expect(contender, "POST", contender.program.path("create"), new, name)
    changed = {"id": content.USERS, **name}
    path = _path(contender, "patch", content.USERS)
    _expect(contender, "PATCH", path, changed if contender.program.answers_patch else None, name)
    for row in (new, changed):
        _expect(contender, "GET", _path(contender, "point", row["id"]), row)


def _path(contender: Contender, row: str, number: Any) -> str:
    return contender.program.path(row).format(id=number)


def _expect(
    contender: Contender, method: str, path: str, expected: object, sent: object = None
) -> None:
    status, found, _ = contender.server.ask(method, path, sent)
    wanted = {201, 200} if method == "POST" else {200}
    key = contender.program.list_key
    rows = found[key] if isinstance(expected, list) and key and status in wanted else found
    if status not in wanted or rows != expected:
        message = f"{contender.label}: {method} {path} gave {status} {found!r}, not {expected!r}"
        raise RuntimeError(message)


def check_lengths(contenders: list[Contender]) -> None:
    """Compare the constant answers with the guide's, in bytes.

    Raises:
        RuntimeError: One has not the same length.
    """
    constant = next((one for one in contenders if one.program.is_constant), None)
    guide = next((one for one in contenders if one.name == "guide"), None)
    if constant is None or guide is None:
        return
    for row in ("point", "list", "include"):
        lengths = [
            one.server.ask("GET", one.program.path(row).format(id=5000, limit=100))[2]
            for one in (constant, guide)
        ]
        if lengths[0] != lengths[1]:
            message = f"{row}: the constant answer has {lengths[0]} bytes, the guide's {lengths[1]}"
            raise RuntimeError(message)
