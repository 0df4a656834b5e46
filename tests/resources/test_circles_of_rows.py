"""Rows that refer to themselves, or to each other in a circle, as clients can make them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import Database, resource
from tests.fixtures.backends import Backend
from tests.fixtures.kept import KeptApp, keep_running

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    metadata = MetaData()


class Plain(Base):
    """Deleted by one statement."""

    __tablename__ = "circle_plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("circle_plain.id"))
    parent: Mapped[Plain | None] = relationship(remote_side="Plain.id")


class Folder(Base):
    """The ORM deletes those below it, too."""

    __tablename__ = "circle_folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("circle_folders.id"))
    parent: Mapped[Folder | None] = relationship(remote_side="Folder.id", back_populates="inner")
    inner: Mapped[list[Folder]] = relationship(
        back_populates="parent", cascade="all, delete-orphan"
    )


class Page(Base):
    """The ORM deletes it from two tables, and sets to NULL what refers to it."""

    __tablename__ = "circle_pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "page"}  # noqa: RUF012


class Chapter(Page):
    __tablename__ = "circle_chapters"
    id: Mapped[int] = mapped_column(ForeignKey(Page.id), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("circle_chapters.id"))
    parts: Mapped[list[Chapter]] = relationship(foreign_keys=parent_id)
    __mapper_args__ = {"polymorphic_identity": "chapter"}  # noqa: RUF012


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    for model in (Plain, Folder, Chapter):
        app.include_router(resource(model, path=f"/{model.__name__.lower()}s"))
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        yield found


async def make(client: httpx2.AsyncClient, path: str, *parents: int | None) -> list[int]:
    """Make rows, then let each refer to one of them by its place."""
    made = [(await client.post(path, json={})).json()["id"] for _ in parents]
    for key, place in zip(made, parents, strict=True):
        change = {"parent_id": None if place is None else made[place]}
        assert (await client.patch(f"{path}/{key}", json=change)).status_code == 200
    return made


async def statuses(client: httpx2.AsyncClient, path: str, keys: list[int]) -> list[int]:
    return [(await client.get(f"{path}/{key}")).status_code for key in keys]


@pytest.mark.parametrize("path", ["/plains", "/folders", "/chapters"])
async def test_a_row_that_refers_to_itself_is_deleted(
    client: httpx2.AsyncClient, path: str, backend: Backend
) -> None:
    """It was a 500 where the ORM deletes it: it found no order for one row."""
    (key,) = await make(client, path, 0)
    # InnoDB itself refuses to delete it by one statement.
    is_refused = backend.is_mariadb and path == "/plains"
    assert (await client.delete(f"{path}/{key}")).status_code == (409 if is_refused else 204)
    assert await statuses(client, path, [key]) == [200 if is_refused else 404]


@pytest.mark.parametrize(("path", "left"), [("/folders", [404, 404]), ("/chapters", [404, 200])])
async def test_rows_below_one_that_refers_to_itself(
    client: httpx2.AsyncClient, path: str, left: list[int]
) -> None:
    """They go with it, or refer to none."""
    keys = await make(client, path, 0, 0)
    assert (await client.delete(f"{path}/{keys[0]}")).status_code == 204
    assert await statuses(client, path, keys) == left


async def test_a_circle_that_would_be_deleted_is_refused(client: httpx2.AsyncClient) -> None:
    """Until one of its rows refers to no other; it was a 500."""
    keys = await make(client, "/folders", 1, 2, 0)
    answer = await client.delete(f"/folders/{keys[0]}")
    assert (answer.status_code, answer.json()["code"]) == (409, "foreign_key_violation")
    assert "in a circle" in answer.json()["detail"]
    assert await statuses(client, "/folders", keys) == [200, 200, 200]
    assert (await client.patch(f"/folders/{keys[0]}", json={"parent_id": None})).status_code == 200
    assert (await client.delete(f"/folders/{keys[0]}")).status_code == 204
    assert await statuses(client, "/folders", keys) == [404, 404, 404]


async def test_a_circle_in_a_batch_fails_alone(client: httpx2.AsyncClient) -> None:
    """The operations before and after it are done."""
    first, second, other = await make(client, "/folders", 1, 0, None)
    operations: list[dict[str, Any]] = [
        {"op": "create", "data": {"parent_id": other}},
        {"op": "delete", "id": first},
        {"op": "update", "id": second, "data": {"parent_id": None}},
    ]
    answer = await client.post("/folders:batch", json={"operations": operations, "atomic": False})
    assert [each["status"] for each in answer.json()["results"]] == [201, 409, 200]
    assert await statuses(client, "/folders", [first, second, other]) == [200, 200, 200]
