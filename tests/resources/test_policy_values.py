"""A value of a policy that its column does not take is the program's mistake, and no client's."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from itertools import repeat
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import (
    ColumnElement,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    and_,
    bindparam,
    func,
    literal,
    select,
    text,
    true,
)  # fmt: skip
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from ormolu import Database, Model, Policy, SessionDep, UsageError, resource
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.refusing import Even, Own, Picky
from tests.resources.twins import by_the_session

pytestmark = pytest.mark.anyio

METADATA = MetaData()


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = METADATA


class Doubled(TypeDecorator[int]):
    """Sends another value than it is given."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else value * 2


class Color(Enum):
    """An enumeration."""

    RED = "red"


class Doc(Base):
    __tablename__ = "policy_docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int] = mapped_column(default=1)
    even: Mapped[int] = mapped_column(Even, default=2)
    begun: Mapped[datetime | None]
    doubled: Mapped[int | None] = mapped_column(Doubled)
    picky: Mapped[str | None] = mapped_column(Picky)
    own: Mapped[Any] = mapped_column(Own("VARCHAR(20)"), nullable=True)
    color: Mapped[Color | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(40, 2))


class Plain(Base):
    __tablename__ = "policy_plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    picky: Mapped[str | None] = mapped_column(Picky)


class Note(Base):
    __tablename__ = "policy_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    doc_id: Mapped[int | None] = mapped_column(ForeignKey(Doc.id))
    doc: Mapped[Doc | None] = relationship()


def policy_of(model: type[Any], wish: str) -> Policy:
    """Return the policy that a header asks for, as a program might by mistake."""
    pairs = iter(json.loads(wish))
    return Policy(visible=and_(true(), *map(condition_on, repeat(model), pairs, pairs)))


def condition_on(model: type[Any], name: str, value: Any) -> ColumnElement[bool]:
    if name == "abs":
        return func.abs(literal(value, Integer)) > 0
    of_name: ColumnElement[Any] = Doc.name.expression
    lower: ColumnElement[bool] = func.lower(of_name) == value
    if name == "lower":
        return lower
    if name == "between":
        return of_name.between(value, "z")
    if name == "bound":
        return of_name == bindparam("one", value, String())
    column: ColumnElement[Any] = getattr(model, name)
    return column.in_(value) if isinstance(value, list) else column == value


def doc_policy(wish: Annotated[str, Header()] = '["size", 1]') -> Policy:
    return policy_of(Doc, wish)


def note_policy(note_wish: Annotated[str, Header()] = "[]") -> Policy:
    return policy_of(Note, note_wish)


GIVEN = Policy(visible=True, assign={"even": 8531})
ASSIGNED = resource(Doc, path="/assigned", policy=lambda: GIVEN)


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=METADATA)
    db.attach(app)
    docs = resource(Doc, path="/papers", policy=doc_policy)
    app.include_router(docs)
    app.include_router(resource(Note, path="/notes", policy=note_policy, includes={"doc": docs}))
    slow = resource(Doc, path="/slow", policy=doc_policy)
    app.include_router(slow, dependencies=[Depends(by_the_session)])
    app.include_router(ASSIGNED)
    app.include_router(resource(Plain, path="/plain"))

    @app.get("/by-hand")
    async def read(session: SessionDep) -> None:
        await session.scalar(select(Doc.name).where(Doc.size == 10**30))

    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(
    served: KeptApp, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx2.AsyncClient]:
    caplog.set_level(logging.WARNING, "ormolu")
    async with served.client() as found:
        yield found


# Values that no backend is sent, and those that each refuses in its own way.
ODD: list[Any] = [["even", 8531], ["even", [2, 8531]], ["even", "8531"], ["begun", "8531"]]
HUGE, NUL = ["size", 8531 * 10**30], ["name", "8531\0"]
# Text for a number, and numbers for text.
ODD += [["size", "8531"], ["size", ["8531"]], ["size", [8531, "8531"]]]
ODD += [["name", 8531], ["name", [8531]], ["name", ["a", 8531]], ["name", 0]]
REFUSED: dict[str, list[Any]] = {
    "sqlite": [*ODD, HUGE, ["name", {"a": 8531}]],
    "asyncpg": [*ODD, HUGE, NUL, ["name", {"a": 8531}]],
    "psycopg": [*ODD, HUGE, NUL, ["name", {"a": 8531}]],
    "mariadb": ODD,
}
STEPS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "", None), ("GET", "/1", None), ("POST", "", {"name": "b"}),
    ("PATCH", "/1", {"name": "b"}), ("DELETE", "/1", None),
]  # fmt: skip


async def send(
    client: httpx2.AsyncClient, wish: Any, method: str, path: str, body: Any = None
) -> httpx2.Response:
    return await client.request(method, path, headers={"wish": json.dumps(wish)}, json=body)


@pytest.mark.long
@pytest.mark.parametrize("path", ["/papers", "/slow"])
async def test_no_client_is_blamed(
    backend: Any, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """By lanes and by the session, in reads and writes: the log names the policy, and no value."""
    assert (await client.post("/papers", json={"name": "a"})).status_code == 201
    for wish in REFUSED[backend.name]:
        for method, place, body in STEPS:
            caplog.clear()
            answer = await send(client, wish, method, path + place, body)
            told = f"The policy of resource(Doc) compares {wish[0]} with a value that"
            assert answer.status_code == 500, (wish, method, answer.text)
            assert told in caplog.text, (wish, method)
            assert "8531" not in caplog.text, wish
    answer = await client.get("/papers")
    assert [each["name"] for each in answer.json()["items"]] == ["a"]


@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize(
    ("wish", "place"),
    [
        (["even", 2, "begun", None, "size", "8531"], "size"), (["color", 8531], "color"),
        (["doubled", 8531 * 10**30], "doubled"), (["size", 1, "doubled", 8531 * 10**9], "doubled"),
        (["price", 10**30, "size", "8531"], "size"), (["abs", 8531 * 10**30], "something"),
        (["own", {"a": 8531}], "own"),
    ],
)  # fmt: skip
async def test_of_several_the_wrong_one_is_named(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, wish: Any, place: str
) -> None:
    """By what the driver or the server says, else by what the column's values are."""
    answer = await send(client, wish, "GET", "/papers")
    assert answer.status_code == 500, answer.text
    assert f"The policy of resource(Doc) compares {place} with a value that" in caplog.text
    assert "8531" not in caplog.text


@pytest.mark.backends("asyncpg", "psycopg")
async def test_the_policy_that_was_used_is_named(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A policy of what no relation of the request leads to has no part in it."""
    headers = {"wish": json.dumps(["even", 3]), "note-wish": json.dumps(["doc_id", 10**30])}
    answer = await client.get("/notes", headers=headers)
    assert answer.status_code == 500
    assert "The policy of resource(Note) compares doc_id" in caplog.text


@pytest.mark.backends("asyncpg")
@pytest.mark.parametrize("path", ["/papers", "/papers/1", "/slow", "/by-hand"])
async def test_a_refused_value_leaves_no_lock(
    client: httpx2.AsyncClient, served: KeptApp, path: str
) -> None:
    """asyncpg refuses it when it has begun the statement, and the server would wait for more."""
    answer = await send(client, ["size", 10**30], "GET", path)
    assert answer.status_code in {422, 500}
    async with served.db.engine.begin() as connection:
        await connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        await connection.execute(text("LOCK TABLE policy_docs"))


@pytest.mark.long
@pytest.mark.parametrize("path", ["/papers", "/plain"])
async def test_a_client_s_filter_stays_its_own(client: httpx2.AsyncClient, path: str) -> None:
    """What a type refuses of it is no policy's."""
    assert (await client.get(f"{path}?picky=x")).status_code == 422


@pytest.mark.parametrize("wish", [["name", 0], ["name", [0]], ["lower", 0], ["between", 0]])
async def test_no_word_is_the_number_0(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, wish: Any
) -> None:
    """To MariaDB each is, and the policy showed all rows; SQLite found none."""
    assert (await client.post("/papers", json={"name": "a"})).status_code == 201
    assert (await send(client, ["size", 1], "GET", "/papers")).json()["items"]
    for _ in range(2):
        caplog.clear()
        answer = await send(client, wish, "GET", "/papers")
        assert answer.status_code == 500, answer.text
        assert "The policy of resource(Doc) compares" in caplog.text


async def test_each_value_is_looked_at(client: httpx2.AsyncClient) -> None:
    """Also that of a request whose policy differs from an earlier one in values alone."""
    for wish, status in (["name", ["a"]], 200), (["name", ["a", 0]], 500), (["name", ["b"]], 200):
        assert (await send(client, wish, "GET", "/papers")).status_code == status
    for value, status in ("a", 200), (0, 500), ("b", 200):
        answer = await send(client, ["bound", value], "GET", "/papers")
        assert answer.status_code == status


async def test_a_policy_of_what_a_relation_leads_to_is_named(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Its values go into the statement of the owner's rows."""
    answer = await send(client, ["even", 3], "GET", "/notes?include=doc")
    assert answer.status_code == 500
    assert "The policy of resource(Doc) compares even" in caplog.text


async def test_a_value_that_a_policy_assigns_is_the_program_s(
    client: httpx2.AsyncClient, served: KeptApp
) -> None:
    """Whether a check refuses it, or the type with the statement."""
    for body in ({"name": "a"}, {"name": "a", "size": "x"}):
        answer = await client.post("/assigned", json=body)
        assert answer.status_code == 500, answer.text
    with pytest.raises(UsageError, match=r"policy of resource\(Doc\) assigns a value to 'even'"):
        async with served.db.unit_of_work() as session:
            await ASSIGNED.create(session, {"name": "a"}, policies={Doc: GIVEN})


async def test_a_client_s_value_stays_its_own(client: httpx2.AsyncClient) -> None:
    """Under a policy whose values are right."""
    answer = await client.post("/papers", json={"name": "a", "even": 3})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/even")
    answer = await client.post("/papers", json={"name": "a" * 21})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")
