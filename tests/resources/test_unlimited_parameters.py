"""Values that are compared with a column, in policies and filters, whole: not cut to its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import ARRAY, MetaData, Numeric, String, any_, literal, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import BIT, INTERVAL, BitString
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from ormolu.query import unlimited
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.twins import by_the_session

# The others cast no parameter.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("asyncpg", "psycopg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Part(Base):
    __tablename__ = "limited_parts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(3))
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    weight: Mapped[float] = mapped_column(Numeric(10, 2, asdecimal=False))
    readers: Mapped[list[str]] = mapped_column(postgresql.ARRAY(String(3)))
    prices: Mapped[list[Decimal]] = mapped_column(ARRAY(Numeric(10, 2)))
    bits: Mapped[Any] = mapped_column(BIT(3))
    some_bits: Mapped[Any] = mapped_column(BIT(3, varying=True))
    lasts: Mapped[timedelta] = mapped_column(INTERVAL(precision=0))
    days: Mapped[timedelta] = mapped_column(INTERVAL(fields="DAY"))


ROW: dict[str, Any] = {
    "id": 1, "name": "ann", "price": Decimal("0.10"), "weight": 0.1, "readers": ["ann"],
    "prices": [Decimal("0.10")], "bits": BitString("101"), "some_bits": BitString("101"),
    "lasts": timedelta(hours=1), "days": timedelta(days=1),
}  # fmt: skip
TENTH, MORE = Decimal("0.10"), Decimal("0.104")

# Which show the row, and those that only show it where a value is cut.
SHOWING: dict[str, Callable[[], Any]] = {
    "name": lambda: Part.name == "ann",
    "price": lambda: Part.price.in_([TENTH]),
    "lower price": lambda: Part.price < MORE,
    "weight": lambda: Part.weight < 0.104,
    "readers": lambda: Part.readers.contains(["ann"]),
    "prices": lambda: Part.prices == [TENTH],
    "bits": lambda: Part.bits == BitString("101"),
    "lasts": lambda: Part.lasts < timedelta(hours=1, milliseconds=400),
}
HIDING: dict[str, Callable[[], Any]] = {
    "name": lambda: Part.name == "anna",
    "price": lambda: Part.price == MORE,
    "prices in a list": lambda: Part.price.in_([MORE]),
    "pair": lambda: tuple_(Part.id, Part.price).in_([(1, MORE)]),
    "weight": lambda: Part.weight == 0.104,
    "readers": lambda: Part.readers.contains(["anna"]),
    "some reader": lambda: literal("anna") == any_(Part.readers),
    "all readers": lambda: Part.readers == ["anna"],
    "prices": lambda: Part.prices == [MORE],
    "bits": lambda: Part.bits == BitString("1011"),
    "some bits": lambda: Part.some_bits == BitString("1011"),
    "lasts": lambda: Part.lasts == timedelta(hours=1, milliseconds=400),
    "days": lambda: Part.days == timedelta(days=1, hours=5),
}
QUERIES = {
    "price=0.104": 0, "price__lt=0.104": 1, "weight=0.104": 0, "weight__lt=0.104": 1,
    "readers__contains=anna": 0, "readers__overlap=anna": 0, "readers__contains=ann": 1,
    "prices=0.104": 0, "prices=0.10": 1, "bits=1011": 0, "bits=101": 1, "some_bits=1011": 0,
    "lasts=PT1H0.4S": 0, "lasts=PT1H": 1, "days=P1DT5H": 0,
}  # fmt: skip


def part_policy(form: Annotated[str, Header()], hides: Annotated[bool, Header()]) -> Policy:
    return Policy(visible=(HIDING if hides else SHOWING)[form]())


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Part, path="/parts", policy=part_policy))
    slow = resource(Part, path="/slow", policy=part_policy)
    app.include_router(slow, dependencies=[Depends(by_the_session)])
    app.include_router(resource(Part, path="/open"))
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found, served.db.unit_of_work() as session:
        session.add(Part(**ROW))
        await session.commit()
        yield found


@pytest.mark.parametrize("path", ["/parts", "/slow"])
async def test_a_policy_s_value_is_whole(client: httpx2.AsyncClient, path: str) -> None:
    """A reader whose name begins as another's saw what that one may see."""
    for hides, forms in (False, SHOWING), (True, HIDING):
        for form in forms:
            headers = {"form": form, "hides": str(hides).lower()}
            answer = await client.get(f"{path}?fields=id", headers=headers)
            assert answer.status_code == 200, f"{form}: {answer.text}"
            assert len(answer.json()["items"]) == (not hides), form
            answer = await client.patch(f"{path}/1", json={"name": "ann"}, headers=headers)
            assert answer.status_code == (404 if hides else 200), form


async def test_a_filter_s_value_is_whole(client: httpx2.AsyncClient) -> None:
    for query, count in QUERIES.items():
        answer = await client.get(f"/open?fields=id&{query}")
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == count, query


def test_types_without_limits_stay_as_they_are() -> None:
    for type_ in (
        Numeric(), ARRAY(String()), ARRAY(Numeric()), BIT(varying=True), INTERVAL(), String(3),
    ):  # fmt: skip
        assert unlimited(type_) is type_
    made = unlimited(postgresql.ARRAY(Numeric(5, 2), as_tuple=True, dimensions=2))
    assert (made.as_tuple, made.dimensions, made.item_type.precision) == (True, 2, None)
