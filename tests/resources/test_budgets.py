"""What one request can make the server hold and do: rows and bytes of an answer, patterns."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from sqlalchemy import ARRAY, JSON, ForeignKey, Integer, LargeBinary, Text, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import ConfigurationError, Database, RefusedError, resource
from ormolu.query import size_of
from ormolu.resources.work._encoding import encode
from tests.resources.twins import Twins, twins_of

# psycopg gets the statements of asyncpg.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg", "mariadb")]

Urls = tuple[str, str]


class Base(DeclarativeBase):
    """Of this file alone."""


class Essay(Base):
    """Text of any length, and a short one."""

    __tablename__ = "essays"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    body: Mapped[str] = mapped_column(Text)


SIDE = 6
# Six clubs, each with its league and its six players, each of these with six clubs again.
STANDING = SIDE + SIDE + SIDE**2 + SIDE**3


async def seed(twins: Twins) -> None:
    sides = range(1, SIDE + 1)
    await twins.execute(
        "INSERT INTO leagues (id) VALUES (1)",
        *[f"INSERT INTO clubs (id, league_id) VALUES ({each}, 1)" for each in sides],
        *[f"INSERT INTO players (id) VALUES ({each})" for each in sides],
        *[f"INSERT INTO memberships (club_id, player_id) VALUES ({one}, {other})"
          for one in sides for other in sides],
    )  # fmt: skip


def circle(**options: Any) -> tuple[Any, list[Any]]:
    """Return the base of new models and their resources: clubs of players, of clubs again."""

    class Ring(DeclarativeBase):
        pass

    class Membership(Ring):
        __tablename__ = "memberships"
        club_id: Mapped[int] = mapped_column(ForeignKey("clubs.id"), primary_key=True)
        player_id: Mapped[int] = mapped_column(ForeignKey("players.id"), primary_key=True)

    class League(Ring):
        __tablename__ = "leagues"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Club(Ring):
        __tablename__ = "clubs"
        id: Mapped[int] = mapped_column(primary_key=True)
        league_id: Mapped[int | None] = mapped_column(ForeignKey("leagues.id"))
        league = relationship("League")
        players = relationship("Player", secondary="memberships", back_populates="clubs")

    class Player(Ring):
        __tablename__ = "players"
        id: Mapped[int] = mapped_column(primary_key=True)
        clubs = relationship("Club", secondary="memberships", back_populates="players")

    players = resource(Player, includes={"clubs"})
    clubs = resource(Club, includes={"league", "players"}, **options)
    return Ring, [clubs, players]


@pytest.mark.long
@pytest.mark.parametrize("is_enough", [True, False])
async def test_rows_count_as_often_as_they_stand_in_the_answer(
    twin_urls: Urls, is_enough: bool
) -> None:
    """Of 13 rows that are stored 264 stand in the answer."""
    ring, parts = circle(max_rows=STANDING - (not is_enough))
    async with twins_of(twin_urls, ring.metadata, *parts) as twins:
        await seed(twins)
        for _ in range(2):
            answer = await twins.send("GET", "/clubs?include=league,players.clubs")
        if is_enough:
            assert len(answer.json()["items"][0]["players"][0]["clubs"]) == SIDE
        else:
            assert answer.status_code == 422
            (error,) = answer.json()["errors"]
            assert error["loc"] == ["query", "include"]
            assert error["type"] == "too_many_rows"
            assert "'players.clubs'" in error["msg"]


@pytest.mark.long
async def test_a_circle_of_includes_is_refused_before_it_is_fetched(
    twin_urls: Urls, statements: list[str]
) -> None:
    """Once the budget is spent no statement is sent for what stands deeper."""
    ring, parts = circle(max_rows=SIDE + 1)
    async with twins_of(twin_urls, ring.metadata, *parts) as twins:
        await seed(twins)
        statements.clear()
        answer = await twins.send("GET", "/clubs?include=players.clubs.players")
        assert answer.status_code == 422
        assert sum("row_number" in each for each in statements) == len(twins.databases)


@pytest.mark.long
@pytest.mark.parametrize(
    "path", ["/clubs?include=league", "/clubs?limit=7", "/clubs/1?include=players"]
)
async def test_every_way_to_read_has_the_budget(twin_urls: Urls, path: str) -> None:
    """A page, one row, a relation to one; each read twice, as a door plans what comes again."""
    ring, parts = circle(max_rows=SIDE - 1)
    async with twins_of(twin_urls, ring.metadata, *parts) as twins:
        await seed(twins)
        for _ in range(3):
            answer = await twins.send("GET", path)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["type"] == "too_many_rows"


@pytest.mark.long
async def test_a_call_from_python_has_the_budget(database_url: str) -> None:
    """And says which of its arguments is too much."""
    ring, (clubs, _) = circle(max_rows=SIDE * SIDE)
    async with Database(database_url, metadata=ring.metadata) as db, db.unit_of_work() as session:
        tables, ids = ring.metadata.tables, [{"id": each} for each in range(1, SIDE + 1)]
        await session.execute(insert(tables["clubs"]), ids)
        await session.execute(insert(tables["players"]), ids)
        pairs = [{"club_id": one["id"], "player_id": other["id"]} for one in ids for other in ids]
        await session.execute(insert(tables["memberships"]), pairs)
        assert len((await clubs.list(session, include=["players"], limit=5)).items) == 5
        with pytest.raises(RefusedError, match="players") as refused:
            await clubs.list(session, include=["players"])
        assert refused.value.entries[0]["loc"] == ["arguments", "include"]


@pytest.mark.long
@pytest.mark.parametrize("query", ["", "?fields=id,body", "?sort=-title", "?limit=2"])
async def test_bytes_are_those_of_the_body(twin_urls: Urls, query: str) -> None:
    """An answer of exactly so many passes, and with one more it is refused."""
    async with twins_of(twin_urls, Base.metadata, resource(Essay)) as twins:
        for letter in "é\x01b":
            await twins.send("POST", "/essays", json={"body": letter * 1000})
        length = len((await twins.send("GET", f"/essays{query}")).content)
    for room in (0, 1):
        again = resource(Essay, max_bytes=length - 1 + room)
        async with twins_of(twin_urls, Base.metadata, again) as twins:
            for _ in range(3):
                answer = await twins.send("GET", f"/essays{query}")
                assert answer.status_code == (200 if room else 422)
            if not room:
                assert answer.json()["errors"][0]["type"] == "too_many_bytes"


@pytest.mark.long
async def test_one_row_has_the_budget_of_bytes(twin_urls: Urls) -> None:
    """A row that is too long can be read without its long field."""
    async with twins_of(twin_urls, Base.metadata, resource(Essay, max_bytes=1000)) as twins:
        await twins.send("POST", "/essays", json={"body": "x" * 1000})
        for _ in range(3):
            assert (await twins.send("GET", "/essays/1")).status_code == 422
            assert (await twins.send("GET", "/essays/1?fields=id")).status_code == 200


@pytest.mark.long
async def test_a_batch_has_the_budget_of_bytes(twin_urls: Urls) -> None:
    """Rows that were long already come back with each change; nothing of it is stored."""
    async with twins_of(twin_urls, Base.metadata, resource(Essay, max_bytes=5000)) as twins:
        await twins.send("POST", "/essays", json={"body": "x" * 2000})
        step = {"op": "update", "id": 1, "data": {"title": "t"}}
        answer = await twins.send("POST", "/essays:batch", json={"operations": [step] * 3})
        assert answer.json()["errors"][0]["type"] == "too_many_bytes"
        assert (await twins.send("GET", "/essays/1")).json()["title"] is None


@pytest.mark.parametrize("option", ["max_rows", "max_bytes"])
def test_a_budget_is_a_number(option: str) -> None:
    """Without one row there is no answer."""
    options: dict[str, Any] = {option: 0}
    with pytest.raises(ConfigurationError, match=f"{option} must be at least 1"):
        resource(Essay, **options)


WORST = "a" * 20_000


@pytest.mark.long
@pytest.mark.parametrize("operator", ["contains", "endswith", "like", "ilike"])
async def test_patterns_are_bounded_in_all(database_url: str, operator: str) -> None:
    """Each term may be short; what counts is what a request looks for."""
    essays = resource(Essay, searchable={"title", "body"})
    name = f"body__{operator}"
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        await session.execute(insert(Essay), [{"body": WORST}] * 3)
        fine = [{name: "a" * 8 + "%b"}] * 49
        page = await essays.list(session, where={"or": fine})
        assert page.items == []
        for wrong in ([{name: "x" * 501}], [{name: "x" * 250}, {"not": {name: "y" * 251}}]):
            with pytest.raises(RefusedError, match="500 characters"):
                await essays.list(session, where={"or": wrong})


async def test_patterns_that_begin_a_text_are_not_sought(database_url: str) -> None:
    """And neither is a value that is compared as a whole."""
    essays = resource(Essay)
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        await session.execute(insert(Essay), [{"body": WORST}] * 3)
        where = {"or": [{"body__startswith": "a" * 9000}, {"body": WORST}]}
        assert len((await essays.list(session, where=where)).items) == 3


@pytest.mark.parametrize("text", ["x" * 251, "x" * 300_000, "x " * 200])
async def test_a_search_looks_for_each_word_in_each_column(database_url: str, text: str) -> None:
    """So two searchable columns halve what a search may be of."""
    essays = resource(Essay, searchable={"title", "body"})
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        assert (await essays.list(session, q="x" * 250)).items == []
        with pytest.raises(RefusedError, match=r"characters|words"):
            await essays.list(session, q=text)


def test_a_value_of_json_counts_as_it_is_written() -> None:
    """The estimate is never more than the body."""
    row = {"a": {"b": [1, None, "é"]}, "c": [1.5, True], "d": b"\xff" * 10, "e": "\x01", "f": None}
    assert size_of(list(row), list(row.values())) <= len(encode(row))
    assert json.loads(encode(row))["c"] == [1.5, True]


@pytest.mark.long
async def test_an_error_answer_is_bounded(twin_urls: Urls) -> None:
    """A megabyte that is all wrong is not sent back, nor an entry for each name in it."""
    async with twins_of(twin_urls, Base.metadata, resource(Essay)) as twins:
        long = "n" * 500_000
        for body in (dict.fromkeys(map(str, range(1500)), 1), {long: 1}, {"body": 1, long: 2},
                     {str(each): 1 for each in range(50_000)}):  # fmt: skip
            answer = await twins.send("POST", "/essays", json=body)
            assert answer.status_code == 422
            assert len(answer.content) < 30_000
            assert len(answer.json()["errors"]) <= 100
        answer = await twins.send("QUERY", "/essays", json={long: 1})
        assert answer.status_code == 422
        assert len(answer.content) < 3000


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_list_with_wrong_items_is_one_error(twin_urls: Urls) -> None:
    """Each item would be an error of its own."""

    class Bag(DeclarativeBase):
        pass

    class Draw(Bag):
        __tablename__ = "draws"
        id: Mapped[int] = mapped_column(primary_key=True)
        numbers: Mapped[list[int]] = mapped_column(ARRAY(Integer))

    async with twins_of(twin_urls, Bag.metadata, resource(Draw)) as twins:
        answer = await twins.send("POST", "/draws", json={"numbers": ["x"] * 100_000})
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 1


class Shelf(Base):
    """What holds long texts."""

    __tablename__ = "shelves"

    id: Mapped[int] = mapped_column(primary_key=True)
    scrolls: Mapped[list[Scroll]] = relationship(order_by="Scroll.title.desc()")


class Scroll(Base):
    """Values of any length, which sort by text, too."""

    __tablename__ = "scrolls"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
    title: Mapped[str | None]
    body: Mapped[str] = mapped_column(Text)
    seal: Mapped[bytes | None] = mapped_column(LargeBinary)
    notes: Mapped[Any] = mapped_column(JSON, nullable=True)


def library(**options: Any) -> list[Any]:
    scrolls = resource(Scroll, **options)
    return [resource(Shelf, includes={"scrolls": scrolls}, **options), scrolls]


@pytest.mark.long
@pytest.mark.parametrize(
    "path",
    ["/scrolls?sort=-title", "/scrolls?sort=title,body&limit=3", "/shelves?include=scrolls"],
)
async def test_long_values_are_counted_and_rows_stay_in_order(twin_urls: Urls, path: str) -> None:
    """The server adds them up; what is within the budget is what it was."""
    async with twins_of(twin_urls, Base.metadata, *library()) as twins:
        await twins.send("POST", "/shelves", json={})
        for number, title in enumerate(["b", None, "a", "é", "B", None]):
            await twins.send("POST", "/scrolls", json={
                "shelf_id": 1, "title": title, "body": "x" * number, "seal": "_w==",
                "notes": {"a": [number]},
            })  # fmt: skip
        answers = [await twins.send("GET", path) for _ in range(3)]
        items = answers[0].json()["items"]
        rows = items[0]["scrolls"] if "shelves" in path else items
        assert {row["seal"] for row in rows} == {"_w=="}
        assert all(row["notes"] == {"a": [len(row["body"])]} for row in rows)
        assert len({answer.content for answer in answers}) == 1


@pytest.mark.long
@pytest.mark.parametrize("path", ["/scrolls?limit=100", "/shelves?include=scrolls"])
async def test_long_values_are_not_sent_beyond_the_budget(twin_urls: Urls, path: str) -> None:
    """Of 4 MB that are stored the server does not get one of more than its budget."""
    async with twins_of(twin_urls, Base.metadata, *library(max_bytes=100_000)) as twins:
        for db in twins.databases:
            async with db.unit_of_work() as session:
                await session.execute(insert(Shelf).values(id=1))
                row = {"shelf_id": 1, "body": "x" * 60_000, "seal": b"y" * 20_000}
                await session.execute(insert(Scroll), [row] * 50)
        tracemalloc.start()
        for _ in range(3):
            answer = await twins.send("GET", path)
            assert answer.json()["errors"][0]["type"] == "too_many_bytes"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3_000_000


async def test_an_include_is_of_few_relations(database_url: str) -> None:
    """Each may be a statement, and three hops of four relations are 84."""

    class Tree(DeclarativeBase):
        pass

    class Node(Tree):
        __tablename__ = "nodes"
        id: Mapped[int] = mapped_column(primary_key=True)
        up_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
        one = relationship("Node", viewonly=True)
        two = relationship("Node", viewonly=True)
        three = relationship("Node", viewonly=True)
        four = relationship("Node", viewonly=True)

    names = ("one", "two", "three", "four")
    nodes = resource(Node, includes=set(names))
    pairs = [f"{first}.{second}" for first in names for second in names]
    deep = [f"{pair}.{third}" for pair in pairs for third in names]
    async with Database(database_url, metadata=Tree.metadata) as db, db.unit_of_work() as session:
        await nodes.list(session, include=pairs)
        with pytest.raises(RefusedError, match="30 relations"):
            await nodes.list(session, include=deep)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_the_json_of_long_values_is_not_begun(twin_urls: Urls) -> None:
    """SQLite would make all of it before it looks at how long it is, outside of Python's memory."""
    async with twins_of(twin_urls, Base.metadata, *library(max_bytes=100_000)) as twins:
        await twins.send("POST", "/shelves", json={})
        for size in (20_000, 60_000):
            await twins.send("POST", "/scrolls", json={"shelf_id": 1, "body": "x" * size})
        path = "/scrolls?fields=id,title,body&limit="
        # Each has its share; what is longer the session counts.
        await twins.past("GET", f"{path}3")
        await twins.through("GET", f"{path}1")
        assert len((await twins.past("GET", f"{path}2")).json()["items"]) == 2


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_sqlite_sorts_no_long_values_behind_a_relation(
    twin_urls: Urls, statements: list[str]
) -> None:
    """It would write all of them into a file first, whatever the answer may have."""
    async with twins_of(twin_urls, Base.metadata, *library()) as twins:
        await twins.execute(
            "INSERT INTO shelves (id) VALUES (1), (2)",
            *["INSERT INTO scrolls (id, shelf_id, title, body) "
              f"VALUES ({each}, {1 + each % 2}, '{each * 7 % 10}', 'x')" for each in range(1, 10)],
        )  # fmt: skip
        for _ in range(3):
            listed = (await twins.send("GET", "/shelves?include=scrolls")).json()["items"]
            titles = [[each["title"] for each in shelf["scrolls"]] for shelf in listed]
            assert titles == [["8", "6", "4", "2"], ["9", "7", "5", "3", "1"]]
    ranked = [each for each in statements if "row_number()" in each]
    assert ranked
    assert all("ORDER BY" not in each[each.rindex("WHERE") :] for each in ranked)
