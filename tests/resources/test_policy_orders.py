"""Policies that ask which member of an enumeration comes first: right, or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Header
from sqlalchemy import Enum as EnumType
from sqlalchemy import MetaData, case
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_resources

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class State(Enum):
    """Not in the order of the alphabet."""

    NEW = "new"
    PAID = "paid"
    DONE = "done"


class Size(Enum):
    """In the order of the alphabet."""

    LARGE = "l"
    SMALL = "s"


class Bill(Base):
    __tablename__ = "ordered_bills"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[State] = mapped_column(EnumType(State, name="bill_state"))
    text: Mapped[State] = mapped_column(EnumType(State, native_enum=False, length=9))
    size: Mapped[Size] = mapped_column(EnumType(Size, name="bill_size"))


ORDERED: dict[str, tuple[Any, list[int]]] = {
    "from": (Bill.state >= State.PAID, [2, 3]),
    "before": (Bill.state < State.PAID, [1]),
    "between": (Bill.state.between(State.NEW, State.PAID), [1, 2]),
    "case": (case((Bill.state > State.NEW, 1), else_=0) == 1, [2, 3]),
}
TEXTS: dict[str, tuple[Any, list[int]]] = {"text": (Bill.text >= State.PAID, [])}
SAME: dict[str, tuple[Any, list[int]]] = {
    "alphabet": (Bill.size > Size.LARGE, [2, 3]),
    "equal": (Bill.text == State.PAID, [2]),
    "listed": (Bill.state.in_([State.PAID, State.DONE]), [2, 3]),
}
POLICIES = ORDERED | TEXTS | SAME


def bill_policy(wish: Annotated[str, Header()]) -> Policy:
    return Policy(visible=POLICIES[wish][0])


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    bills = resource(Bill, path="/bills", policy=bill_policy)
    async with keep_resources(module_url, Base.metadata, bills) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        async with served.db.unit_of_work() as session:
            for number, state in enumerate(State, 1):
                size = Size.LARGE if number == 1 else Size.SMALL
                session.add(Bill(id=number, state=state, text=state, size=size))
        yield found


async def check(client: httpx2.AsyncClient, wish: str) -> None:
    answer = await client.get("/bills", headers={"wish": wish})
    assert answer.status_code == 200, answer.text
    assert [each["id"] for each in answer.json()["items"]] == POLICIES[wish][1]


async def check_refused(
    client: httpx2.AsyncClient, wish: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    answer = await client.get("/bills", headers={"wish": wish})
    assert answer.status_code == 500
    assert "asks which member of an enumeration comes first" in caplog.text


@pytest.mark.parametrize("wish", ORDERED)
async def test_the_order_is_that_of_the_definition(
    backend: Any, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, wish: str
) -> None:
    """Only PostgreSQL has it: to others members come as the alphabet has them."""
    if backend.name in {"asyncpg", "psycopg"}:
        await check(client, wish)
    else:
        await check_refused(client, wish, caplog)


async def test_text_has_no_such_order(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """On any backend."""
    await check_refused(client, "text", caplog)


@pytest.mark.parametrize("wish", SAME)
async def test_what_is_the_same_everywhere_is_answered(
    client: httpx2.AsyncClient, wish: str
) -> None:
    await check(client, wish)
