"""Writes at the same time as others: what a policy or a version says holds until the COMMIT."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, MetaData, String, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, SessionDep, resource
from ormolu.resources.http import _idempotency
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("asyncpg", "psycopg", "mariadb")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Page(Base):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    is_open: Mapped[bool] = mapped_column(default=True)
    text: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": "kind",
        "polymorphic_identity": "page",
        "version_id_col": version,
        "with_polymorphic": "*",
    }


class Essay(Page):
    __tablename__ = "essays"
    id: Mapped[int] = mapped_column(ForeignKey("pages.id"), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "essay"}  # noqa: RUF012


class Label(Base):
    __tablename__ = "labels"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20), unique=True)
    note: Mapped[str | None] = mapped_column(String(20))


async def open_pages() -> Policy:
    return Policy(visible=True, writable=Page.is_open)


async def open_essays() -> Policy:
    return Policy(visible=True, writable=Essay.is_open)


pages = resource(Page, policy=open_pages)
essays = resource(Essay, policy=open_essays)


@pytest.mark.parametrize("path", ["/pages/1", "/essays/1"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_rows_of_the_orm_are_held_from_the_check_on(
    database_url: str, path: str, method: str
) -> None:
    """A row that is sealed while a change of it waits is not changed."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata, pool_timeout=20.0)
    db.attach(app)
    app.include_router(pages)
    app.include_router(essays)
    async with client_of(app) as client:
        assert (await client.post("/essays", json={"text": "a"})).status_code == 201
        body: Any = {"json": {"text": "b"}} if method == "PATCH" else {}
        async with db.unit_of_work() as session:
            await pages.update(session, 1, {"is_open": False})
            change = asyncio.create_task(client.request(method, path, **body))
            await asyncio.sleep(0.3)
        assert (await change).status_code == 403
        assert (await client.get(path)).json()["text"] == "a"


@pytest.mark.parametrize("headers", [{"If-Match": '"1"'}, {"If-None-Match": '"2"'}])
@pytest.mark.parametrize("path", ["/pages/1", "/essays/1"])
async def test_tags_are_412_at_any_moment(
    database_url: str, path: str, headers: dict[str, str]
) -> None:
    """Also if the row changes, and gets another version, while a change of it waits."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata, pool_timeout=20.0)
    db.attach(app)
    app.include_router(pages)
    app.include_router(essays)
    async with client_of(app) as client:
        assert (await client.post("/essays", json={"text": "a"})).headers["ETag"] == '"1"'
        async with db.unit_of_work() as session:
            await pages.update(session, 1, {"text": "b"})
            change = asyncio.create_task(client.patch(path, json={"text": "c"}, headers=headers))
            await asyncio.sleep(0.3)
        assert (await change).status_code == 412


@pytest.mark.parametrize("same", [{}, {"note": "same"}])
@pytest.mark.parametrize(
    ("query", "status"),
    [("", 201), ("?on_conflict=text", 200), ("?on_conflict=text&on_match=ignore", 200)],
)
async def test_twins_find_what_was_stored_after_their_snapshot(
    database_url: str,
    query: str,
    status: int,
    same: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A policy that reads, as one of the current user does, takes a snapshot on MariaDB."""
    # Each of them deletes old keys, for which InnoDB locks more than their rows.
    monkeypatch.setattr(_idempotency, "_PURGED_ONE_IN", 1)
    has_read = asyncio.Barrier(3)

    async def reading(session: SessionDep) -> Policy:
        await session.scalar(select(func.count()).select_from(Label))
        await has_read.wait()
        return Policy(visible=True)

    labels = resource(Label, policy=reading, idempotency=True)
    app = FastAPI()
    Database(database_url, metadata=Base.metadata, pool_timeout=20.0).attach(app)
    app.include_router(labels)
    async with client_of(app) as client:
        if not query:
            client.headers["Idempotency-Key"] = "k"
        sent = [client.post(f"/labels{query}", json={"text": "a", **same}) for _ in range(3)]
        statuses = [answer.status_code for answer in await asyncio.gather(*sent)]
    assert sorted(statuses) == sorted([status, status, 201])


async def test_waiting_for_a_key_is_in_nobodys_way(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits holds nothing that the key's holder needs, even one that deletes old keys."""
    monkeypatch.setattr(_idempotency, "_PURGED_ONE_IN", 1)
    labels = resource(Label, path="/free", idempotency=True)
    table = _idempotency.idempotency_table(Base.metadata)
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata, pool_timeout=20.0)
    db.attach(app)
    app.include_router(labels)
    sent: Any = {"json": {"text": "a"}, "headers": {"Idempotency-Key": "k"}}
    async with client_of(app) as client:
        first = await client.post("/free", **sent)
        async with db.unit_of_work() as session:
            row = dict((await session.execute(select(table))).one()._mapping)
            await session.execute(table.delete())
        async with db.unit_of_work() as session:
            await session.execute(insert(table).values(row))
            twin = asyncio.create_task(client.post("/free", **sent))
            await asyncio.sleep(0.3)
            await session.execute(insert(table).values({**row, "key": "z"}))
        assert ((await twin).status_code, (await twin).content) == (201, first.content)
