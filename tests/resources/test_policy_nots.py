"""NOT of a truth value in policies: of that value alone, whatever is beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Header
from sqlalchemy import MetaData, case, func, not_
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_resources

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Gate(Base):
    __tablename__ = "negated_gates"
    id: Mapped[int] = mapped_column(primary_key=True)
    is_shut: Mapped[bool | None]
    is_watched: Mapped[bool]


negated = ~Gate.is_shut
# The first is open, the second shut, of the third nobody knows; the second alone is watched.
FORMS: dict[str, tuple[Any, list[int]]] = {
    "alone": (negated, [1]),
    "is true": (negated.is_(True), [1]),
    "is not true": (negated.is_not(True), [2, 3]),
    "is false": (negated.is_(False), [2]),
    "is null": (negated.is_(None), [3]),
    "is not null": (negated.is_not(None), [1, 2]),
    "among": (negated.in_([True]), [1]),
    "not among": (negated.not_in([True]), [2]),
    "equal": (negated == Gate.is_watched, []),
    "turned": (Gate.is_watched == negated, []),
    "unequal": (negated != True, [2]),  # noqa: E712
    "distinct": (negated.is_distinct_from(Gate.is_watched), [1, 2, 3]),
    "function": (not_(func.coalesce(Gate.is_shut, Gate.is_watched)).is_(True), [1, 3]),
    "both": (negated.is_(True) & ~Gate.is_watched, [1]),
    "case": (case((negated.is_(None), 1), else_=0) == 1, [3]),
    "twice": (~negated, [2]),
}  # fmt: skip


def gate_policy(wish: Annotated[str, Header()]) -> Policy:
    return Policy(visible=FORMS[wish][0])


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    gates = resource(Gate, path="/gates", policy=gate_policy)
    async with keep_resources(module_url, Base.metadata, gates) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        async with served.db.unit_of_work() as session:
            for number, is_shut in enumerate([False, True, None], 1):
                session.add(Gate(id=number, is_shut=is_shut, is_watched=number == 2))
        yield found


@pytest.mark.parametrize("wish", FORMS)
async def test_it_reaches_no_further(client: httpx2.AsyncClient, wish: str) -> None:
    answer = await client.get("/gates", headers={"wish": wish})
    assert answer.status_code == 200, answer.text
    assert [each["id"] for each in answer.json()["items"]] == FORMS[wish][1]
