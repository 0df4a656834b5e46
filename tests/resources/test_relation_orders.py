"""`relationship(order_by=)` orders what is included, and says which hundred rows are kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    desc,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Model, resource
from tests.resources.twins import Twins, twins_of

Urls = tuple[str, str]


class Base(Model):
    """Models with relations in an order."""

    __abstract__ = True
    metadata = MetaData()


seats = Table(
    "ord_seats",
    Base.metadata,
    Column("race_id", ForeignKey("ord_races.id"), primary_key=True),
    Column("boat_id", ForeignKey("ord_boats.id"), primary_key=True),
    Column("lane", Integer, nullable=False),
)

follows = Table(
    "ord_follows",
    Base.metadata,
    Column("from_id", ForeignKey("ord_races.id"), primary_key=True),
    Column("to_id", ForeignKey("ord_races.id"), primary_key=True),
)


class Race(Base):
    """Relations of each kind."""

    __tablename__ = "ord_races"
    id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int]
    next_id: Mapped[int | None] = mapped_column(ForeignKey("ord_races.id"))
    boats: Mapped[list[Boat]] = relationship(
        secondary=seats, order_by=lambda: desc(seats.c.lane), viewonly=True
    )
    legs: Mapped[list[Leg]] = relationship(order_by="desc(Leg.place)", back_populates="race")
    later: Mapped[list[Leg]] = relationship(
        order_by="Leg.place % 3, Leg.id.desc()",
        primaryjoin=lambda: and_(Race.id == Leg.race_id, Leg.place > 3),
        viewonly=True,
    )
    earlier: Mapped[list[Race]] = relationship(order_by=lambda: Race.rank)
    followed: Mapped[list[Race]] = relationship(
        secondary=follows,
        primaryjoin=lambda: Race.id == follows.c.from_id,
        secondaryjoin=lambda: Race.id == follows.c.to_id,
        order_by=lambda: desc(Race.rank),
    )
    crews: Mapped[list[Crew]] = relationship(order_by="Person.name")
    last: Mapped[Leg | None] = relationship(
        order_by="Leg.place.desc()", uselist=False, viewonly=True
    )
    winner: Mapped[Boat | None] = relationship(
        secondary=seats, order_by=lambda: seats.c.lane, uselist=False, viewonly=True
    )


class Boat(Base):
    """Something in a race."""

    __tablename__ = "ord_boats"
    id: Mapped[int] = mapped_column(primary_key=True)
    paper: Mapped[Paper | None] = relationship(uselist=False)
    seal: Mapped[Seal | None] = relationship(uselist=False)


class Paper(Base):
    """One of a boat, by a constraint."""

    __tablename__ = "ord_papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    boat_id: Mapped[int] = mapped_column(ForeignKey("ord_boats.id"))
    __table_args__ = (UniqueConstraint("boat_id"),)


class Seal(Base):
    """One of a boat, by an index."""

    __tablename__ = "ord_seals"
    id: Mapped[int] = mapped_column(primary_key=True)
    boat_id: Mapped[int] = mapped_column(ForeignKey("ord_boats.id"), index=True, unique=True)


class Leg(Base):
    """A part of a race."""

    __tablename__ = "ord_legs"
    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[int]
    race_id: Mapped[int] = mapped_column(ForeignKey("ord_races.id"))
    race: Mapped[Race] = relationship(back_populates="legs", order_by=lambda: Race.rank)


class Person(Base):
    """The base of those in a race."""

    __tablename__ = "ord_people"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "person"}  # noqa: RUF012


class Crew(Person):
    """Those, in a table joined to it."""

    __tablename__ = "ord_crews"
    id: Mapped[int] = mapped_column(ForeignKey("ord_people.id"), primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("ord_races.id"))
    __mapper_args__ = {"polymorphic_identity": "crew"}  # noqa: RUF012


relations = {"boats", "legs", "later", "earlier", "followed", "crews", "last", "winner"}
resources = [
    resource(Race, includes=relations),
    resource(Leg, includes={"race"}),
    resource(Boat, includes={"paper", "seal"}),
    resource(Crew),
]


async def _fill(twins: Twins) -> None:
    for rank, next_id in ((3, None), (2, 1), (5, 1), (4, 1)):
        await twins.send("POST", "/ord_races", json={"rank": rank, "next_id": next_id})
    for place in (4, 1, 5, 2, 3, 6):
        await twins.send("POST", "/ord_legs", json={"race_id": 1, "place": place})
    for number in (1, 2, 3):
        await twins.send("POST", "/ord_boats", json={})
        name = f"n{number * 2 % 5}"
        await twins.send("POST", "/ord_crews", json={"race_id": 1, "name": name})
    await twins.execute(
        "INSERT INTO ord_seats (race_id, boat_id, lane) VALUES (1, 1, 2), (1, 2, 1), (1, 3, 3)",
        "INSERT INTO ord_follows (from_id, to_id) VALUES (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)",
    )


def _of(row: dict[str, Any], relation: str, name: str = "id") -> list[Any]:
    return [each[name] for each in row[relation]]


@pytest.mark.long
async def test_included_rows_are_in_the_order_of_their_relation(twin_urls: Urls) -> None:
    """Expressions, texts, functions; by a table between; of the model itself; of a base's table."""
    async with twins_of(twin_urls, Base.metadata, *resources) as twins:
        await _fill(twins)
        path = f"include={','.join(sorted(relations))}"
        row = (await twins.send("GET", f"/ord_races/1?{path}")).json()
        listed = (await twins.send("GET", f"/ord_races?{path}&sort=id")).json()["items"]
        assert listed[0] == row
        assert _of(row, "boats") == [3, 1, 2]
        assert _of(row, "legs", "place") == [6, 5, 4, 3, 2, 1]
        assert _of(row, "later") == [6, 1, 3]
        assert _of(row, "earlier", "rank") == [2, 4, 5]
        assert _of(row, "followed", "rank") == [5, 4, 2]
        assert _of(row, "crews", "name") == ["n1", "n2", "n4"]
        assert _of(listed[1], "followed", "rank") == [3, 2]


@pytest.mark.long
async def test_the_order_says_which_rows_are_kept(twin_urls: Urls) -> None:
    """The first hundred of it, not those with the smallest keys."""
    async with twins_of(twin_urls, Base.metadata, *resources) as twins:
        await twins.send("POST", "/ord_races", json={"rank": 1})
        for start in (0, 60):
            steps = [{"op": "create", "data": {"race_id": 1, "place": start + n}}
                     for n in range(60)]  # fmt: skip
            await twins.send("POST", "/ord_legs:batch", json={"operations": steps})
        row = (await twins.send("GET", "/ord_races/1?include=legs")).json()
        assert _of(row, "legs", "place") == list(range(119, 19, -1))


@pytest.mark.long
async def test_to_one_relations_have_no_order(twin_urls: Urls) -> None:
    """What order_by says there changes nothing."""
    async with twins_of(twin_urls, Base.metadata, *resources) as twins:
        await _fill(twins)
        items = (await twins.send("GET", "/ord_legs?include=race&sort=id")).json()["items"]
        assert [each["race"]["id"] for each in items] == [1] * 6


@pytest.mark.long
async def test_a_relation_to_one_of_several_rows_shows_the_first(twin_urls: Urls) -> None:
    """No row is in a page twice for it, and what it shows is what the page is sorted by."""
    async with twins_of(twin_urls, Base.metadata, *resources) as twins:
        await _fill(twins)
        await twins.send("POST", "/ord_legs", json={"race_id": 2, "place": 9})
        path = "/ord_races?include=last,winner&sort=-last.place,id&limit=3"
        items = (await twins.send("GET", path)).json()["items"]
        assert [each["id"] for each in items] == [3, 4, 2]
        path = "/ord_races?include=last.race,winner&sort=last.place,id"
        items = (await twins.send("GET", path)).json()["items"]
        assert [each["id"] for each in items] == [1, 2, 3, 4]
        assert [each["last"] and each["last"]["place"] for each in items] == [6, 9, None, None]
        assert items[0]["last"]["race"]["id"] == 1
        assert [each["winner"] and each["winner"]["id"] for each in items] == [2, None, None, None]
        row = (await twins.send("GET", "/ord_races/1?include=last&fields=last.place")).json()
        assert row["last"] == {"place": 6}
        answer = await twins.send("GET", "/ord_races?sort=winner.id")
        assert answer.status_code == 422


@pytest.mark.long
async def test_a_relation_to_one_row_that_is_unique_is_joined(
    twin_urls: Urls, statements: list[str]
) -> None:
    """By a constraint or an index: it comes with the row itself."""
    async with twins_of(twin_urls, Base.metadata, *resources) as twins:
        await twins.send("POST", "/ord_boats", json={})
        await twins.execute(
            "INSERT INTO ord_papers (id, boat_id) VALUES (7, 1)",
            "INSERT INTO ord_seals (id, boat_id) VALUES (8, 1)",
        )
        del statements[:]
        row = (await twins.send("GET", "/ord_boats/1?include=paper,seal")).json()
        assert (row["paper"]["id"], row["seal"]["id"]) == (7, 8)
        assert all("row_number" not in each for each in statements)
