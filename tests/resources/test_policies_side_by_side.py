"""Policies of several resources in one statement: each keeps to its own rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_resources

pytestmark = pytest.mark.anyio


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    essays: Mapped[list[Essay]] = relationship(back_populates="author")
    prizes: Mapped[list[Prize]] = relationship()


class Prize(Base):
    __tablename__ = "prizes"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


class Essay(Base):
    __tablename__ = "essays"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="essays")


def famous() -> Policy:
    """Show who has a prize."""
    return Policy(visible=Author.prizes.any())


def of_the_famous() -> Policy:
    """Show what somebody with a prize has written."""
    return Policy(visible=Essay.author.has(Author.prizes.any()))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    authors = resource(Author, policy=famous, includes={"essays"})
    essays = resource(Essay, policy=of_the_famous, includes={"author"})
    async with keep_resources(module_url, Base.metadata, authors, essays) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of three authors, of whom the first two have a prize, with two essays each."""
    async with served.client() as found:
        async with served.db.unit_of_work() as session:
            session.add_all([Author(id=key, name=f"a{key}") for key in (1, 2, 3)])
            await session.flush()
            session.add_all([Prize(author_id=1), Prize(author_id=2), Prize(author_id=2)])
            session.add_all([Essay(id=key, author_id=(key + 1) // 2) for key in range(1, 7)])
        yield found


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("include=author", [1, 2, 3, 4]),
        ("include=author&author.name__ge=a", [1, 2, 3, 4]),
        ("include=author.essays.author&author.name=a2&author.essays.id=3", [3, 4]),
        ('include=author&where={"author":{"none":{"name":"a1"}}}', [3, 4]),
        ('include=author&where={"author":{"every":{"name":"a1"}}}', [1, 2]),
        ("include=author&sort=-author.name,-id", [4, 3, 2, 1]),
    ],
)
async def test_includes_beside_filters(
    client: httpx2.AsyncClient, query: str, keys: list[int]
) -> None:
    """What is included and what is asked for are guarded in the same statement."""
    answer = (await client.get(f"/essays?count=exact&{query}")).json()
    assert [each["id"] for each in answer["items"]] == keys
    assert [each["author"]["id"] for each in answer["items"]] == [(key + 1) // 2 for key in keys]
    assert answer["total"] == len(keys)
