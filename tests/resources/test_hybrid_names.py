"""Hybrid properties: which are values of their own, and what becomes of those without SQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import MetaData, String, func
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from ormolu import Database, Model, resource


class Base(Model):
    """Models with hybrid properties."""

    __abstract__ = True
    metadata = MetaData()


class Invoice(Base):
    """Its hybrids have helpers."""

    __tablename__ = "hyb_invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    net: Mapped[int]
    note: Mapped[str] = mapped_column(String(20))

    @hybrid_property
    def gross(self) -> int:
        """Return with tax."""
        return self.net * 2

    @gross.inplace.expression
    @classmethod
    def _gross_sql(cls) -> ColumnElement[int]:
        return cls.net * 2

    @gross.inplace.setter
    def _set_gross(self, value: int) -> None:
        self.net = value // 2

    @hybrid_property
    def size(self) -> int:
        """Return how long the note is."""
        return len(self.note)

    @size.expression
    def size_of(cls) -> ColumnElement[int]:  # noqa: N805
        """Return it in SQL, under another name than it has."""
        return func.length(cls.note)

    @hybrid_property
    def is_long(self) -> bool:
        """Return what only objects can tell."""
        return len(self.note) > 10


async def test_helpers_of_a_hybrid_are_no_values(database_url: str) -> None:
    """Neither shown nor filtered; what is hidden is hidden by each of its names."""
    open_one = resource(Invoice, path="/open")
    shut = resource(Invoice, path="/shut", hidden={"gross"})
    db = Database(database_url, metadata=Base.metadata)
    async with db, db.unit_of_work() as session:
        row = await open_one.create(session, {"net": 5, "note": "abc"})
        assert row == {"id": 1, "net": 5, "note": "abc", "gross": 10}
        assert await shut.read(session, 1) == {"id": 1, "net": 5, "note": "abc"}
        page = await open_one.list(session, where={"gross__gt": 9})
        assert [each["id"] for each in page.items] == [1]


def test_a_hybrid_without_sql_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Once, at the declaration, with the reason and what to write."""
    resource(Invoice)
    (line,) = [each for each in caplog.messages if "is_long" in each]
    assert line.startswith("Invoice.is_long is not shown")
    assert "TypeError" in line
    assert "@is_long.inplace.expression" in line


async def test_many_rows_of_a_class_with_a_hybrid_without_sql(database_url: str) -> None:
    """SQLAlchemy would read it of the class to insert them together."""
    invoices = resource(Invoice)
    db = Database(database_url, metadata=Base.metadata)
    async with db, db.unit_of_work() as session:
        rows: list[Any] = [({"net": n, "note": "a"}, ("body",)) for n in range(3)]
        written = await invoices.operations(session).create_all(rows)
        assert [each.row["gross"] for each in written] == [0, 2, 4]
