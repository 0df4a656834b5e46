"""What `explain` shows of an operation is what its door sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from ormolu.resources import explain_application
from tests.lanes.things import Served, served

pytestmark = pytest.mark.backends("sqlite", "asyncpg")

REQUESTS = {
    "create": ("POST", "/things", {"name": "a", "number": 1}),
    "update": ("PATCH", "/things/2", {"name": "b", "number": 2}),
    "read": ("GET", "/things/2", None),
    "list": ("GET", "/things", None),
    "delete": ("DELETE", "/things/2", None),
}
STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE")

# What SQLite has put in the place of a parameter when it tells of a statement.
VALUE = r"(?:\d+|'[^']*')"


def watch(shop: Served, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the statements that the lanes send from now on, as they come."""
    sent: list[str] = []

    def note(text: str) -> None:
        if text.startswith(STATEMENTS):
            sent.append(text)

    lanes: Any = shop.lanes
    if hasattr(lanes, "_reads"):
        for held in (lanes._reads._pinned, lanes._writes._pinned):
            held._proxy.driver_connection._handle.sqlite.set_trace_callback(note)
    else:
        for name in ("fetch", "fetchmany"):
            send = getattr(asyncpg.Connection, name)
            monkeypatch.setattr(asyncpg.Connection, name, noted(send, note))
    return sent


def noted(send: Any, note: Callable[[str], None]) -> Any:
    """Return a method of asyncpg's connections that notes what it is given to send."""

    def noting(connection: Any, text: str, *arguments: Any) -> Any:
        note(text)
        return send(connection, text, *arguments)

    return noting


@pytest.mark.long
async def test_what_is_shown_is_what_is_sent(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement is the one that goes to the database, past the sessions."""
    async with served(database_url) as shop:
        # Both of SQLite's connections are there from now on.
        await shop.fill(1)
        await shop.read(1)
        sent = watch(shop, monkeypatch)
        shown = {each.operation: each.sql for each in explain_application(shop.app)
                 if each.path.startswith("/things") and each.way == "front door"}  # fmt: skip
        assert shown.keys() == REQUESTS.keys()
        for operation, (method, path, body) in REQUESTS.items():
            sent.clear()
            assert (await shop.client.request(method, path, json=body)).is_success
            told = re.escape(str(shown[operation])).replace(r"\?", VALUE)
            assert re.fullmatch(told, sent[0]), operation
            # The ends of a page whose JSON SQLite makes are read apart.
            assert len(sent) == 1 or operation == "list"
        assert shop.passed_on == []
