"""Walks where what is read of a value is not what is stored of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Float, Numeric, Text, func
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


@pytest.mark.parametrize("name", ["made", "ratio", "price", "taxed", "body", "double"])
async def test_a_cursor_finds_its_row_again(database_url: str, name: str) -> None:
    """A moment without microseconds, four bytes of a float, a binary decimal, a long text."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        for number in range(4):
            body = "\U0001f600" * 1000 + "yx"[number % 2]
            row = {"ratio": 0.1, "price": "1.10", "body": body}
            await samples.create(session, row)
        for sort in (name, f"-{name}"):
            found: list[int] = []
            cursor: str | None = ""
            while cursor is not None and len(found) < 5:
                page = await samples.list(session, sort=sort, limit=1, cursor=cursor or None)
                found += [item["id"] for item in page.items]
                cursor = page.next_cursor
            assert sorted(found) == [1, 2, 3, 4], sort
