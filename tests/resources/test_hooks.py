"""Hooks: what they hear of, and what they never do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, RefusedError, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Word(Base):
    __tablename__ = "words"
    text: Mapped[str] = mapped_column(String(20), primary_key=True)
    meaning: Mapped[str | None] = mapped_column(String(20))


def serve(url: str, path: str, seen: list[str], **others: Any) -> Any:
    """Serve words, with hooks that note their names and the texts that they are given."""

    def note(name: str) -> Callable[..., None]:
        return lambda *given: seen.append(f"{name} {given[-1].get('text')}")

    names = ("before_create", "before_update", "after_create", "after_update", "after_commit")
    hooks: Any = {**{name: note(name) for name in names}, **others}
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Word, path=path, hooks=hooks))
    return client_of(app)


async def test_put_of_a_new_row_is_no_update(database_url: str) -> None:
    """Hooks of changes hear of a PUT only if the row is there."""
    seen: list[str] = []
    async with serve(database_url, "/put", seen) as client:
        assert (await client.put("/put/a", json={})).status_code == 201
        assert seen == ["before_create a", "after_create a", "after_commit a"]
        seen.clear()
        assert (await client.put("/put/a", json={"meaning": "x"})).status_code == 200
        assert seen == ["before_update None", "after_update a", "after_commit a"]
        old = {"If-Match": "*"}
        assert (await client.put("/put/b", json={}, headers=old)).status_code == 412


async def test_empty_patch_is_no_update(database_url: str) -> None:
    """It changes nothing, so there is nothing to hear of."""
    seen: list[str] = []
    async with serve(database_url, "/patch", seen) as client:
        await client.put("/patch/a", json={})
        seen.clear()
        assert (await client.patch("/patch/a", json={})).status_code == 200
        assert seen == []


async def test_only_stored_rows_of_a_batch_are_told(database_url: str) -> None:
    """Rows that are undone with a neighbour, and tried again one by one, are told once."""
    seen: list[str] = []

    def refuse_b(_session: object, row: dict[str, Any]) -> None:
        if row["text"] == "b":
            raise RefusedError("forbidden", "Not b")

    steps = [{"op": "create", "data": {"text": text}} for text in "abc"]
    body = {"operations": steps, "atomic": False}
    async with serve(database_url, "/batch", seen, after_create=refuse_b) as client:
        answer: httpx2.Response = await client.post("/batch:batch", json=body)
    assert [each["status"] for each in answer.json()["results"]] == [201, 403, 201]
    assert [told for told in seen if "commit" in told] == ["after_commit a", "after_commit c"]
