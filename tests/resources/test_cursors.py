"""Cursors: positions that anybody may write, and whatever a key or a sort may hold."""

from __future__ import annotations

import base64
import enum
import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from ormolu import Database, RefusedError, Resource, resource
from ormolu.query import Cursors, read_sort
from tests.fixtures.backends import Backend
from tests.resources.twins import Twins, twins_of

# psycopg gets the statements of asyncpg.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg", "mariadb")]

NUMBERS = range(5)


# MariaDB has no keys of BLOBs.
SEAL = sa.LargeBinary(8).with_variant(mysql.VARBINARY(8), "mysql", "mariadb")


class Base(DeclarativeBase):
    """Of this file alone."""


class Grade(enum.Enum):
    """Sorted by name, whatever the declaration's order is."""

    LOW = "low"
    HIGH = "a/b"


class Parcel(Base):
    """A key of three parts, none of them a number."""

    __tablename__ = "parcels"

    seal: Mapped[bytes] = mapped_column(SEAL, primary_key=True)
    code: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    grade: Mapped[Grade] = mapped_column(primary_key=True)
    weight: Mapped[float | None] = mapped_column(sa.Double)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(12, 4))
    is_open: Mapped[bool]
    due: Mapped[date]
    at: Mapped[time] = mapped_column(sa.Time)
    sent: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    lasts: Mapped[timedelta] = mapped_column(sa.Interval)
    stock: Mapped[int] = mapped_column()
    total = column_property(sa.type_coerce(sa.cast(stock, sa.BigInteger) * 10**6, sa.Integer))
    name: Mapped[str] = mapped_column(sa.String(40))


parcels = resource(Parcel)

QUERIES = ["", *(f"sort={sign}{name}&" for sign in ("", "-") for name in (
    "weight", "price", "is_open", "due", "at", "sent", "lasts", "total", "name", "code",
))]  # fmt: skip


def parcel(number: int) -> dict[str, Any]:
    return {
        "seal": bytes([number, 255 - number]), "code": uuid.UUID(int=number % 2),
        "grade": list(Grade)[number % 2], "weight": [None, 1.5, -0.1, 5e-324, 1e300][number],
        "price": Decimal(number) / 4, "is_open": number > 2, "due": date(1, 1, 1 + number),
        "at": time(12, number), "sent": datetime(9999, 12, 31, number, tzinfo=UTC),
        "lasts": timedelta(days=number, microseconds=1), "stock": 2_000_000_000 + number,
        "name": ["", "é", "\U0001f600", '"', "\\"][number],
    }  # fmt: skip


@pytest.mark.long
async def test_every_kind_of_value_is_a_position(
    twin_urls: tuple[str, str], subtests: pytest.Subtests
) -> None:
    """Bytes, UUIDs and enumerations as keys; computed numbers that no INTEGER holds."""
    async with twins_of(twin_urls, Base.metadata, parcels) as twins:
        for db in twins.databases:
            async with db.unit_of_work() as session:
                for number in NUMBERS:
                    await session.execute(sa.insert(Parcel).values(**parcel(number)))
        for query in QUERIES:
            with subtests.test(query):
                await _walk(twins, query)


async def _walk(twins: Twins, query: str) -> None:
    whole = (await twins.send("GET", f"/parcels?{query}")).json()["items"]
    found: list[Any] = []
    path: str | None = f"/parcels?{query}limit=2"
    while path is not None:
        page = (await twins.send("GET", path)).json()
        found += page["items"]
        cursor = page["next_cursor"]
        path = cursor and f"/parcels?{query}limit=2&cursor={cursor}"
    assert found == whole
    assert len(found) == len(NUMBERS)


class Reading(Base):
    """What forged cursors are of."""

    __tablename__ = "readings"

    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(12, 4))
    ratio: Mapped[float | None] = mapped_column(sa.Double)
    note: Mapped[str | None] = mapped_column(sa.String(40))
    made: Mapped[datetime | None] = mapped_column(sa.DateTime)
    seen: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    due: Mapped[date | None]
    at: Mapped[time | None] = mapped_column(sa.Time)
    lasts: Mapped[timedelta | None] = mapped_column(sa.Interval)
    code: Mapped[uuid.UUID | None]
    is_open: Mapped[bool | None]
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)


readings = resource(Reading)

DEEP: Any = None
for _ in range(100):
    DEEP = [DEEP]

FORGED: list[Any] = [
    "1e999999", "9" * 5000, "1e5", "-", "", "NaN", "Infinity", float("nan"), float("inf"), 10**30,
    2**63, 2**31, -(2**15) - 1, 0.5, 0, True, "\0", "\0a", "x" * 40_000, DEEP, {}, {"base64": "YQ"},
    {"base64": 1}, {"float": []}, {"float": "x"}, b"a", "2026-01-31", "2026-01-31T12:00:00+14:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "12:00:00+02:00", "12:00:00.000001",
    str(uuid.UUID(int=1)), 9 * 10**18, None,
]  # fmt: skip


def forge(of: Resource, sort: str, values: Any, db: Database) -> str:
    """Write a cursor as anybody can who has read how that is done."""
    view = of.exposure.view(None)
    dialect = db.engine.dialect
    return Cursors(view, read_sort(view, sort, ()), None, dialect).write(values)


@pytest.mark.long
async def test_a_forged_value_is_refused_or_is_a_position(
    twin_urls: tuple[str, str], backend: Backend, subtests: pytest.Subtests
) -> None:
    """Never a 500; SQLite stores and compares any kind of value in any column."""
    async with twins_of(twin_urls, Base.metadata, readings) as twins:
        await twins.execute("INSERT INTO readings (id) VALUES (1)")
        for sort in {*Reading.__table__.columns.keys()} - {"id"}:
            with subtests.test(sort):
                fine = [await _is_position(twins, sort, value) for value in FORGED]
                assert 1 <= sum(fine) < (30 if backend.is_sqlite else 20)


async def _is_position(twins: Twins, sort: str, value: Any) -> bool:
    cursor = forge(readings, sort, [value, 0], twins.databases[0])
    answer = await twins.send("GET", f"/readings?sort={sort}&cursor={cursor}")
    assert answer.status_code in {200, 422}, (value, answer.text)
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["type"] == "cursor"
    return answer.status_code == 200


@pytest.mark.long
async def test_a_cursor_has_as_many_values_as_the_sort(twin_urls: tuple[str, str]) -> None:
    """Too few, too many, and NULL where there is none."""
    async with twins_of(twin_urls, Base.metadata, readings) as twins:
        for values in ([], [1], [1, 2, 3], [None, None], [[1, 1]]):
            cursor = forge(readings, "price", values, twins.databases[0])
            answer = await twins.send("GET", f"/readings?sort=price&cursor={cursor}")
            assert answer.json()["errors"][0]["type"] == "cursor", values


@pytest.mark.long
async def test_a_cursor_needs_no_secret(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells nothing of the database's URL, and another process understands it."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        for _ in range(2):
            await readings.create(session, {"price": "1.5"})
        first = (await readings.list(session, sort="price", limit=1)).next_cursor
        stored = 1.5 if db.engine.dialect.name == "sqlite" else Decimal("1.5000")
        assert first == forge(readings, "price", [stored, 1], db)
        monkeypatch.setenv("ORMOLU_SECRET_KEY", "another")
        page = await readings.list(session, sort="price", limit=1, cursor=first)
        assert [row["id"] for row in page.items] == [2]


@pytest.mark.long
async def test_a_damaged_cursor_is_refused(database_url: str) -> None:
    """One letter of it is another, or is missing."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        for _ in range(2):
            await readings.create(session, {})
        cursor = (await readings.list(session, limit=1)).next_cursor
        assert cursor is not None
        wrong = [cursor[:place] + "A" + cursor[place + 1 :] for place in range(len(cursor) - 1)]
        for each in {*wrong, cursor[:-1], cursor[:8], "A" * 70_000} - {cursor}:
            with pytest.raises(RefusedError, match="cursor"):
                await readings.list(session, cursor=each)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_values_beyond_the_finite_are_positions(database_url: str) -> None:
    """PostgreSQL stores NaN and infinity, and sorts them."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        for number, (ratio, price) in enumerate((("Infinity", "NaN"), ("NaN", "1"), ("1", None))):
            await session.execute(
                sa.text("INSERT INTO readings (id, ratio, price) VALUES (:id, :ratio, :price)"),
                {"id": number, "ratio": float(ratio), "price": price and Decimal(price)},
            )
        for sort in ("ratio", "-price"):
            found, cursor = [], None
            for _ in range(3):
                page = await readings.list(
                    session, sort=sort, limit=1, cursor=cursor, fields=["id"]
                )
                cursor = page.next_cursor
                found += [row["id"] for row in page.items]
            assert sorted(found) == [0, 1, 2], sort
            assert cursor is None


async def test_what_is_no_json_is_no_cursor(database_url: str) -> None:
    """The digest is of the text: what is in it may still be no JSON at all."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        view = readings.exposure.view(None)
        cursors = Cursors(view, read_sort(view, None, ()), None, db.engine.dialect)
        for body in (b"", b"{}", b"[NaN]", b"[" * 40_000, b'["\\ud800"]', b"\xff",
                     b"[" + b"9" * 40_000 + b"]", json.dumps([[1]]).encode()):  # fmt: skip
            raw = cursors._digest(body) + body
            with pytest.raises(RefusedError, match="cursor"):
                await readings.list(session, cursor=base64.urlsafe_b64encode(raw).decode())
