"""Moments in policies: the same ones on every backend, in whatever time zone they are written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import (
    DateTime,
    ForeignKey,
    MetaData,
    Time,
    TypeDecorator,
    bindparam,
    func,
    literal,
    tuple_,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.twins import by_the_session

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Wall(TypeDecorator[datetime]):
    """Keeps what a clock on the wall shows."""

    impl = DateTime()
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=None)


class Show(Base):
    __tablename__ = "moment_shows"
    id: Mapped[int] = mapped_column(primary_key=True)
    begins: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    opens: Mapped[Any] = mapped_column(Time(timezone=True))
    on_wall: Mapped[datetime] = mapped_column(Wall)
    seats: Mapped[int] = mapped_column(default=0)
    before_id: Mapped[int | None] = mapped_column(ForeignKey("moment_shows.id"))
    before: Mapped[Show | None] = relationship(remote_side="Show.id")


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZONES = {"utc": UTC, "india": timezone(timedelta(hours=5, minutes=30)),
         "west": timezone(timedelta(hours=-8))}  # fmt: skip

# Of each the rows that it shows: the first begins at 11:00 in UTC, the second at noon.
FORMS: dict[str, tuple[Callable[[datetime], Any], list[int]]] = {
    "begun": (lambda now: Show.begins <= now - timedelta(minutes=30), [1]),
    "to come": (lambda now: Show.begins > now - timedelta(minutes=30), [2]),
    "turned": (lambda now: literal(now) <= Show.begins, [2]),
    "now": (lambda now: Show.begins == now, [2]),
    "listed": (lambda now: Show.begins.in_([now, now - timedelta(days=1)]), [2]),
    "between": (lambda now: Show.begins.between(now - timedelta(hours=2), now), [1, 2]),
    "pair": (lambda now: tuple_(Show.id, Show.begins).in_([(2, now), (1, now)]), [2]),
    "function": (lambda now: func.coalesce(Show.begins, now) < now, [1]),
    "behind": (lambda now: Show.before.has(Show.begins < now), [2]),
    "called": (lambda now: Show.begins < bindparam("now", callable_=lambda: now), [1]),
    "time": (lambda now: Show.opens < now.timetz(), [1]),
    "decorated": (lambda now: Show.on_wall == now, [1, 2]),
}


def show_policy(zone: Annotated[str, Header()], form: Annotated[str, Header()]) -> Policy:
    return Policy(visible=FORMS[form][0](NOON.astimezone(ZONES[zone])))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Show, path="/shows", policy=show_policy))
    slow = resource(Show, path="/slow", policy=show_policy)
    app.include_router(slow, dependencies=[Depends(by_the_session)])
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        yield found


@pytest.mark.long
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("form", FORMS)
async def test_a_moment_is_the_same_in_each_zone(
    client: httpx2.AsyncClient, served: KeptApp, form: str, zone: str
) -> None:
    """SQLite and MariaDB were sent what a clock on the wall shows, and hours were shown early."""
    async with served.db.unit_of_work() as session:
        for number in (1, 2):
            begins = NOON - timedelta(hours=2 - number)
            session.add(
                Show(id=number, begins=begins, opens=begins.timetz(), before_id=number - 1 or None,
                     on_wall=NOON.astimezone(ZONES[zone]))
            )  # fmt: skip
            await session.flush()
    headers = {"form": form, "zone": zone}
    for path in ("/shows", "/slow"):
        answer = await client.get(f"{path}?fields=id", headers=headers)
        assert answer.status_code == 200, answer.text
        assert [each["id"] for each in answer.json()["items"]] == FORMS[form][1]
        for key in (1, 2):
            answer = await client.patch(f"{path}/{key}", json={"seats": 5}, headers=headers)
            assert answer.status_code == (200 if key in FORMS[form][1] else 404)
