"""What a backend would round, cut or fill up is refused, and what it keeps comes back."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from sqlalchemy import MetaData
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import resource
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Case(NamedTuple):
    """A type of columns, what comes back as it was sent, and what is refused."""

    type: Any
    kept: list[Any]
    refused: list[Any]


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


COMMON = {
    "decimals_without_digits": Case(sa.Numeric(), ["1.5", "-0.01"], ["0.00000000001"]),
    "decimals_without_places": Case(sa.Numeric(10), ["12"], ["1.5", "10000000000"]),
    "floats_of_decimals": Case(
        sa.Numeric(10, 2, asdecimal=False), [1.5, 99999999.99, 0.0],
        [1.505, 0.30000000000000004, 1e8, 1e-320, 1e300],
    ),
    "floats_of_any_decimals": Case(
        sa.Numeric(asdecimal=False), [1.5, 0.1], [2.0**53 + 2, 1e-11]
    ),
    "timestamps": Case(sa.TIMESTAMP(), ["2026-01-31T12:00:00.250000"], []),
}  # fmt: skip
POSTGRESQL = {
    "hundreds": Case(
        postgresql.NUMERIC(5, -2), ["1200", "9999900"], ["150", "1.5", "10000000"]
    ),
    "whole_seconds": Case(
        postgresql.TIMESTAMP(precision=0), ["2026-01-31T12:00:00"], ["2026-01-31T12:00:00.5"]
    ),
    "tenths": Case(postgresql.INTERVAL(precision=1), ["PT0.5S"], ["PT0.25S"]),
    "hours": Case(postgresql.INTERVAL(fields="DAY TO HOUR"), ["P1DT2H"], ["PT90M", "PT1S"]),
    "years": Case(postgresql.INTERVAL(fields="YEAR"), ["PT0S"], ["P400D"]),
    "addresses": Case(postgresql.INET(), ["fe80::1"], ["fe80::1%eth0"]),
    "lists": Case(
        postgresql.ARRAY(sa.Integer, dimensions=2), [[], [[1]]], [[[]], [[], []]]
    ),
    "lists_of_json": Case(postgresql.ARRAY(postgresql.JSONB), [["a"]], [[[]]]),
    "large_numbers": Case(
        postgresql.JSONB(), [{"a": 2**63 - 1}, [10**22]], [{"a": 2**63 + 1}, 10**400]
    ),
}  # fmt: skip
MARIADB = {
    "double": Case(mysql.DOUBLE(10, 2), [1.5], [1.505, 1e-320]),
    "float": Case(mysql.FLOAT(7, 3), [1.125], [1.0625, 1e-320]),
    "thousandths": Case(
        mysql.DATETIME(fsp=3), ["2026-01-31T12:00:00.125000"], ["2026-01-31T12:00:00.1255"]
    ),
}  # fmt: skip
BINARY = Case(sa.BINARY(4), [text_of(b"abcd")], [text_of(b"ab"), text_of(b"abcde"), ""])


async def check(urls: tuple[str, str], case: Case) -> None:
    """Send what is kept, and compare; send what is refused, which names the field."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(case.type, nullable=True)

    async with twins_of(urls, Base.metadata, resource(Thing)) as twins:
        for value in case.kept:
            made = await twins.send("POST", "/things", json={"value": value})
            assert made.status_code == 201, made.text
            found = made.json()["value"]
            is_decimal = isinstance(case.type, sa.Numeric) and case.type.asdecimal
            assert (Decimal(found) == Decimal(value)) if is_decimal else (found == value)
            again = await twins.send("PATCH", made.headers["location"], json={"value": found})
            assert again.json() == made.json()
        for value in case.refused:
            answer = await twins.send("POST", "/things", json={"value": value})
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["pointer"].startswith("/value")


@pytest.mark.long
@pytest.mark.parametrize("name", COMMON)
async def test_no_backend_makes_another_value_of_one(twin_urls: tuple[str, str], name: str) -> None:
    await check(twin_urls, COMMON[name])


@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize("name", POSTGRESQL)
async def test_postgresql_makes_no_other_value_of_one(
    twin_urls: tuple[str, str], name: str
) -> None:
    await check(twin_urls, POSTGRESQL[name])


@pytest.mark.backends("mariadb")
@pytest.mark.parametrize("name", MARIADB)
async def test_mariadb_makes_no_other_value_of_one(twin_urls: tuple[str, str], name: str) -> None:
    await check(twin_urls, MARIADB[name])


@pytest.mark.long
@pytest.mark.backends("sqlite", "mariadb")
async def test_bytes_of_one_length_are_not_filled_up(twin_urls: tuple[str, str]) -> None:
    await check(twin_urls, BINARY)


@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (postgresql.JSONB, ["a", "1", 1, "[1]", [1]]),
        (postgresql.ARRAY(postgresql.JSONB), [["1"], [1], ["a"], ["[1]"]]),
    ],
    ids=["jsonb", "list"],
)
async def test_a_body_has_json_itself(
    twin_urls: tuple[str, str], kind: Any, values: list[Any]
) -> None:
    """A query string has the JSON of it; text in a body is text, and no JSON once more."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(kind)

    async with twins_of(twin_urls, Base.metadata, resource(Thing)) as twins:
        for value in values:
            made = await twins.send("POST", "/things", json={"value": value})
            body = {"where": {"value__contains": value}, "limit": 1000}
            sent = await twins.send("POST", "/things:query", json=body)
            assert made.json() in sent.json()["items"]
            query = {"value__contains": json.dumps(value)}
            asked = await twins.send("GET", f"/things?{urlencode(query)}")
            assert asked.json() == sent.json()


# SQLAlchemy deprecates its own type.
@pytest.mark.filterwarnings("ignore:Type object .*BIT:sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.backends("mariadb")
async def test_the_largest_bits_are_found(twin_urls: tuple[str, str]) -> None:
    """They have no sign."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        bits: Mapped[int] = mapped_column(mysql.BIT(64))

    async with twins_of(twin_urls, Base.metadata, resource(Thing)) as twins:
        for bits in (2**63 - 1, 2**63, 2**64 - 1):
            made = await twins.send("POST", "/things", json={"bits": bits})
            found = await twins.send("GET", f"/things?bits={bits}")
            assert found.json()["items"] == [made.json()]
        found = await twins.send("GET", f"/things?bits__ge={2**63}")
        assert len(found.json()["items"]) == 2


@pytest.mark.long
@pytest.mark.parametrize("sort", ["at", "-at"])
async def test_the_first_moment_and_the_last_are_pages_like_others(
    twin_urls: tuple[str, str], sort: str
) -> None:
    """asyncpg stores them as infinite, and reads them without an offset."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))

    async with twins_of(twin_urls, Base.metadata, resource(Thing)) as twins:
        for moment in (datetime.min, datetime(2026, 1, 31), datetime.max):
            await twins.send("POST", "/things", json={"at": f"{moment.isoformat()}Z"})
        whole = (await twins.send("GET", f"/things?sort={sort}")).json()["items"]
        pages: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await twins.send("GET", f"/things?sort={sort}&limit=1{cursor}")
            pages += page.json()["items"]
            found = page.json()["next_cursor"]
            cursor = None if found is None else f"&cursor={found}"
        assert pages == whole
