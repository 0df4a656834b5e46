"""Corners of resources: rare types, waits and repeats, carriers that disagree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import (
    JSON,
    Computed,
    DateTime,
    Enum,
    FetchedValue,
    Float,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, column_property, mapped_column
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import ARRAY, UserDefinedType

from examples.shop import main as shop
from ormolu import Database, Model, Policy, RefusedError, resource
from ormolu.resources.declare._columns import attributes_of
from ormolu.resources.http import _idempotency
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.resources.people import Base as People
from tests.resources.people import Person, people, served

pytestmark = pytest.mark.anyio

if TYPE_CHECKING:
    Nowhere = int


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Rare(Base):
    __tablename__ = "rares"
    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[str] = mapped_column(Enum("small", "large", name="size"), default="small")
    rate: Mapped[Any] = mapped_column(Numeric(6, 2, asdecimal=False), nullable=True)
    whole: Mapped[Any] = mapped_column(Numeric(6, 0), nullable=True)
    local: Mapped[Any] = mapped_column(DateTime(), nullable=True)
    items: Mapped[list[Any] | None] = mapped_column(JSON)
    any: Mapped[Any] = mapped_column(JSON, nullable=True)
    raw: Mapped[bytes] = mapped_column(LargeBinary(9))
    twice: Mapped[float | None] = mapped_column(Float, Computed("whole * 2"))


class Odd(Base):
    __tablename__ = "odds"
    __abstract__ = False
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    made: Mapped[str] = mapped_column(String(9), FetchedValue())
    changed: Mapped[str] = mapped_column(String(9), onupdate="x")
    nowhere: ClassVar[Nowhere]

    @hybrid_property
    def broken(self) -> int:
        """Have no SQL."""
        return len(self.made) // "x"  # type: ignore[operator]

    @hybrid_property
    def wild(self):  # type: ignore[no-untyped-def]
        """Have SQL of a type that nobody names."""
        return func.whatever(self.made)

    @hybrid_property
    def vague(self) -> int:
        """Have SQL of no known type."""
        return func.length(self.made)  # type: ignore[return-value]

    now = column_property(func.now())


class Point(UserDefinedType[Any]):
    """A type that tells nothing of its values."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "point"


class Place(Base):
    __tablename__ = "places"
    __table_args__ = {"info": {"skip": True}}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Any] = mapped_column(Point(), default=text("NULL"), nullable=True)
    tags: Mapped[Any] = mapped_column(ARRAY(String(5)), nullable=True)
    grid: Mapped[Any] = mapped_column(postgresql.ARRAY(String(5), dimensions=2), nullable=True)


class Words(Base):
    __tablename__ = "words"
    id: Mapped[int] = mapped_column(primary_key=True)
    found: Mapped[Any] = mapped_column(postgresql.TSVECTOR, nullable=True)
    host: Mapped[Any] = mapped_column(postgresql.INET, nullable=True)


rares = resource(Rare)
TABLES: Any = [Rare.__table__]
WORDS: Any = Words.__table__


@asynccontextmanager
async def rare_client(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve rare types alone: not every backend has those of the other models."""
    engine = create_async_engine(Database(url).url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=TABLES))
    await engine.dispose()
    app = FastAPI()
    Database(url, metadata=Base.metadata, schema="ignore").attach(app)
    app.include_router(rares)
    async with client_of(app) as client:
        yield client


@pytest.mark.long
async def test_rare_types_are_round(database_url: str) -> None:
    """What is sent is read, in each type; what does not fit is refused."""
    row = {
        "size": "large", "rate": 1.5, "whole": "12", "local": "2026-01-31T12:00:00",
        "items": [1, "a"], "any": [None, {"a": True}], "raw": "aGk=",
    }  # fmt: skip
    async with rare_client(database_url) as client:
        made = await client.post("/rares", json=row)
        assert made.status_code == 201, made.text
        assert (await client.get("/rares/1")).json() == {**row, "id": 1, "twice": 24.0}
        wrong: dict[str, Any]
        for wrong in (
            {"size": "x"}, {"rate": "1"}, {"whole": "1.5"}, {"local": "2026-01-31T12:00:00Z"},
            {"items": {}}, {"items": ["a\x00"]}, {"twice": 1}, {"raw": "aGVsbG8gd29ybGQ="},
        ):  # fmt: skip
            assert (await client.post("/rares", json=wrong)).status_code == 422, wrong
        document = (await client.get("/openapi.json")).json()
        schema = document["components"]["schemas"]["RareCreate"]
        assert schema["properties"]["size"]["enum"] == ["small", "large"]


async def test_null_json_in_a_batch_is_null(database_url: str) -> None:
    """SQL's NULL, not JSON's, beside rows that have a value."""
    async with rare_client(database_url) as client:
        data: list[Any] = [{"any": value, "raw": ""} for value in (None, 1, None)]
        steps = [{"op": "create", "data": each} for each in data]
        done = await client.post("/rares:batch", json={"operations": steps})
        assert [each["body"]["any"] for each in done.json()["results"]] == [None, 1, None]
        found = (await client.get("/rares?any__isnull=true")).json()["items"]
        assert len(found) == 2


def test_columns_tell_what_they_are() -> None:
    """What the server makes, what has no SQL, what has no type."""
    odd = attributes_of(Odd)
    assert "broken" not in odd
    assert odd["made"].is_generated
    assert odd["id"].is_generated
    assert odd["changed"].is_generated
    assert odd["made"].field.annotation is str
    assert odd["vague"].column is None
    shown = resource(Odd, operations={"list"}).schemas.public.model_json_schema()["properties"]
    assert set(shown) >= {"vague", "wild"}
    place = resource(Place).schemas.create.model_json_schema()["properties"]
    assert place["tags"]["anyOf"][0]["items"]["anyOf"][0]["maxLength"] == 5
    assert place["grid"]["anyOf"][0]["items"]["type"] == "array"


@pytest.mark.backends("asyncpg", "psycopg")
async def test_opaque_types_are_only_null_or_not(database_url: str) -> None:
    """What a value of theirs is, nobody tells: it would be a 500 of the driver's."""
    async with Database(database_url, metadata=Base.metadata, schema="ignore") as db:
        words = resource(Words)
        async with db.unit_of_work() as session:
            await session.execute(CreateTable(WORDS))
            await session.execute(insert(Words).values(found=func.to_tsvector("a b")))
            found = await words.list(session, where={"found__isnull": False}, fields=["id"])
            assert found.items == [{"id": 1}]
            for name in ("found", "found__in", "found__gt", "host__gt"):
                with pytest.raises(RefusedError, match=r"isnull"):
                    await words.list(session, where={name: "a"})


@pytest.mark.long
async def test_words_and_lists_from_python(database_url: str) -> None:
    """Python may give one value for a list; relation objects need no quantifier."""
    async with Database(database_url, metadata=People.metadata) as db, db.unit_of_work() as session:
        day = date(2026, 1, 31)
        await people.create(session, {"name": "Ann", "age": 3, "day": day, "raw": b"x"})
        assert (await people.list(session, where={"day": day})).items[0]["day"] == day
        page = (await people.list(session, where={"age__in": 3, "name__not_in": ["Bo"]})).items
        assert len(page) == 1
        assert not (await people.list(session, where={"pets": {"name": "x"}})).items
        assert (await people.list(session, where={"or": ({"age": 3}, {"age": 4})})).items == page
        with pytest.raises(RefusedError, match="no '5'"):
            await people.list(session, where={5: 1})  # type: ignore[dict-item]
        found = await people.list(session, fields=["id", "id", "team.name"], include=["team"])
        assert found.items == [{"id": 1, "team": None}]
        with pytest.raises(RefusedError, match="names"):
            await people.list(session, sort=[5])  # type: ignore[list-item]
        with pytest.raises(RefusedError, match="include=team"):
            await people.list(session, fields=["team.name"])


@pytest.mark.parametrize("key", [10**20, -(2**31) - 1, "x", None, [1], (1, 2), (), object()])
async def test_keys_from_python_are_read_as_a_request_s(database_url: str, key: Any) -> None:
    """A key of another type is refused, and one that no row can have is not found."""
    async with Database(database_url, metadata=People.metadata) as db, db.unit_of_work() as session:
        await people.create(session, {"name": "Ann"})
        for call in (people.read(session, key), people.remove(session, key),
                     people.update(session, key, {"age": 1})):  # fmt: skip
            with pytest.raises(RefusedError) as refused:
                await call
            is_number = isinstance(key, int)
            assert refused.value.code == ("not_found" if is_number else "validation_error")
        assert (await people.read(session, "1"))["id"] == 1


@pytest.mark.long
async def test_fields_of_relations_can_be_chosen(database_url: str) -> None:
    """`fields` goes through what is included."""
    async with served(database_url) as (client, _):
        await client.post("/teams", json={"name": "T"})
        await client.post("/people", json={"name": "Ann", "team_id": 1})
        answer = await client.get("/people?include=team&fields=name,team.name")
        assert answer.json()["items"] == [{"name": "Ann", "team": {"name": "T"}}]
        one = await client.get("/people/1?fields=name")
        assert one.json() == {"name": "Ann"}
        twice = await client.get("/pets?include=owner,owner.team,owner.team")
        assert twice.json()["items"] == []
        for path in (
            "/people/1?nope=1",
            "/people/1?fields=id&fields=id",
            "/teams?q=a",
            "/teams?offset=1",
        ):
            assert (await client.get(path)).status_code == 422, path
        head = await client.head("/people/1")
        assert (head.content, int(head.headers["Content-Length"]) > 10) == (b"", True)
        assert (await client.options("/people/1")).headers["Allow"].startswith("DELETE, GET")


@pytest.mark.long
async def test_body_without_a_length_is_bounded(people_client: httpx2.AsyncClient) -> None:
    """A stream ends at 1 MiB."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    headers = {"Content-Type": "application/json"}
    answer = await people_client.post("/people", content=endless(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.long
async def test_read_checks_if_match(shop_client: httpx2.AsyncClient) -> None:
    """GET with a stale If-Match is 412."""
    assert (await shop_client.get("/orders/1", headers={"If-Match": '"9"'})).status_code == 412
    assert (await shop_client.get("/orders/1", headers={"If-Match": '"1"'})).status_code == 200
    broken = {"If-Match": '"1" "2"'}
    assert (await shop_client.get("/orders/1", headers=broken)).status_code == 422


@pytest.mark.long
async def test_upserts_stay_within_the_policy(shop_client: httpx2.AsyncClient) -> None:
    """A row that cannot be seen is not changed; NULL is in no conflict; a wrong row is refused."""
    body = {"email": "bo@example.com", "name": "Me"}
    hidden = await shop_client.post("/customers?on_conflict=email", json=body)
    assert hidden.status_code in {403, 409}
    seen = await shop_client.post(
        "/customers?on_conflict=email&on_match=ignore",
        json={"email": "ann@example.com", "name": "x"},
    )
    assert (seen.status_code, seen.json()["name"]) == (200, "Ann")
    missing = await shop_client.post(
        "/lines?on_conflict=order_id,sku", json={"order_id": 1, "sku": "none", "quantity": 1}
    )
    assert missing.status_code == 409
    assert (await shop_client.get("/lines/1%2Cbike-1")).status_code == 422
    step: Any = {"op": "delete", "id": [1]}
    short = await shop_client.post("/lines:batch", json={"operations": [step]})
    assert short.status_code == 422
    await shop_client.post("/products", json={"sku": "x", "title": "x", "price": 1})
    data: Any = [{"order_id": 1, "sku": sku, "quantity": 2} for sku in ("bell-1", "x")]
    steps = [{"op": "create", "data": each} for each in data]
    both = await shop_client.post("/lines:batch", json={"operations": steps})
    assert [each["body"]["sku"] for each in both.json()["results"]] == ["bell-1", "x"]
    put = await shop_client.put("/lines/1,none", json={"quantity": 1})
    assert put.status_code == 409


@pytest.mark.long
async def test_put_where_it_is_forbidden(database_url: str) -> None:
    """A row that is seen and sealed is not replaced; one that is unseen is in the way."""

    async def nothing() -> Policy:
        return Policy(visible=True, writable=False)

    async def blind() -> Policy:
        return Policy(visible=shop.Product.sku == "other", writable=True)

    sealed = resource(shop.Product, path="/sealed", policy=nothing)
    unseen = resource(shop.Product, path="/unseen", policy=blind)
    app = shop.make_app(Database(database_url))
    for router in (sealed, unseen):
        app.include_router(router)
    body = {"title": "T", "price": "1"}
    async with client_of(app) as client:
        assert (await client.put("/sealed/bike-1", json=body)).status_code == 403
        assert (await client.put("/unseen/bike-1", json=body)).status_code == 409
        assert (await client.put("/unseen/other", json=body)).status_code == 201
        names = set((await client.get("/openapi.json")).json()["components"]["schemas"])
        assert {"ProductPublic", "SealedPublic", "UnseenPublic"} <= names


@pytest.mark.long
async def test_upsert_of_null_is_a_create(database_url: str) -> None:
    """NULL is in no conflict with NULL."""
    async with served(database_url) as (client, _):
        for _ in range(2):
            answer = await client.post(
                "/people?on_conflict=email", json={"name": "a", "email": None}
            )
            assert answer.status_code == 201


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_key_in_flight_is_409(database_url: str, backend: Backend) -> None:
    """A twin that waits too long for the first is told so."""
    db = Database(database_url)
    table = _idempotency.idempotency_table(Model.metadata)
    async with client_of(shop.make_app(db)) as client:
        headers = {"X-Customer-Id": "1", "Idempotency-Key": "k"}
        assert (await client.post("/orders", json={}, headers=headers)).status_code == 201
        async with db.unit_of_work() as session:
            row = (await session.execute(table.select())).one()
            await session.execute(table.delete())
        async with db.unit_of_work() as session:
            await session.execute(insert(table).values(**row._mapping))
            answer = await client.post("/orders", json={}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (409, "in_flight")
            assert answer.headers["Retry-After"] == "1"


@pytest.mark.long
async def test_keys_end_after_a_day(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old key is free again, and old keys are deleted; one without an answer is in flight."""
    db = Database(database_url)
    table = _idempotency.idempotency_table(Model.metadata)

    async def change(session: AsyncSession, **values: Any) -> None:
        await session.execute(table.update().values(**values))

    async with client_of(shop.make_app(db)) as client:
        client.headers.update({"X-Customer-Id": "1", "Idempotency-Key": "k"})
        first = await client.post("/orders", json={})
        async with db.unit_of_work() as session:
            await change(session, created_at=datetime.now(UTC) - timedelta(hours=25))
        second = await client.post("/orders", json={})
        assert second.json()["id"] != first.json()["id"]
        async with db.unit_of_work() as session:
            await change(session, status=None)
        assert (await client.post("/orders", json={})).status_code == 409
        async with db.unit_of_work() as session:
            await change(session, created_at=datetime.now(UTC) - timedelta(hours=25), status=201)
        monkeypatch.setattr(_idempotency, "_PURGED_ONE_IN", 1)
        client.headers["Idempotency-Key"] = "other"
        assert (await client.post("/orders", json={})).status_code == 201
        monkeypatch.undo()
        async with db.unit_of_work() as session:
            assert await session.scalar(select(func.count()).select_from(table)) == 1
            await session.execute(text(f"DROP TABLE {table.name}"))
        assert (await client.post("/orders", json={})).status_code == 500


def test_principal_tells_clients_apart() -> None:
    """Keys of two principals differ; without one the policy itself is the difference."""
    dialect, mapper = create_async_engine("sqlite+ormolu://").dialect, inspect(shop.Order)
    one, other = Policy(principal=1), Policy(principal=2)
    assert one.identity(dialect, mapper) != other.identity(dialect, mapper)
    mine = [Policy(visible=shop.Order.customer_id == number) for number in (1, 1, 2)]
    identities = [policy.identity(dialect, mapper) for policy in mine]
    assert identities[0] == identities[1] != identities[2]
    first, second = Policy(visible=True), Policy(visible=True)
    assert first.identity(dialect, mapper) == second.identity(dialect, mapper)


@pytest.mark.backends("sqlite")
async def test_backend_without_returning(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MySQL has no RETURNING: rows are read after they are written."""
    async with Database(database_url, metadata=People.metadata) as db:
        for name in ("insert_returning", "update_returning"):
            monkeypatch.setattr(db.engine.dialect, name, False)
        async with db.unit_of_work() as session:
            assert (await people.create(session, {"name": "Ann"}))["id"] == 1
            assert (await people.update(session, 1, {"age": 3}))["double"] == 6
            operations = people.operations(session)
            made = await operations.create_all([({"name": name}, ()) for name in ("b", "c")])
            assert [each.row["name"] for each in made] == ["b", "c"]


async def test_plain_sessions_will_do(database_url: str) -> None:
    """An AsyncSession of SQLAlchemy's own is taken too."""
    async with Database(database_url, metadata=People.metadata) as db:
        async with AsyncSession(db.engine) as session:
            assert (await people.create(session, {"name": "Ann"}))["id"] == 1
            await session.commit()
        async with db.engine.connect() as connection, AsyncSession(connection) as session:
            assert len((await people.list(session)).items) == 1


@pytest.mark.long
async def test_a_list_waits_for_no_writer(database_url: str) -> None:
    """Asked for by POST it reads all the same, and on SQLite it is not in the line of writers."""
    async with served(database_url) as (client, db), db.unit_of_work() as session:
        await session.execute(insert(Person).values(name="Held"))
        for method, path in (("QUERY", "/people"), ("POST", "/people:query"),
                             ("POST", "/people:query/")):  # fmt: skip
            answer = await client.request(method, path, json={})
            assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.long
async def test_deadlocks_are_the_whole_batch_s(database_url: str, backend: Backend) -> None:
    """What is nobody's fault is not put on one operation: the batch is told to come again."""
    # Writers to one SQLite file stand in a line of this process, for which the pool's limit counts.
    async with served(database_url, lock_timeout=0.3, pool_timeout=0.3) as (client, db):
        await client.post("/people", json={"name": "Ann"})
        async with db.unit_of_work() as session:
            await session.execute(select(Person).with_for_update())
            await people.update(session, 1, {"name": "Held"})
            pet = {"op": "create", "data": {"name": "x", "owner_id": 1}}
            change = {"op": "update", "id": 1, "data": {"name": "x"}}
            for path, steps in (("/pets", [pet, pet]), ("/people", [change])):
                body = {"operations": steps, "atomic": False}
                assert (await client.post(f"{path}:batch", json=body)).status_code == 503


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_list_that_may_be_missing_has_a_door(dimensions: int) -> None:
    """Its schema is of a list that stops at the first wrong item, or of none."""
    members = {
        "__tablename__": "shelves",
        "metadata": MetaData(),
        "id": mapped_column(Integer, primary_key=True),
        "places": mapped_column(ARRAY(Integer, dimensions=dimensions), nullable=True),
    }
    model = type(f"Shelf{dimensions}", (Model,), members)
    explained = resource(model).explain("postgresql://")
    found = {each.operation: each.way for each in explained}
    assert (found["create"], found["update"]) == ("front door", "front door")
