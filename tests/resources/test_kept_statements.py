"""Statements that SQLAlchemy keeps hold nothing of the requests that they were made for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import Database, Policy, SessionDep, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    """Of this file alone."""


class Shelf(Base):
    __tablename__ = "kept_shelves"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    books: Mapped[list[Book]] = relationship(viewonly=True, order_by="Book.id")


class Book(Base):
    __tablename__ = "kept_books"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[str | None] = mapped_column(ForeignKey("kept_shelves.id"))
    text: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[str | None] = mapped_column(Text)
    pages: Mapped[int | None]


async def anything(session: SessionDep) -> Policy:
    # Then the rest of the request is its business, too.
    await session.connection()
    return Policy(visible=True, writable=Book.pages.is_(None) | (Book.pages > 0))


books = resource(Book, policy=anything)
shelves = resource(Shelf, includes={"books"}, writable={"id"})


def serve(url: str) -> Any:
    app, db = FastAPI(), Database(url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(shelves)
    app.include_router(books)
    return db, client_of(app)


def longest_kept(db: Database) -> int:
    """Return the length of the longest text or list that a kept statement holds."""
    return max(_lengths(db), default=0)


def _lengths(db: Database) -> Iterator[int]:
    for engine in (db.engine, db.reader_engine):
        for compiled in (engine.sync_engine._compiled_cache or {}).values():
            for bind in getattr(compiled, "binds", {}).values():
                if isinstance(bind.value, (str, list, tuple)):
                    yield len(bind.value)


@pytest.mark.long
@pytest.mark.parametrize("name", ["text", "notes"])
async def test_long_values_of_a_write_are_not_kept(database_url: str, name: str) -> None:
    """Of a new row, of a change; and short ones are written by kept statements."""
    db, opened = serve(database_url)
    async with opened as client:
        for value in ("x" * 50_000, "x" * 50):
            made = await client.post("/kept_books", json={name: value})
            assert (made.status_code, made.json()[name]) == (201, value)
            path = f"/kept_books/{made.json()['id']}"
            changed = await client.patch(path, json={name: value + "y"})
            assert changed.json()[name] == value + "y"
            assert longest_kept(db) <= 51
        assert longest_kept(db) >= 50


@pytest.mark.long
async def test_keys_of_an_include_are_not_kept(database_url: str) -> None:
    """Its rows are found all the same."""
    db, opened = serve(database_url)
    async with opened as client:
        for number in range(30):
            assert (await client.post("/kept_shelves", json={"id": f"s{number}"})).is_success
            row = {"shelf_id": f"s{number}", "pages": number + 1}
            assert (await client.post("/kept_books", json=row)).is_success
        for fields in ("id,books.id", "id,books.pages"):
            found = await client.get(f"/kept_shelves?include=books&fields={fields}")
            assert [len(each["books"]) for each in found.json()["items"]] == [1] * 30
        assert longest_kept(db) < 30
