"""Policies that ask other tables, or their own once more: right in every statement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Header
from sqlalchemy import ForeignKey, MetaData, String, exists, or_, select
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from ormolu import Database, Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_running

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error")]


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Club(Base):
    __tablename__ = "clubs"
    id: Mapped[int] = mapped_column(primary_key=True)
    memos: Mapped[list[Memo]] = relationship(back_populates="club")


class Entry(Base):
    """Who is a member of which club."""

    __tablename__ = "entries"
    club_id: Mapped[int] = mapped_column(ForeignKey("clubs.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True)


class Memo(Base):
    __tablename__ = "memos"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(9), unique=True)
    body: Mapped[str | None] = mapped_column(String(9))
    club_id: Mapped[int] = mapped_column(ForeignKey("clubs.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("memos.id"))
    club: Mapped[Club] = relationship(back_populates="memos")


_above = aliased(Memo)
_entry = aliased(Entry)
# That the user 1 is a member of the memo's club, in each way.
WAYS: dict[str, Any] = {
    "exists": exists().where(Entry.club_id == Memo.club_id, Entry.user_id == 1),
    "alias": exists(select(_entry.user_id).where(
        _entry.club_id == Memo.club_id, _entry.user_id == 1
    )),
    "in": Memo.club_id.in_(select(Entry.club_id).where(Entry.user_id == 1)),
    "has": Memo.club.has(Club.id.in_(select(Entry.club_id).where(Entry.user_id == 1))),
    # The club of the parent, which is in the same table.
    "self": or_(Memo.parent_id.in_(select(_above.id).where(_above.club_id == 1)),
                Memo.club_id == 1),
    "scalar": select(Entry.user_id).where(
        Entry.club_id == Memo.club_id, Entry.user_id == 1
    ).scalar_subquery() == 1,
}  # fmt: skip


def member(x_way: Annotated[str, Header()]) -> Policy:
    return Policy(visible=WAYS[x_way])


memos = resource(Memo, policy=member, includes={"club"}, writable={"id"})
clubs = resource(Club, includes={"memos"})


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    db, app = Database(module_url, metadata=Base.metadata), FastAPI()
    db.attach(app)
    app.include_router(memos)
    app.include_router(clubs)
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture(params=list(WAYS))
async def client(
    request: pytest.FixtureRequest, served: KeptApp
) -> AsyncIterator[httpx2.AsyncClient]:
    """Memos of two clubs, of which one is the user's."""
    async with served.client() as opened:
        opened.headers["X-Way"] = request.param
        await _seed(served.db)
        yield opened


async def _seed(db: Database) -> None:
    async with db.unit_of_work() as session:
        session.add_all(Club(id=key) for key in (1, 2))
        await session.flush()
        session.add_all([Entry(club_id=1, user_id=1), Entry(club_id=2, user_id=2)])
        session.add_all(Memo(id=key, title=f"t{key}", club_id=key) for key in (1, 2))


@pytest.mark.long
async def test_reads(client: httpx2.AsyncClient) -> None:
    """Lists, counts, rows, includes and filters know the user's memos alone."""
    page = (await client.get("/memos?count=exact&include=club&sort=-club.id")).json()
    assert ([row["id"] for row in page["items"]], page["total"]) == ([1], 1)
    assert (await client.get("/memos/2")).status_code == 404
    found = (await client.get("/clubs?include=memos")).json()["items"]
    assert [[memo["id"] for memo in club["memos"]] for club in found] == [[1], []]
    assert (await client.get("/clubs?memos.title=t2")).json()["items"] == []


@pytest.mark.long
async def test_writes(client: httpx2.AsyncClient) -> None:
    """A memo is made, changed, moved and deleted within the user's clubs only."""
    row = {"id": 3, "title": "t3", "club_id": 1}
    assert (await client.post("/memos", json=row)).status_code == 201
    assert await _status(client, "POST", "/memos", {"id": 4, "title": "t4", "club_id": 2}) == 403
    assert await _status(client, "PATCH", "/memos/3", {"body": "x"}) == 200
    assert await _status(client, "PATCH", "/memos/3", {"club_id": 2}) == 403
    assert await _status(client, "PATCH", "/memos/2", {"body": "x"}) == 404
    assert await _status(client, "POST", "/memos?on_conflict=title", row | {"body": "y"}) == 200
    taken = {"id": 5, "title": "t2", "club_id": 1}
    assert await _status(client, "POST", "/memos?on_conflict=title", taken) == 409
    assert await _status(client, "DELETE", "/memos/2") == 404
    assert await _status(client, "DELETE", "/memos/3") == 204
    steps: list[Any] = [
        {"op": "create", "data": row | {"id": key, "title": f"n{key}"}} for key in (6, 7)
    ]
    steps += [{"op": "update", "id": 6, "data": {"body": "b"}}, {"op": "delete", "id": 7}]
    assert await _status(client, "POST", "/memos:batch", {"operations": steps}) == 200


async def _status(client: httpx2.AsyncClient, method: str, path: str, body: Any = None) -> int:
    return (await client.request(method, path, json=body)).status_code
