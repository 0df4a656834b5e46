"""Totals, skipped rows and PUT by the front door: as by the session."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Integer
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import resource
from tests.fixtures.backends import Backend
from tests.resources.twins import Twins, twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(DeclarativeBase):
    """Of this file alone."""


class Seat(Base):
    """A row whose key the client chooses."""

    __tablename__ = "counted_seats"

    code: Mapped[str] = mapped_column(primary_key=True)
    row: Mapped[int] = mapped_column(default=7)
    note: Mapped[str | None]
    version = mapped_column(Integer, nullable=False)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Ticket(Base):
    """A row of a show."""

    __tablename__ = "counted_tickets"

    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[float]
    name: Mapped[str | None]


@pytest.fixture
async def twins(twin_urls: tuple[str, str]) -> AsyncIterator[Twins]:
    """Two applications with a few rows of each."""
    seats = resource(Seat)
    tickets = resource(Ticket, max_offset=30)
    async with twins_of(twin_urls, Base.metadata, seats, tickets) as twins:
        for number in range(12):
            body: dict[str, Any] = {"price": number / 2, "name": f"n{number % 3}"}
            await twins.send("POST", "/counted_tickets", json=body)
        for code in ("a", "b c", "d"):
            await twins.send("POST", "/counted_seats", json={"code": code, "row": 1, "note": "x"})
        yield twins


# What the tests below ask one application for, one after the other.
RIGHT = (
    "count=exact", "count=capped", "count=exact&limit=5", "count=exact&name=n1&limit=2",
    "count=exact&name=none", "offset=3", "offset=3&limit=2", "offset=10&limit=5&count=exact",
    "offset=30", "offset=0&limit=2", "count=exact&fields=id", "sort=-price&offset=2&limit=3",
)  # fmt: skip
WRONG = (
    "offset=31", "offset=-1", "offset=x", "offset=1&offset=2", "offset=1&cursor=x", "count=all",
    "count=exact&count=exact",
)  # fmt: skip


@pytest.mark.long
async def test_totals_and_skipped_rows(twins: Twins, subtests: pytest.Subtests) -> None:
    """A door counts and skips, whatever else a list asks for."""
    for query in RIGHT:
        with subtests.test(query):
            answer = await twins.through("GET", f"/counted_tickets?{query}")
            assert answer.status_code == 200


@pytest.mark.long
async def test_wrong_numbers_are_refused(twins: Twins, subtests: pytest.Subtests) -> None:
    """What is wrong the session's way refuses, in its words."""
    for query in WRONG:
        with subtests.test(query):
            answer = await twins.past("GET", f"/counted_tickets?{query}")
            assert answer.status_code == 422


@pytest.mark.long
async def test_estimates_ask_the_planner(twins: Twins, backend: Backend) -> None:
    """Where there is one; a backend without counts itself, and so does a door."""
    send = twins.past if backend.is_postgresql else twins.through
    assert (await send("GET", "/counted_tickets?count=estimated")).status_code == 200


@pytest.mark.long
async def test_following_cursors_with_totals(twins: Twins) -> None:
    """Each page has the total of all of them."""
    path, seen = "/counted_tickets?limit=5&count=exact", 0
    cursor = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = (await twins.send("GET", path + more)).json()
        assert page["total"] == 12
        seen, cursor = seen + len(page["items"]), page["next_cursor"]
    assert seen == 12


@pytest.mark.long
async def test_put_changes_a_row_that_is_there(twins: Twins) -> None:
    """What is left out gets its default; a new row is the session's."""
    body = {"note": "y"}
    answer = await twins.through("PUT", "/counted_seats/a", json=body)
    assert answer.json()["row"] == 7
    tag = answer.headers["etag"]
    await twins.through("PUT", "/counted_seats/b%20c", json={"row": 3, "code": "b c"})
    await twins.through("PUT", "/counted_seats/a", json=body, headers={"If-Match": tag})
    stale = await twins.past("PUT", "/counted_seats/a", json=body, headers={"If-Match": tag})
    assert stale.status_code == 412
    assert (await twins.past("PUT", "/counted_seats/new", json=body)).status_code == 201
    absent = {"If-None-Match": "*"}
    assert (
        await twins.past("PUT", "/counted_seats/a", json=body, headers=absent)
    ).status_code == 412
    wrong = {"code": "z"}
    assert (await twins.past("PUT", "/counted_seats/a", json=wrong)).status_code == 422
    await twins.compare(*Base.metadata.tables.values())


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
async def test_random_puts(twins: Twins, seed: int) -> None:
    """Both ways store the same."""
    dice = random.Random(seed)
    for _ in range(60):
        values = {"row": dice.choice((1, 2, None, "x")), "note": dice.choice(("a", None, 3)),
                  "code": dice.choice(("a", "d", "n"))}  # fmt: skip
        body = {name: value for name, value in values.items() if dice.random() < 0.5}
        headers = {}
        if dice.random() < 0.3:
            name = dice.choice(("If-Match", "If-None-Match"))
            headers[name] = dice.choice(('"1"', '"2"', '"3"', "*"))
        if dice.random() < 0.2:
            headers["Prefer"] = "return=minimal"
        path = f"/counted_seats/{dice.choice(('a', 'd', 'n', 'm'))}"
        await twins.send(dice.choice(("PUT", "PUT", "DELETE")), path, json=body, headers=headers)
    await twins.compare(*Base.metadata.tables.values())
