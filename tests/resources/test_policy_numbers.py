"""Numbers in JSON that a policy's type has no place for: NULL, and no error for all other rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import JSON, MetaData, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.twins import by_the_session

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Gauge(Base):
    __tablename__ = "numbered_gauges"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9), default="")
    plain: Mapped[Any] = mapped_column(JSON)
    binary: Mapped[Any] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))


# The first is 1, the others once were to some backend, or failed there.
NUMBERS = [1, 2**31, 2**63 - 1, -(2**63), 2**63, 10**30, 1e-16, 1.5e-7, 1e300, 9999.99, 9999.996]
Rule = Callable[[Any], Any]
FORMS: dict[str, tuple[Rule, list[int]]] = {
    "whole": (lambda value: value.as_integer() == 1, [1]),
    "large": (lambda value: value.as_integer() > 1, [2, 3]),
    "small": (lambda value: value.as_integer() < 1, [4]),
    "decimal": (lambda value: value.as_numeric(6, 2) == 1, [1]),
    "some decimal": (lambda value: value.as_numeric(6, 2) >= 0, [1, 7, 8, 10]),
    "no decimal": (lambda value: value.as_numeric(6, 2).is_(None), [2, 3, 4, 5, 6, 9, 11]),
    "float": (lambda value: value.as_float() > 9e299, [9]),
    "text": (lambda value: value.as_string() == "1", [1]),
}


def gauge_policy(form: Annotated[str, Header()], column: Annotated[str, Header()]) -> Policy:
    return Policy(visible=FORMS[form][0](getattr(Gauge, column)["value"]))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Gauge, path="/gauges", policy=gauge_policy))
    slow = resource(Gauge, path="/slow", policy=gauge_policy)
    app.include_router(slow, dependencies=[Depends(by_the_session)])
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found, served.db.unit_of_work() as session:
        documents = [{"value": each} for each in NUMBERS]
        session.add_all([Gauge(plain=each, binary=each) for each in documents])
        await session.commit()
        yield found


@pytest.mark.long
@pytest.mark.parametrize("column", ["plain", "binary"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_number_that_does_not_fit_is_null(
    client: httpx2.AsyncClient, form: str, column: str
) -> None:
    """One row of a client's made each list of all an error, or was 1 where it is 1e-16."""
    headers, expected = {"form": form, "column": column}, FORMS[form][1]
    for path in ("/gauges", "/slow"):
        answer = await client.get(f"{path}?fields=id", headers=headers)
        assert answer.status_code == 200, answer.text
        assert [each["id"] for each in answer.json()["items"]] == expected
    for key in range(1, len(NUMBERS) + 1):
        answer = await client.patch(f"/gauges/{key}", json={"name": "x"}, headers=headers)
        assert answer.status_code == (200 if key in expected else 404), NUMBERS[key - 1]
