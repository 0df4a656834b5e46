"""Whoever listens to statements, sessions or mappers hears of each request, since when they do."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.pool import Pool

from tests.fixtures.apps import client_of
from tests.web.doors import (
    ALL,
    ANSWERED,
    FINE,
    HANDED_OVER,
    Note,
    Passages,
    app_with,
    statuses,
    write_and_read,
)

pytestmark = pytest.mark.backends("sqlite")


async def _heard(url: str, passages: Passages, target: Any, name: str) -> tuple[list[int], Any]:
    """Return how often a listener is called, and what became of the requests meanwhile."""
    calls: list[int] = []

    def listen(*_arguments: object) -> None:
        calls.append(1)

    async with client_of(app_with(url)) as client:
        assert statuses(await write_and_read(client)) == FINE
        assert passages.take() == [ANSWERED] * ALL
        event.listen(target, name, listen)
        try:
            assert statuses(await write_and_read(client)) == FINE
        finally:
            event.remove(target, name, listen)
        taken = passages.take()
        assert statuses(await write_and_read(client)) == FINE
        assert passages.take() == [ANSWERED] * ALL
    return calls, taken


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Engine, "before_cursor_execute"),
        (Engine, "after_execute"),
        (Engine, "begin"),
        (Engine, "engine_connect"),
        (Pool, "checkout"),
        (Pool, "checkin"),
        (Session, "do_orm_execute"),
        (Session, "after_begin"),
        (Session, "after_commit"),
    ],
)
async def test_listeners_to_statements_and_sessions(
    database_url: str, passages: Passages, target: Any, name: str
) -> None:
    """They hear of reads and of writes from the request on that follows."""
    calls, taken = await _heard(database_url, passages, target, name)
    assert len(calls) >= (2 if name == "after_commit" else ALL)
    assert taken == [HANDED_OVER] * ALL


@pytest.mark.long
@pytest.mark.parametrize("name", ["do_execute"])
async def test_listeners_to_the_dialect(database_url: str, passages: Passages, name: str) -> None:
    """What replaces the driver's cursor hears of each statement."""
    calls, taken = await _heard(database_url, passages, Engine, name)
    assert len(calls) >= ALL
    assert taken == [HANDED_OVER] * ALL


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Note, "before_insert"),
        (Note, "after_update"),
        (Mapper, "before_delete"),
        (Note.text, "set"),
    ],
)
async def test_listeners_to_a_mapper(
    database_url: str, passages: Passages, target: Any, name: str
) -> None:
    """They hear of writes; a read loads no instance, and a DELETE sets no value."""
    calls, taken = await _heard(database_url, passages, target, name)
    assert len(calls) == (2 if name == "set" else 1)
    deleted = ANSWERED if name == "set" else HANDED_OVER
    assert taken == [HANDED_OVER, HANDED_OVER, ANSWERED, ANSWERED, deleted]


async def test_error_listeners(database_url: str, passages: Passages) -> None:
    """Who listens to errors alone hears of them, as the session does again what fails."""
    seen: list[Any] = []

    def listen(context: Any) -> None:
        seen.append(context)

    async with client_of(app_with(database_url)) as client:
        await client.post("/notes", json={"text": "a"})
        event.listen(Engine, "handle_error", listen)
        try:
            assert (await client.post("/notes", json={"text": "a"})).status_code == 409
            assert (await client.get("/notes/1")).status_code == 200
        finally:
            event.remove(Engine, "handle_error", listen)
    assert len(seen) == 1
    assert passages.take() == [ANSWERED, HANDED_OVER, ANSWERED]
