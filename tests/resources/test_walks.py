"""Walks where what is read of a value is not what is stored of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Float, Numeric, Text, func, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from ormolu import Database, resource

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    """Without the types of `Model`."""


class Sample(Base):
    """Values that backends read back shorter than they are, or that are very long."""

    __tablename__ = "samples"

    id: Mapped[int] = mapped_column(primary_key=True)
    made: Mapped[datetime] = mapped_column(server_default=func.now())
    ratio: Mapped[float] = mapped_column(Float(24))
    price: Mapped[Any] = mapped_column(Numeric(8, 2))
    body: Mapped[str] = mapped_column(Text)
    taxed = column_property(price * 1.1)
    double = column_property(body + body)


samples = resource(Sample)

ROW = {"ratio": 0.1, "price": "1.10", "body": "x"}


@pytest.mark.long
@pytest.mark.parametrize("name", ["made", "ratio", "price", "taxed", "body", "double"])
async def test_a_cursor_finds_its_row_again(database_url: str, name: str) -> None:
    """A moment without microseconds, four bytes of a float, a binary decimal, a long text."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        for number in range(4):
            body = "\U0001f600" * 1000 + "yx"[number % 2]
            await samples.create(session, {**ROW, "body": body})
        for sort in (name, f"-{name}"):
            found: list[int] = []
            cursor: str | None = ""
            while cursor is not None and len(found) < 5:
                page = await samples.list(session, sort=sort, limit=1, cursor=cursor or None)
                found += [item["id"] for item in page.items]
                cursor = page.next_cursor
            assert sorted(found) == [1, 2, 3, 4], sort


@pytest.mark.long
async def test_moments_of_the_database_are_found(database_url: str) -> None:
    """SQLite's CURRENT_TIMESTAMP has no microseconds, and is text."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        made = (await samples.create(session, ROW))["made"]
        await session.execute(insert(Sample).values(**ROW, made=made))
        later = made + timedelta(microseconds=1)
        for where, count in (
            ({"made": made}, 2), ({"made__in": [made, later]}, 2), ({"made__ge": made}, 2),
            ({"made__le": made}, 2), ({"made__between": [made, made]}, 2), ({"made__ne": made}, 0),
            ({"made__lt": made}, 0), ({"made__gt": made}, 0), ({"made__lt": later}, 2),
            ({"made__ge": later}, 0), ({"made__not_in": [made]}, 0), ({"made": later}, 0),
        ):  # fmt: skip
            page = await samples.list(session, where=where)
            assert len(page.items) == count, where


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("price", "1.104", 0), ("price__in", ["1.104"], 0), ("price__lt", "1.104", 1),
        ("price__gt", "1.096", 1), ("price__ge", "1.1000001", 0), ("price", "1.10000", 1),
        ("price__between", ["1.096", "1.104"], 1), ("price__lt", "9" * 30, 1),
        ("price__in", ["9" * 30], 0), ("price", "9" * 30, 0), ("price__gt", "-" + "9" * 30, 1),
    ],
)  # fmt: skip
async def test_decimals_are_not_rounded(
    database_url: str, name: str, value: Any, count: int
) -> None:
    """asyncpg would round a value to the column's digits, and refuse a greater one."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        await samples.create(session, ROW)
        assert len((await samples.list(session, where={name: value})).items) == count
