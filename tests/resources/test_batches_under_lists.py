"""Batches of new rows under policies with lists, which SQLAlchemy writes out for one row only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Header
from sqlalchemy import MetaData, String, bindparam, or_, tuple_
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, Policy, resource
from tests.fixtures.kept import KeptApp, keep_running

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    metadata = MetaData()


class Note(Base):
    __tablename__ = "listed_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    team: Mapped[int]
    state: Mapped[str] = mapped_column(String(9), default="open")


class Seat(Base):
    """Its key is the client's."""

    __tablename__ = "listed_seats"
    row: Mapped[str] = mapped_column(String(5), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    team: Mapped[int]
    state: Mapped[str] = mapped_column(String(9), default="open")


# Each allows the teams 1 and 2.
FORMS: dict[str, Any] = {
    "in": lambda model: model.team.in_([1, 2]),
    "not in": lambda model: model.team.not_in([3, 4]),
    "pairs": lambda model: tuple_(model.team, model.state).in_([(1, "open"), (2, "open")]),
    "written out": lambda model: model.team < bindparam("most", 3, literal_execute=True),
    "empty too": lambda model: or_(model.team.in_([]), model.team < 3),
}


def policy_of(model: Any) -> Any:
    def policy(x_form: Annotated[str, Header()]) -> Policy:
        return Policy(visible=True, writable=FORMS[x_form](model))

    return policy


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Note, policy=policy_of(Note), path="/notes"))
    keys = {"row", "number"}
    app.include_router(resource(Seat, policy=policy_of(Seat), path="/seats", writable=keys))
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        yield found


async def send(
    client: httpx2.AsyncClient, path: str, form: str, teams: list[int], *, atomic: bool = True
) -> httpx2.Response:
    operations = []
    for number, team in enumerate(teams):
        key = {"row": "a", "number": number} if path == "/seats" else {}
        operations.append({"op": "create", "data": {**key, "team": team}})
    body = {"operations": operations, "atomic": atomic}
    return await client.post(f"{path}:batch", json=body, headers={"X-Form": form})


async def teams_in(client: httpx2.AsyncClient, path: str) -> list[int]:
    answer = await client.get(path, headers={"X-Form": "in"})
    return [each["team"] for each in answer.json()["items"]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["/notes", "/seats"])
async def test_rows_within_the_policy_are_stored(
    client: httpx2.AsyncClient, path: str, form: str
) -> None:
    """Together, and answered in their order. It was a 500 on PostgreSQL and MariaDB."""
    answer = await send(client, path, form, [2, 1, 2])
    assert answer.status_code == 200, answer.text
    assert [each["body"]["team"] for each in answer.json()["results"]] == [2, 1, 2]
    assert await teams_in(client, path) == [2, 1, 2]


@pytest.mark.parametrize("form", FORMS)
async def test_a_row_outside_of_the_policy_undoes_all(
    client: httpx2.AsyncClient, form: str
) -> None:
    """Or only itself, if the batch is not atomic."""
    assert (await send(client, "/notes", form, [1, 3, 2])).status_code == 403
    assert await teams_in(client, "/notes") == []
    answer = await send(client, "/notes", form, [1, 3, 2], atomic=False)
    assert [each["status"] for each in answer.json()["results"]] == [201, 403, 201]
    assert await teams_in(client, "/notes") == [1, 2]
