"""Text of another character set than UTF-8, as tables of old have, compares like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("mariadb")]

WORDS = ["a", "A", "a ", "b%", "z"]


@pytest.fixture(params=["latin1", "ascii", "utf8mb3"])
async def client(
    database_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a table of words in a character set."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Word(Base):
        __tablename__ = "words"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str] = mapped_column(mysql.VARCHAR(20, charset=request.param))

    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Word, searchable={"word"}))
    async with client_of(app) as found:
        for word in WORDS:
            assert (await found.post("/words", json={"word": word})).status_code == 201
        yield found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("word=a", ["a"]),
        ("word__in=a&word__in=z", ["a", "z"]),
        ("word__ne=a", ["A", "a ", "b%", "z"]),
        ("word__gt=a", ["a ", "b%", "z"]),
        ("word__startswith=a", ["a", "a "]),
        ("word__ilike=A%25", ["a", "A", "a "]),
        ("q=B", ["b%"]),
        ("word__gt=%C3%A4", []),
    ],
)
async def test_filters(client: httpx2.AsyncClient, query: str, words: list[str]) -> None:
    """By code point, as everywhere."""
    answer = await client.get(f"/words?{query}")
    assert [each["word"] for each in answer.json()["items"]] == words


async def test_sorts(client: httpx2.AsyncClient) -> None:
    """With the pages of a cursor."""
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"/words?sort=-word&limit=2{cursor}")).json()
        found += [each["word"] for each in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert found == sorted(WORDS, reverse=True)


@pytest.mark.parametrize("query", ["word=\U0001f600", "word__in=a&word__in=\U0001f600&word__in=b"])
async def test_letters_that_a_column_cannot_hold(client: httpx2.AsyncClient, query: str) -> None:
    """They are the client's: of no row, or refused."""
    answer = await client.get(f"/words?{query}")
    assert answer.status_code in {200, 422}
    assert all(each["word"] == "a" for each in answer.json().get("items", []))
