"""Policies that compute with moments, or compare days with them: the same rows on every backend.

SQLite and MariaDB compute something else, and showed other rows, often all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Header
from sqlalchemy import (
    Date,
    DateTime,
    MetaData,
    Time,
    and_,
    case,
    cast,
    exists,
    extract,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Mapped, aliased, column_property, mapped_column

from ormolu import Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_resources

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


FORMED: Any = sqlite.DATETIME
DIGITS = DateTime().with_variant(
    FORMED(storage_format="%(year)04d%(month)02d%(day)02d%(hour)02d%(minute)02d",
           regexp=r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})"), "sqlite"
)  # fmt: skip


class Loan(Base):
    __tablename__ = "arithmetic_loans"
    id: Mapped[int] = mapped_column(primary_key=True)
    begins: Mapped[date] = mapped_column()
    ends: Mapped[date] = mapped_column()
    made: Mapped[datetime] = mapped_column(DateTime(), server_default=func.now())
    closed: Mapped[datetime | None] = mapped_column(DateTime())
    opens: Mapped[time]
    lasts: Mapped[timedelta]
    digits: Mapped[datetime] = mapped_column(DIGITS, default=datetime(2026, 1, 31, 12))
    days: Mapped[int] = column_property(ends - begins)


DAY, NOON = date(2026, 1, 31), datetime(2026, 1, 31, 12)
MIDNIGHT = datetime(2026, 1, 31)
OTHER = aliased(Loan)
ROWS: list[dict[str, Any]] = [
    {"id": 1, "begins": DAY, "ends": date(2026, 2, 1), "made": MIDNIGHT, "closed": NOON},
    {"id": 2, "begins": date(2025, 1, 31), "ends": DAY, "made": NOON, "closed": None},
]

# Refused where the database computes something else.
COMPUTED: dict[str, tuple[Any, list[int]]] = {
    "later": (Loan.made + timedelta(days=1) > NOON, [1, 2]),
    "earlier": (Loan.made - timedelta(days=1) < MIDNIGHT, [1, 2]),
    "present": (Loan.made > func.now() - timedelta(days=36500), [1, 2]),
    "past": (Loan.made < func.now() - timedelta(days=36500), []),
    "apart": (Loan.closed - Loan.made < timedelta(days=1), [1]),
    "days": (Loan.ends - Loan.begins < 30, [1]),
    "property": (Loan.days < 30, [1]),
    "next day": (Loan.begins + 1 < date(2025, 6, 1), [2]),
    "time": (Loan.opens + timedelta(hours=1) < time(1), []),
    "durations": (Loan.lasts + timedelta(hours=1) > timedelta(hours=2), [2]),
    "sum": (select(func.sum(OTHER.lasts)).scalar_subquery() < timedelta(0), []),
    "behind": (exists().where(OTHER.id == Loan.id, OTHER.ends - OTHER.begins < 30), [1]),
    "within": (or_(Loan.id == 9, not_(and_(Loan.id > 0, Loan.ends - Loan.begins > 30))), [1]),
}  # fmt: skip
# The same rows on every backend. Of both rows `made` has been written by the database.
COMPARED: dict[str, tuple[Any, list[int]]] = {
    "day after": (Loan.made > DAY, [2]),
    "day at": (Loan.made <= DAY, [1]),
    "day same": (Loan.made == DAY, [1]),
    "day other": (literal(DAY) != Loan.made, [2]),
    "day before": (literal(DAY) < Loan.made, [2]),
    "between": (Loan.closed.between(DAY, date(2026, 2, 1)), [1]),
    "not between": (~Loan.made.between(date(2026, 1, 1), DAY), [2]),
    "moment": (Loan.begins < MIDNIGHT, [2]),
    "moment same": (Loan.begins == MIDNIGHT, [1]),
    "columns": (Loan.ends <= Loan.made, [2]),
    "same columns": (Loan.begins == Loan.made, [1]),
    "distinct": (Loan.made.is_distinct_from(DAY), [2]),
    "written": (Loan.made == NOON, [2]),
    "not written": (Loan.made != NOON, [1]),
    "until written": (Loan.made < NOON, [1]),
    "since written": (Loan.made >= NOON, [2]),
    "up to written": (Loan.made <= NOON, [1, 2]),
    "after written": (Loan.made > MIDNIGHT, [2]),
    "alike": (Loan.made == select(OTHER.closed).where(OTHER.id == 1).scalar_subquery(), [2]),
    "listed": (Loan.made.in_([NOON, MIDNIGHT]), [1, 2]),
    "not listed": (Loan.made.not_in([NOON]), [1]),
    "listed with days": (Loan.made.in_([DAY]), [1]),
    "not listed with days": (Loan.made.not_in([DAY]), [2]),
    "pair with day": (tuple_(Loan.made, Loan.id).in_([(DAY, 1), (DAY, 2)]), [1]),
    "no pair with day": (tuple_(Loan.made, Loan.id).not_in([(DAY, 1)]), [2]),
    "pair of moments": (tuple_(Loan.id, Loan.made).in_([(2, NOON), (1, NOON)]), [2]),
    "pair of choices": (
        tuple_(func.coalesce(Loan.closed, MIDNIGHT), Loan.id).in_([(MIDNIGHT, 2)]), [2]
    ),
    "days listed with": (Loan.begins.in_([NOON, MIDNIGHT]), [1]),
    "listed days": (Loan.begins.in_([DAY]), [1]),
    "chosen": (func.coalesce(Loan.closed, MIDNIGHT) > MIDNIGHT, [1]),
    "chosen same": (func.coalesce(Loan.closed, MIDNIGHT) == MIDNIGHT, [2]),
    "chosen other": (case((Loan.id == 1, Loan.closed), else_=MIDNIGHT) != MIDNIGHT, [1]),
    "chosen listed": (func.coalesce(Loan.closed, MIDNIGHT).not_in([MIDNIGHT]), [1]),
    "chosen between": (func.nullif(Loan.closed, MIDNIGHT).between(DAY, NOON), [1]),
    "chosen of both": (func.coalesce(Loan.closed, Loan.begins) > MIDNIGHT, [1]),
    "chosen of days": (func.coalesce(Loan.ends, MIDNIGHT) <= DAY, [2]),
    "case of both": (case((Loan.id == 2, DAY), else_=Loan.closed) == MIDNIGHT, [2]),
    "function day": (func.date(Loan.made) != MIDNIGHT, []),
    "function days": (func.date(Loan.made) <= NOON, [1, 2]),
    "numbers": (func.abs(Loan.id * 10).between(9, 15), [1]),
    "form of its own": (Loan.digits == NOON, [1, 2]),
    "not that form": (Loan.digits != NOON, []),
    "before in it": (Loan.digits <= MIDNIGHT, []),
    "chosen day": (func.coalesce(Loan.begins, DAY) == DAY, [1]),
    "chosen time": (func.coalesce(Loan.opens, time(1)) > time(3), []),
    "chosen long": (func.coalesce(Loan.lasts, timedelta(0)) == timedelta(hours=1), [1]),
    "cast": (cast(Loan.made, Date) == DAY, [1, 2]),
    "cast before": (cast(Loan.made, Date) < DAY, []),
    "function": (func.date(Loan.made) == DAY, [1, 2]),
    "part": (extract("year", Loan.begins) == 2025, [2]),
    "now": (Loan.made <= func.now(), [1, 2]),
    "to come": (Loan.ends > func.current_date(), []),
    "empty": (Loan.closed == Loan.made, []),
}  # fmt: skip
POLICIES = {**COMPUTED, **COMPARED, "cast to time": (cast(Loan.made, Time) < time(6), [1]),
            "interval": (Loan.made < func.now() - text("INTERVAL 1 DAY"), [1, 2])}  # fmt: skip


def loan_policy(wish: Annotated[str, Header()]) -> Policy:
    return Policy(visible=POLICIES[wish][0])


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    loans = resource(Loan, path="/loans", policy=loan_policy)
    async with keep_resources(module_url, Base.metadata, loans) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        async with served.db.unit_of_work() as session:
            for row in ROWS:
                lasting = {"opens": time(3), "lasts": timedelta(hours=row["id"])}
                made = f"{row['made']:%Y-%m-%d %H:%M:%S}"
                values = {**row, **lasting, "made": text(f"'{made}'")}
                await session.execute(insert(Loan).values(values))
        yield found


async def shown(client: httpx2.AsyncClient, wish: str) -> list[int]:
    answer = await client.get("/loans", params={"fields": "id"}, headers={"wish": wish})
    assert answer.status_code == 200, answer.text
    one = await client.get("/loans/1", params={"fields": "id"}, headers={"wish": wish})
    found = [each["id"] for each in answer.json()["items"]]
    assert (one.status_code == 200) == (1 in found)
    return found


@pytest.mark.backends("sqlite", "mariadb")
@pytest.mark.parametrize("wish", COMPUTED)
async def test_what_it_cannot_compute_is_refused(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, wish: str
) -> None:
    """Loudly, in reads and writes."""
    for method, path in ("GET", "/loans"), ("GET", "/loans/1"), ("DELETE", "/loans/1"):
        caplog.clear()
        answer = await client.request(method, path, headers={"wish": wish})
        assert answer.status_code == 500, answer.text
        assert "A policy computes with moments or durations" in caplog.text
        assert "Compute it where the policy is made" in caplog.text


@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize("wish", COMPUTED)
async def test_what_it_computes_is_right(client: httpx2.AsyncClient, wish: str) -> None:
    """PostgreSQL has durations."""
    assert await shown(client, wish) == COMPUTED[wish][1]


@pytest.mark.parametrize("wish", COMPARED)
async def test_days_and_moments_are_compared_alike(client: httpx2.AsyncClient, wish: str) -> None:
    """A day is the moment at which it begins, whoever has written that."""
    assert await shown(client, wish) == COMPARED[wish][1]


@pytest.mark.backends("sqlite")
async def test_no_cast_makes_a_number_of_a_moment(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """To SQLite a cast to a time is the number that the text begins with."""
    answer = await client.get("/loans", headers={"wish": "cast to time"})
    assert answer.status_code == 500
    assert "CAST" in caplog.text


@pytest.mark.backends("mariadb")
async def test_an_interval_may_be_written(client: httpx2.AsyncClient) -> None:
    """As MySQL has it."""
    assert await shown(client, "interval") == [1, 2]
