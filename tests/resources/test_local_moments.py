"""Moments and times without an offset: the document says of them what is taken and shown."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Any

import pytest
from sqlalchemy import DateTime, MetaData, Time
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import resource
from tests.resources.twins import Twins, twins_of

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    metadata = MetaData()


class Meeting(Base):
    __tablename__ = "local_meetings"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime)
    opens: Mapped[time] = mapped_column(Time)
    sent: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    closes: Mapped[time] = mapped_column(Time(timezone=True))


FORMATS = {
    "at": "date-time-local", "opens": "time-local", "sent": "date-time", "closes": "time",
}  # fmt: skip
MOMENT = "2026-01-31T12:00:00"
SENT = {"at": MOMENT, "opens": "12:00:00", "sent": f"{MOMENT}Z", "closes": "12:00:00Z"}


async def document_of(twins: Twins) -> Any:
    return (await twins.first("GET", "/openapi.json")).json()


@pytest.mark.parametrize("schema", ["MeetingCreate", "MeetingPublic"])
async def test_the_document_asks_for_an_offset_where_one_is_taken(
    twin_urls: tuple[str, str], schema: str
) -> None:
    """A date-time of JSON Schema has one, which such a column refuses."""
    async with twins_of(twin_urls, Base.metadata, resource(Meeting, path="/meetings")) as twins:
        document = await document_of(twins)
    properties = document["components"]["schemas"][schema]["properties"]
    assert {name: properties[name]["format"] for name in FORMATS} == FORMATS


async def test_filters_say_the_same(twin_urls: tuple[str, str]) -> None:
    """A client makes what it sends of the parameter's format."""
    async with twins_of(twin_urls, Base.metadata, resource(Meeting, path="/meetings")) as twins:
        document = await document_of(twins)
    listed = document["paths"]["/meetings"]["get"]["parameters"]
    formats = {each["name"]: each["schema"].get("format") for each in listed}
    assert {name: formats[name] for name in FORMATS} == FORMATS


@pytest.mark.long
async def test_answers_have_the_form_that_the_document_says(twin_urls: tuple[str, str]) -> None:
    """With microseconds or without; and the example is one that is taken."""
    async with twins_of(twin_urls, Base.metadata, resource(Meeting, path="/meetings")) as twins:
        document = await document_of(twins)
        public = document["components"]["schemas"]["MeetingPublic"]["properties"]
        for fraction in ("", ".250000"):
            made = await twins.send("POST", "/meetings", json={**SENT, "at": f"{MOMENT}{fraction}"})
            assert made.status_code == 201, made.text
            for name in ("at", "opens"):
                assert re.fullmatch(public[name]["pattern"], made.json()[name])
        (example,) = document["components"]["schemas"]["MeetingCreate"]["examples"]
        assert (await twins.send("POST", "/meetings", json=example)).status_code == 201


@pytest.mark.parametrize("name", ["at", "opens"])
async def test_a_moment_with_an_offset_is_refused_where_none_is_kept(
    twin_urls: tuple[str, str], name: str
) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Meeting, path="/meetings")) as twins:
        answer = await twins.send("POST", "/meetings", json={**SENT, name: f"{SENT[name]}Z"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")
