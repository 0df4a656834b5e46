"""Hybrid properties of the clock are computed for each request, by a plan as by the session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Model, UTCDateTime, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
clock: dict[str, Any] = {"now": NOON, "ticks": timedelta(0)}


def now() -> Any:
    """Return a moment, a little later each time if the clock goes."""
    clock["now"] += clock["ticks"]
    return clock["now"]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Owner(Base):
    __tablename__ = "clock_owners"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offers: Mapped[list[Offer]] = relationship(back_populates="owner", order_by="Offer.id")


class Offer(Base):
    __tablename__ = "clock_offers"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(9), default="x")
    begins: Mapped[datetime] = mapped_column(UTCDateTime)
    ends: Mapped[datetime] = mapped_column(UTCDateTime)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("clock_owners.id"))
    owner: Mapped[Owner | None] = relationship(back_populates="offers")

    @hybrid_property
    def is_over(self) -> Any:
        """Whether it has ended."""
        return self.ends < now()

    @hybrid_property
    def is_on(self) -> Any:
        """Whether it has begun, and not ended."""
        return (self.begins <= now()) & (self.ends >= now())

    @hybrid_property
    def is_late(self) -> Any:
        """Whether it is of another kind by night."""
        return self.begins < now() if clock["now"].hour < 20 else self.ends < now()


owners = resource(Owner, path="/owners", writable={"id"}, includes={"offers"})
offers = resource(Offer, path="/offers", writable={"id", "begins", "ends"}, includes={"owner"})


def row(number: int, begins: int, ends: int) -> dict[str, Any]:
    """Return an offer, by hours from noon."""
    moments = {"begins": begins, "ends": ends}
    shown = {name: (NOON + timedelta(hours=each)).isoformat() for name, each in moments.items()}
    return {"id": number, **shown}


@pytest.fixture(autouse=True)
def at_noon() -> None:
    """Set the clock."""
    clock.update(now=NOON, ticks=timedelta(0))


@pytest.mark.long
@pytest.mark.parametrize("ticks", [timedelta(0), timedelta(milliseconds=1)])
async def test_the_clock_goes_on(twin_urls: Urls, ticks: timedelta) -> None:
    """What is shown, filtered and sorted by is of the moment of the request."""
    clock["ticks"] = ticks
    async with twins_of(twin_urls, Base.metadata, owners, offers) as twins:
        await twins.through("POST", "/owners", json={"id": 1})
        for number, (begins, ends) in enumerate(((-2, 1), (-1, 3), (2, 6))):
            made = row(number, begins, ends) | {"owner_id": 1}
            await twins.through("POST", "/offers", json=made)
        for hours, over in ((0, 0), (2, 1), (5, 2), (7, 3)):
            clock["now"] = NOON + timedelta(hours=hours)
            listed = await twins.through("GET", "/offers")
            assert [each["is_over"] for each in listed.json()["items"]].count(True) == over
            found = await twins.through("GET", "/offers?is_over=true&sort=id")
            assert len(found.json()["items"]) == over
            await twins.through("GET", "/offers?sort=-is_on,id&limit=2")
            await twins.through("GET", "/offers?is_on=true&include=owner")
            await twins.through("GET", "/owners?include=offers")
            await twins.through("GET", "/owners?offers.is_over=true")
            await twins.through("GET", "/owners/1?include=offers")
            await twins.through("GET", "/offers/1")
            changed = await twins.through("PATCH", "/offers/1", json={"name": f"{hours}"})
            assert changed.json()["is_over"] is (hours > 3)
        await twins.through("DELETE", "/offers/1")
        await twins.compare(*Base.metadata.tables.values())


@pytest.mark.long
async def test_pages_are_of_the_same_moment_or_not(twin_urls: Urls) -> None:
    """A cursor goes on where its page ended, whatever the time is."""
    async with twins_of(twin_urls, Base.metadata, owners, offers) as twins:
        for number in range(6):
            await twins.through("POST", "/offers", json=row(number, -9, number - 3))
        for path in ("/offers?sort=-is_over,id&limit=2", "/offers?is_over=true&limit=1"):
            first = (await twins.through("GET", path)).json()
            clock["now"] += timedelta(hours=1)
            cursor = first["next_cursor"]
            await twins.send("GET", f"{path}&cursor={cursor}")
            await twins.send("GET", f"{path}&cursor={cursor}")


@pytest.mark.long
async def test_other_sql_at_another_time(twin_urls: Urls) -> None:
    """It is the session's: a plan has one statement."""
    async with twins_of(twin_urls, Base.metadata, owners, offers) as twins:
        await twins.through("POST", "/offers", json=row(1, 1, 12))
        await twins.through("GET", "/offers/1")
        clock["now"] = NOON + timedelta(hours=11)
        late = await twins.past("GET", "/offers/1")
        assert late.json()["is_late"] is False
        await twins.send("PATCH", "/offers/1", json={"name": "y"})
        await twins.compare(*Base.metadata.tables.values())
