"""What requests fill is bounded in entries and letters, and keeps what is used."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, resource
from ormolu.lanes import NotDoneError
from ormolu.lanes._bans import Bans
from ormolu.resources.declare._lru import LRUCache
from ormolu.resources.http._answers import _cached_without_cursor, _quoted_plain, next_link
from ormolu.resources.work._plan_cache import PlanCache
from ormolu.sqlite._short import ShortStatements
from ormolu.sqlite._statements import _known_kind_of, kind_of
from tests.fixtures.apps import client_of
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio

LONG = "x" * 100_000


class Base(DeclarativeBase):
    """Of this file alone."""


class Ticket(Base):
    """A row with a few columns."""

    __tablename__ = "tickets"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    size: Mapped[int]


tickets = resource(Ticket)


def test_a_plan_that_is_used_is_kept() -> None:
    """Whatever others come between its uses."""
    shapes: PlanCache[str] = PlanCache()
    made: list[Any] = []

    def find(shape: Any) -> None:
        shapes.find(shape, lambda: made.append(shape) or "plan", is_common=True)  # type: ignore[func-returns-value]

    for number in range(2000):
        find("hot")
        find(number)
    assert made.count("hot") == 1


@pytest.mark.parametrize(
    "shape", [(("name", LONG),), (("size__in", *map(str, range(5000))),), b"x" * 1001]
)
def test_a_long_shape_is_not_kept(shape: Any) -> None:
    """However often it comes; nor is it remembered that it came."""
    shapes: PlanCache[str] = PlanCache()
    for _ in range(3):
        with pytest.raises(NotDoneError):
            shapes.find(shape, lambda: "plan", is_common=False)
    assert not shapes._seen


def test_what_was_used_lately_is_kept() -> None:
    """And of the rest no more than was said."""
    recent: LRUCache[int] = LRUCache(10)
    recent.put("hot", 1)
    for number in range(1000):
        assert recent.get("hot") == 1
        recent.put(number, number)
        assert len(recent) <= 10
    assert recent.get(0) is None


def test_long_statements_are_not_remembered() -> None:
    """SQL with many values is another one each time."""
    before = _known_kind_of.cache_info().currsize
    short = ShortStatements()
    for number in range(100):
        sql = f"SELECT {number}, {LONG}"
        assert kind_of(sql) is kind_of("SELECT 1")
        short.note_on_thread(sql, 0.0)
    assert not short._proofs
    assert _known_kind_of.cache_info().currsize <= before + 1


def test_statements_that_are_used_stay_short() -> None:
    """Of the others those are forgotten that were not used for longest."""
    short = ShortStatements()
    for _ in range(3):
        short.note_on_thread("SELECT 1", 0.0)
    for number in range(20_000):
        short.note_on_thread(f"SELECT {number} AS n", 0.0)
        short.note_at_once("SELECT 1", 1e12, is_done=True)
    assert short.has("SELECT 1")
    assert len(short._proofs) <= 2001


@pytest.mark.long
def test_bans_are_bounded() -> None:
    """Also while none of them is over."""
    bans = Bans()
    for number in range(2000):
        bans.add(f"SELECT {number}")
    assert len(bans._until) <= 500
    assert bans.has("SELECT 1999")


def test_links_of_long_requests_are_made_each_time() -> None:
    """A query string and a path may be of many kilobytes."""
    _cached_without_cursor.cache_clear()
    _quoted_plain.cache_clear()
    query = f"name={LONG}&cursor=b".encode()
    scope = {"type": "http", "path": f"/{LONG}", "query_string": query, "headers": [],
             "server": ("test", 80), "scheme": "http"}  # fmt: skip
    assert next_link(scope, "c").endswith(f'?name={LONG}&cursor=c>; rel="next"')
    assert _cached_without_cursor.cache_info().currsize == _quoted_plain.cache_info().currsize == 0


def _letters() -> int:
    """Return how many letters all long texts have that something still refers to."""
    gc.collect()
    seen: set[int] = set()

    def texts() -> Iterator[str]:
        for each in gc.get_objects():
            for part in gc.get_referents(each):
                if type(part) in {str, bytes} and len(part) > 1000 and id(part) not in seen:
                    seen.add(id(part))
                    yield part

    return sum(len(each) for each in texts() if each[:6] in {"sought", b"sought"})


@pytest.mark.long
async def test_nothing_of_a_large_request_is_kept(database_url: str) -> None:
    """Neither of one that is refused, nor of one that is answered."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(tickets)
    async with client_of(app) as client:
        for number in range(20):
            name = f"sought{number}" + "y" * 5000
            where: Any = {"or": [{"name": name}, {"size": number}, *[{"size": 1}] * number]}
            for body, status in (({"where": where}, 200), ({"where": where, "cursor": "A"}, 422)):
                answer = await client.request("QUERY", "/tickets", json={**body, "count": None})
                assert answer.status_code == status
            await client.get("/tickets", params={"name": name})
        del where, body, name, answer
        assert _letters() < 20_000


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_a_list_keeps_few_statements(twin_urls: tuple[str, str]) -> None:
    """Anybody can write a cursor, with NULL wherever there may be one."""

    class Sparse(DeclarativeBase):
        pass

    class Sample(Sparse):
        __tablename__ = "sparse"
        id: Mapped[int] = mapped_column(primary_key=True)
        one: Mapped[int | None]
        two: Mapped[int | None]
        three: Mapped[int | None]

    async with twins_of(twin_urls, Sparse.metadata, resource(Sample)) as twins:
        for number in range(16):
            row = {name: None if number & bit else 1
                   for bit, name in ((1, "one"), (2, "two"), (4, "three"))}  # fmt: skip
            await twins.send("POST", "/sparse", json=row)
        cursor, found = "", 0
        while cursor is not None:
            page = (await twins.send("GET", f"/sparse?sort=one,two,three&limit=1{cursor}")).json()
            found += len(page["items"])
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        assert found == 16
