"""Relations to many through the front door, each against the ordinary way."""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKey, ForeignKeyConstraint, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Model, Policy, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(back_populates="shelf")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(20))
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
    shelf: Mapped[Shelf] = relationship(back_populates="books")


class Cell(Base):
    """A row whose key is of two columns."""

    __tablename__ = "cells"
    x: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    y: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    marks: Mapped[list[Mark]] = relationship()


class Mark(Base):
    __tablename__ = "marks"
    id: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[int]
    y: Mapped[int]
    __table_args__ = (ForeignKeyConstraint(["x", "y"], ["cells.x", "cells.y"]),)


class Box(Base):
    __tablename__ = "boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    secrets: Mapped[list[Secret]] = relationship()


class Secret(Base):
    __tablename__ = "secrets"
    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int] = mapped_column(ForeignKey("boxes.id"))


def only_the_first() -> Policy:
    return Policy(visible=Secret.id == 1)


boxes = resource(Box, includes={"secrets"})
secrets = resource(Secret, policy=only_the_first)
cells = resource(Cell, includes={"marks"})
shelves = resource(Shelf, includes={"books"})
books = resource(Book, includes={"shelf"})


@pytest.mark.long
async def test_rows_behind_rows(twin_urls: Urls) -> None:
    """A row and a page have their relations, three deep, and none where there are none."""
    async with twins_of(twin_urls, Base.metadata, shelves, books) as twins:
        for _ in range(3):
            await twins.send("POST", "/shelves", json={})
        for number in range(7):
            body = {"title": f"t{number}", "shelf_id": number % 2 + 1}
            await twins.send("POST", "/books", json=body)
        for path in ("/shelves/1", "/shelves/3", "/shelves", "/books/2", "/books"):
            include = "books.shelf.books" if "shelves" in path else "shelf.books"
            answer = await twins.through("GET", f"{path}?include={include}")
            assert "t1" in answer.text or path in {"/shelves/1", "/shelves/3"}


@pytest.mark.long
async def test_more_rows_than_an_answer_shows(twin_urls: Urls) -> None:
    """The ordinary way says that a relation was cut: the door leaves it to that."""
    async with twins_of(twin_urls, Base.metadata, shelves, books) as twins:
        await twins.send("POST", "/shelves", json={})
        operations = [{"op": "create", "data": {"title": "t", "shelf_id": 1}}] * 60
        for _ in range(2):
            await twins.send("POST", "/books:batch", json={"operations": operations})
        answer = await twins.past("GET", "/shelves/1?include=books")
        assert answer.headers["Truncated-Includes"] == "books"
        page = await twins.past("GET", "/shelves?include=books")
        assert page.json()["truncated"] == ["books"]


@pytest.mark.long
async def test_owners_with_a_composite_key(twin_urls: Urls) -> None:
    """Their keys do not fit into one parameter."""
    async with twins_of(twin_urls, Base.metadata, cells) as twins:
        await twins.send("POST", "/cells", json={"x": 1, "y": 2})
        await twins.execute("INSERT INTO marks (id, x, y) VALUES (1, 1, 2)")
        answer = await twins.past("GET", "/cells/1,2?include=marks")
        assert answer.json()["marks"] == [{"id": 1, "x": 1, "y": 2}]


@pytest.mark.long
async def test_rows_of_which_not_all_may_be_seen(twin_urls: Urls) -> None:
    """Which of them depends on each request: the door asks its policy, and shows no more."""
    async with twins_of(twin_urls, Base.metadata, boxes, secrets) as twins:
        await twins.execute("INSERT INTO boxes (id) VALUES (1)")
        await twins.execute("INSERT INTO secrets (id, box_id) VALUES (1, 1), (2, 1)")
        answer = await twins.through("GET", "/boxes/1?include=secrets")
        assert answer.json()["secrets"] == [{"id": 1, "box_id": 1}]
        page = await twins.through("GET", "/boxes?include=secrets")
        assert [each["id"] for each in page.json()["items"][0]["secrets"]] == [1]


@pytest.mark.long
async def test_pages_of_each_condition(twin_urls: Urls) -> None:
    """A cursor is bound to the condition, however that is put together."""
    async with twins_of(twin_urls, Base.metadata, shelves, books) as twins:
        await twins.send("POST", "/shelves", json={})
        for title in "abc":
            await twins.send("POST", "/books", json={"title": title, "shelf_id": 1})
        for where in ('{"not":{"title":"c"}}', '{"or":[{"title":"a"},{"shelf":{"any":{"id":1}}}]}'):
            first = await twins.through("GET", f"/books?limit=1&where={where}")
            following = first.headers["Link"].partition(">")[0][1:]
            second = await twins.through("GET", following)
            assert second.json()["items"][0]["title"] == "b"
