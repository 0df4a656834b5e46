"""MySQL's own floats and unsigned numbers: numbers as they are sent, with the digits they keep."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import MetaData
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("mariadb")]


class Base(Model):
    """Tables that only MySQL and MariaDB have."""

    __abstract__ = True
    metadata = MetaData()


class Measure(Base):
    __tablename__ = "measures"
    id: Mapped[int] = mapped_column(primary_key=True)
    double: Mapped[float | None] = mapped_column(mysql.DOUBLE)
    bare: Mapped[Any] = mapped_column(mysql.DOUBLE(unsigned=True), nullable=True)
    real: Mapped[float | None] = mapped_column(mysql.REAL(unsigned=True))
    short: Mapped[float | None] = mapped_column(mysql.FLOAT(unsigned=True))
    long: Mapped[float | None] = mapped_column(mysql.FLOAT(53))
    asked: Mapped[Decimal | None] = mapped_column(mysql.DOUBLE(unsigned=True))
    exact: Mapped[Decimal | None] = mapped_column(mysql.DECIMAL(10, 2, unsigned=True))


VALUES: dict[str, list[Any]] = {
    "double": [-1.5, 1e-12, 0.1234567890123, 1e300],
    "bare": [0.0, 0.1234567890123, 1.5],
    "real": [0.0, 0.1234567890123, 1.5],
    "short": [0.1, 1.1, 1.23456, 16777200.0],
    "long": [-0.1, 0.1234567890123],
    "asked": ["0.5000000000", "1.5000000000"],
    "exact": ["0.10", "1.50"],
}
WRONG: dict[str, list[Any]] = {
    "double": ["1.5"],
    "bare": [-1.5],
    "real": [-1.5],
    "short": [-1.5, 1.2345678, 16777217.0],
    "exact": [-1.5, "-0.01"],
}


@pytest.mark.parametrize("name", VALUES)
async def test_numbers_come_back_as_they_were_sent(twin_urls: tuple[str, str], name: str) -> None:
    """Shown, sent back, found, sorted and paged; by the door and by the session."""
    values = VALUES[name]
    async with twins_of(twin_urls, Base.metadata, resource(Measure)) as twins:
        for value in reversed(values):
            made = await twins.send("POST", "/measures", json={name: value})
            assert (made.status_code, made.json()[name]) == (201, value), made.text
            row, place = made.json(), made.headers["location"]
            assert (await twins.send("GET", place)).json() == row
            assert (await twins.send("PATCH", place, json={name: value})).json() == row
            text = quote(str(value))
            ends = f"{name}__between={text}"
            for query in (f"{name}={text}", f"{name}__in={text}", f"{ends}&{ends}"):
                found = await twins.send("GET", f"/measures?{query}")
                assert found.json()["items"] == [row], found.text
        paged: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            more = f"&cursor={cursor}" if cursor else ""
            page = await twins.send("GET", f"/measures?sort={name}&limit=1{more}")
            assert page.status_code == 200, page.text
            paged, cursor = [*paged, *page.json()["items"]], page.json()["next_cursor"]
        assert [row[name] for row in paged] == values


@pytest.mark.parametrize("name", WRONG)
async def test_numbers_that_the_column_does_not_keep_are_refused(
    twin_urls: tuple[str, str], name: str
) -> None:
    """At their field, before the database is asked."""
    async with twins_of(twin_urls, Base.metadata, resource(Measure)) as twins:
        for value in WRONG[name]:
            refused = await twins.send("POST", "/measures", json={name: value})
            assert refused.status_code == 422, (value, refused.text)
            assert refused.json()["errors"][0]["pointer"] == f"/{name}"
            assert refused.json()["code"] == "validation_error"
