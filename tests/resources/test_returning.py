"""What a write answers, and whether a policy lets it through, is what a SELECT says afterwards.

On each backend, and on the newest SQLite that a wheel brings: SQLite 3.40 computes in RETURNING
otherwise than elsewhere.
"""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Header
from sqlalchemy import (
    Boolean,
    Computed,
    Float,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    and_,
    case,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, column_property, mapped_column

from ormolu import Database, Model, Policy, resource
from ormolu.backends import exact_text
from tests.fixtures.apps import client_of
from tests.resources.newest import run_on_the_newest
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio

_VALUES: dict[str, list[Any]] = {
    "number": [None, 0, 1, 2],
    "flag": [None, True, False],
    "text": [None, "a", "A", "1", ""],
    "ratio": [None, 0.0, 1.0, 2.5],
}


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Columns:
    """What each table has, after a first column of its own."""

    number: Mapped[int | None]
    flag: Mapped[bool | None]
    text: Mapped[str | None] = mapped_column(String(9))
    ratio: Mapped[float | None] = mapped_column(Float(53))


class Counted(Columns, Base):
    """A first column that is NOT NULL."""

    __tablename__ = "counted"
    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-1)


class Lettered(Columns, Base):
    """A first column of text, in which case does not count on SQLite."""

    __tablename__ = "lettered"
    code: Mapped[str] = mapped_column(
        String(9).with_variant(String(9, collation="NOCASE"), "sqlite"), sort_order=-2
    )
    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-1)


class Weighed(Columns, Base):
    """A first column of decimals, for which SQLite 3.40 takes the others."""

    __tablename__ = "weighed"
    weight: Mapped[float] = mapped_column(Float(53), sort_order=-2)
    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-1)
    small: Mapped[int | None] = mapped_column(SmallInteger)
    twice: Mapped[int | None] = mapped_column(Computed("number * 2", persisted=True))
    price: Mapped[Any] = mapped_column(Numeric(9, 2), nullable=True)


MODELS: tuple[Any, ...] = (Counted, Lettered, Weighed)
_FIRST: dict[Any, dict[str, Any]] = {Lettered: {"code": "k"}, Weighed: {"weight": 1.0}}


def random_condition(source: Random, model: Any, depth: int = 0) -> Any:
    """Return a condition on the columns that each table has."""
    name = source.choice(list(_VALUES))
    column, value = getattr(model, name), source.choice(_VALUES[name][1:])
    # Each of its own, as a list would be another text each time, for which there is no door.
    some = [literal(each, column.type) for each in source.sample(_VALUES[name][1:], 2)]
    leaves = [column.is_(None), column.is_not(None), column == value, column.in_(some),
              column.not_in(some), column.not_in([*some, null()]),
              func.coalesce(column, value) == value]  # fmt: skip
    if depth > 2 or source.random() < 0.5:
        return source.choice(leaves)
    inner = [random_condition(source, model, depth + 1) for _ in range(2)]
    chosen, absent = case((inner[0], 1), (inner[1], 0)), case((inner[0], None), else_=1)
    whole = [not_(inner[0]), and_(*inner), or_(*inner), inner[0].is_(None)]
    return source.choice([*whole, chosen == 1, absent.is_(None)])


def _add_values(model: Any, source: Random) -> None:
    for place in range(8):
        made = case((random_condition(source, model), 1), else_=0)
        number = func.coalesce(model.number, source.randint(3, 9)) + source.randint(0, 1)
        value = source.choice([made, number, case((model.text == "a", 1), else_=model.number)])
        if place % 2:
            setattr(model, f"value_{place}", column_property(value))
        else:
            setattr(model, f"value_{place}", hybrid_property(lambda _row, value=value: value))
    model.sum = column_property(model.number + 1 - model.number * 2)
    model.raw = column_property(literal_column(f"{model.__tablename__}.text IS NULL", Boolean))


for _place, _model in enumerate(MODELS):
    _add_values(_model, Random(_place))
resources = [resource(model) for model in MODELS]


def random_row(source: Random) -> dict[str, Any]:
    """Return values, some of them none."""
    return {name: source.choice(values) for name, values in _VALUES.items()}


async def _check(twins: Any, path: str, row: dict[str, Any], **headers: str) -> str:
    """Check that a create answers what a read does; return where the row is."""
    answer = await twins.send("POST", path, json=row, headers=headers)
    assert answer.status_code == 201, answer.text
    place = str(answer.headers["Location"])
    assert answer.text == (await twins.send("GET", place)).text, row
    return place


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("model", MODELS)
async def test_answer_of_a_write_is_what_is_read(twin_urls: tuple[str, str], model: Any) -> None:
    """With values that SQL computes, by a door and by the session, alone and in a batch."""
    source, path = Random(model.__name__), f"/{model.__tablename__}"
    async with twins_of(twin_urls, Base.metadata, *resources) as twins:
        for number in range(12):
            prefer = {"prefer": "return=representation"} if number % 3 == 0 else {}
            place = await _check(twins, path, random_row(source) | _FIRST.get(model, {}), **prefer)
            body = random_row(source)
            answer = await twins.send("PATCH", place, json=body, headers=prefer)
            assert answer.text == (await twins.send("GET", place)).text, body
        steps = [{"op": "create", "data": random_row(source) | _FIRST.get(model, {})}
                 for _ in range(9)]  # fmt: skip
        made = await twins.send("POST", f"{path}:batch", json={"operations": steps})
        for each in made.json()["results"]:
            found = await twins.send("GET", f"{path}/{each['body']['id']}")
            assert each["body"] == found.json()
        assert twins.answered


def _guarded(model: Any, conditions: list[Any]) -> Any:
    def rule(x_rule: Annotated[int, Header()]) -> Policy:
        return Policy(visible=True, writable=conditions[x_rule])

    return resource(model, path=f"/guarded-{model.__tablename__}", policy=rule)


async def _allows(db: Database, model: Any, condition: Any, key: int) -> bool:
    async with db.unit_of_work() as session:
        # To a policy "A" is another text than "a", whatever MariaDB's = says.
        statement = select(model.id).where(model.id == key, exact_text(condition))
        return (await session.execute(statement)).first() is not None


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
async def test_policy_allows_what_a_select_finds(database_url: str, model: Any) -> None:
    """A create and a change are refused exactly where the condition does not hold afterwards."""
    source = Random(model.__name__)
    conditions = [random_condition(source, model) for _ in range(40)]
    db, app = Database(database_url, metadata=Base.metadata), FastAPI()
    db.attach(app)
    for each in (resource(model), _guarded(model, conditions)):
        app.include_router(each)
    async with client_of(app) as client:
        seen = set()
        for number, condition in enumerate(conditions):
            row = random_row(source) | _FIRST.get(model, {})
            key = (await client.post(f"/{model.__tablename__}", json=row)).json()["id"]
            status = (await _send(client, model, number, row)).status_code
            is_allowed = await _allows(db, model, condition, key)
            assert status == (201 if is_allowed else 403), f"{condition} of {row}"
            seen.add(status)
        assert seen == {201, 403}


async def _send(
    client: httpx2.AsyncClient, model: Any, number: int, row: dict[str, Any]
) -> httpx2.Response:
    path, headers = f"/guarded-{model.__tablename__}", {"X-Rule": str(number)}
    return await client.post(path, json=row, headers=headers)


class Letter(Base):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    deleted_at: Mapped[datetime | None]
    checked_by: Mapped[int | None]


def not_deleted() -> Policy:
    return Policy(visible=Letter.deleted_at.is_(None))


def checked() -> Policy:
    return Policy(visible=True, writable=Letter.checked_by.is_not(None))


async def _client(database_url: str, rule: Any) -> Any:
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Letter, policy=rule))
    return client_of(app)


@pytest.mark.long
async def test_soft_deletion_by_null_allows_creates(database_url: str) -> None:
    """What is not deleted may be created and changed; nobody may delete it by a value."""
    async with await _client(database_url, not_deleted) as client:
        assert (await client.post("/letters", json={"text": "a"})).status_code == 201
        assert (await client.patch("/letters/1", json={"text": "b"})).status_code == 200
        gone = {"deleted_at": "2020-01-01T00:00:00Z"}
        assert (await client.patch("/letters/1", json=gone)).status_code == 403
        assert (await client.post("/letters", json={"text": "c", **gone})).status_code == 403
        steps = [{"op": "create", "data": {"text": "d"}}, {"op": "create", "data": {"text": "e"}}]
        made = await client.post("/letters:batch", json={"operations": steps})
        assert [each["status"] for each in made.json()["results"]] == [201, 201]


@pytest.mark.long
async def test_rows_that_must_have_a_value_are_refused_without(database_url: str) -> None:
    """Neither a create nor a change, a batch of both among them, leaves the value out."""
    async with await _client(database_url, checked) as client:
        assert (await client.post("/letters", json={"text": "spam"})).status_code == 403
        fine = {"text": "fine", "checked_by": 1}
        place = (await client.post("/letters", json=fine)).headers["Location"]
        assert (await client.patch(place, json={"checked_by": None})).status_code == 403
        steps = [{"op": "create", "data": fine}, {"op": "create", "data": {"text": "spam"}}]
        made = await client.post("/letters:batch", json={"operations": steps})
        assert made.status_code == 403


@pytest.mark.long
@pytest.mark.backends("sqlite")
def test_on_the_newest_sqlite(backend: object) -> None:
    """All of this again, in a process whose sqlite3 is the wheel's."""
    run_on_the_newest(__file__)
