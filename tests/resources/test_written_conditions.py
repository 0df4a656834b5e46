"""SQL that a program writes as text means the same beside whatever it stands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Header
from sqlalchemy import Boolean, MetaData, and_, literal_column, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, column_property, mapped_column

from ormolu import Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_resources

pytestmark = pytest.mark.anyio

OPEN = "tasks.tenant = 1 OR tasks.is_public"


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Task(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    is_public: Mapped[bool] = mapped_column(default=False)
    is_open: Mapped[bool] = column_property(literal_column(OPEN, Boolean))

    @hybrid_property
    def is_seen(self) -> bool:
        return self.tenant == 1 or self.is_public

    @is_seen.inplace.expression
    @classmethod
    def _is_seen(cls) -> Any:
        return literal_column(OPEN, Boolean)


WAYS: dict[str, Callable[[], Any]] = {
    "text": lambda: text(OPEN),
    "column": lambda: literal_column(OPEN, Boolean),
    "beside": lambda: and_(text("tasks.id > 0"), text(OPEN)),
    "hybrid": lambda: Task.is_seen,
    "property": lambda: Task.is_open,
    "tenant": lambda: Task.tenant == 2,
}


def seen(x_way: Annotated[str, Header()]) -> Policy:
    return Policy(visible=WAYS[x_way]())


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    tasks = resource(Task, policy=seen, path="/tasks")
    async with keep_resources(module_url, Base.metadata, tasks) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of five tasks, of which the first and the fourth are open."""
    async with served.client() as found:
        async with served.db.unit_of_work() as session:
            tenants = {1: 1, 2: 2, 3: 3, 4: 3, 5: 2}
            session.add_all(
                [Task(id=key, tenant=each, is_public=key == 4) for key, each in tenants.items()]
            )
        yield found


async def keys(client: httpx2.AsyncClient, query: str = "") -> list[int]:
    return [each["id"] for each in (await client.get(f"/tasks{query}")).json()["items"]]


@pytest.mark.long
@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"tenant"}])
async def test_an_or_in_a_policy_reaches_no_further(client: httpx2.AsyncClient, way: str) -> None:
    """Else a request for a row that is hidden would read, change and delete another one."""
    client.headers["X-Way"] = way
    assert await keys(client) == [1, 4]
    assert await keys(client, "?id=2") == []
    for method, body in (("GET", None), ("PATCH", {"tenant": 1}), ("DELETE", None)):
        answer = await client.request(method, "/tasks/2", json=body)
        assert answer.status_code == 404, (method, answer.text)
    assert (await client.get("/tasks/4")).json()["id"] == 4
    assert (await client.delete("/tasks/4")).status_code == 204
    assert await keys(client) == [1]


@pytest.mark.parametrize("name", ["is_seen", "is_open"])
@pytest.mark.parametrize("operator", ["=true", "__ne=false", "__in=true", "__ge=true"])
async def test_an_or_in_a_value_reaches_no_further(
    client: httpx2.AsyncClient, name: str, operator: str
) -> None:
    """Else whoever filters by it would be shown what the policy hides."""
    client.headers["X-Way"] = "tenant"
    assert await keys(client) == [2, 5]
    assert await keys(client, f"?{name}{operator}") == []
    assert await keys(client, f"?{name}=false&sort=-{name}&limit=1") == [2]
