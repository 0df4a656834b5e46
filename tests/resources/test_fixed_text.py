"""Text of a fixed length: what is sent is what is read, though PostgreSQL fills it up."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import CHAR, NCHAR, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, validates

from ormolu import Model, resource
from tests.resources.twins import Twins, twins_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Country(Base):
    __tablename__ = "fixed_countries"
    code: Mapped[str] = mapped_column(CHAR(3), primary_key=True)
    zone: Mapped[str | None] = mapped_column(NCHAR(5))
    name: Mapped[str | None] = mapped_column(String(9).with_variant(CHAR(9), "postgresql"))


class Checked(Base):
    """The session writes it, since the program checks what is set."""

    __tablename__ = "fixed_checked"
    code: Mapped[str] = mapped_column(CHAR(3), primary_key=True)
    zone: Mapped[str | None] = mapped_column(NCHAR(5))

    @validates("zone")
    def check_zone(self, _key: str, value: Any) -> Any:
        return value


COUNTRY = {"code": "N", "zone": "a b", "name": "Nowhere"}


async def served(twins: Twins) -> None:
    made = await twins.send("POST", "/countries", json=COUNTRY)
    assert (made.json(), made.headers["location"]) == (COUNTRY, "/countries/N")


@pytest.mark.long
@pytest.mark.parametrize("model", [Country, Checked])
async def test_what_was_sent_is_read(twin_urls: tuple[str, str], model: Any) -> None:
    """By its path, in lists, and where it is written again."""
    values = {column.key: COUNTRY[column.key] for column in model.__table__.columns}
    async with twins_of(twin_urls, Base.metadata, resource(model, path="/countries")) as twins:
        made = await twins.send("POST", "/countries", json=values)
        assert (made.json(), made.headers["location"]) == (values, "/countries/N")
        assert (await twins.send("GET", "/countries/N")).json() == values
        assert (await twins.send("GET", "/countries")).json()["items"] == [values]
        put = await twins.send("PUT", "/countries/N", json={"zone": "x"})
        assert put.json()["zone"] == "x"


@pytest.mark.long
async def test_patterns_see_no_blanks_at_the_end(twin_urls: tuple[str, str]) -> None:
    """The end of a text is what was sent last."""
    async with twins_of(twin_urls, Base.metadata, resource(Country, path="/countries")) as twins:
        await served(twins)
        found = ("zone__endswith=b", "zone__like=a_b", "zone__ilike=A%25B", "zone__startswith=a%20")
        for query in (*found, "name__endswith=e", "zone=a%20b", "zone__in=a%20b", "zone__le=a%20b"):
            listed = await twins.send("GET", f"/countries?{query}")
            assert len(listed.json()["items"]) == 1, query


@pytest.mark.long
async def test_blanks_at_the_end_are_no_other_spelling(twin_urls: tuple[str, str]) -> None:
    """PostgreSQL calls them equal; nothing is stored that ends so, and nothing is found."""
    async with twins_of(twin_urls, Base.metadata, resource(Country, path="/countries")) as twins:
        await served(twins)
        for query in ("zone=a%20b%20", "zone__in=a%20b%20", "zone__ge=a%20b%20", "code=N%20"):
            listed = await twins.send("GET", f"/countries?{query}")
            assert listed.json()["items"] == [], query
        assert (await twins.send("GET", "/countries/N%20")).status_code == 404


@pytest.mark.long
async def test_blanks_at_the_end_are_refused(twin_urls: tuple[str, str]) -> None:
    """Only SQLite would keep them; the document says so, too."""
    async with twins_of(twin_urls, Base.metadata, resource(Country, path="/countries")) as twins:
        answer = await twins.send("POST", "/countries", json={"code": "N", "zone": "a "})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/zone")
        document = (await twins.first("GET", "/openapi.json")).json()
        schema = document["components"]["schemas"]["CountryCreate"]["properties"]["zone"]
        assert schema["anyOf"][0]["pattern"] == "(^|[^ ])$"
