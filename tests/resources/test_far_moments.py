"""The first and the last moments that Python has, whatever the time zone of the session."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import DateTime, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import resource
from ormolu.engines._far_moments import far_moment
from tests.resources.twins import twins_of

LAST = datetime.max.replace(tzinfo=UTC)
MOMENTS = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.500000Z"]


class Base(DeclarativeBase):
    metadata = MetaData()


class Licence(Base):
    __tablename__ = "far_licences"
    id: Mapped[int] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


@pytest.mark.anyio
async def test_far_moments_come_back(twin_urls: tuple[str, str]) -> None:
    """For ever is of the year 10000 in Kolkata, and psycopg read none of the rows."""
    async with twins_of(twin_urls, Base.metadata, resource(Licence, path="/licences")) as twins:
        for moment in MOMENTS:
            answer = await twins.send("POST", "/licences", json={"until": moment})
            assert (answer.status_code, answer.json()["until"]) == (201, moment)
        for query in ("", "?sort=until", "?until__ge=0001-01-01T00:00:00Z"):
            items = (await twins.send("GET", f"/licences{query}")).json()["items"]
            assert [each["until"] for each in items] == MOMENTS


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10000-01-01 05:29:59.999999+05:30", LAST),
        ("10000-01-01 13:59:59.5+14", LAST.replace(microsecond=500_000)),
        ("0001-12-31 19:03:58-04:56:02 BC", datetime(1, 1, 1, tzinfo=UTC)),
        ("10000-01-01 06:00:00+05:30", None),
        ("0001-12-31 18:00:00-05 BC", None),
        ("10000-01-02 00:00:00+05:30", None),
        ("infinity", None),
    ],
)
def test_moments_past_the_years(text: str, moment: datetime | None) -> None:
    """Only those that are none in UTC are left unread."""
    assert far_moment(text) == moment
