"""The values in policies: each condition has its own, whatever its parameters are called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import product
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import (
    ForeignKey,
    Integer,
    MetaData,
    String,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, Policy, UsageError, resource
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.apps import client_of
from tests.fixtures.kept import KeptApp, keep_resources
from tests.resources.twins import by_the_session

pytestmark = pytest.mark.anyio


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    label: Mapped[str | None] = mapped_column(String(9))
    books: Mapped[list[Book]] = relationship(back_populates="shelf")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
    shelf: Mapped[Shelf] = relationship(back_populates="books")


WAYS: dict[str, Callable[[Any, int], Any]] = {
    "bindparam": lambda model, value: model.tenant == bindparam("tenant", value),
    "text": lambda model, value: text(f"{model.__tablename__}.tenant = :tenant").bindparams(
        tenant=value
    ),
    "subquery": lambda model, value: model.id.in_(
        select(model.id).where(model.tenant == bindparam("tenant", value))
    ),
    "cte": lambda model, value: model.id.in_(
        select(select(model.id).where(model.tenant == value).cte("mine").c.id)
    ),
    "literal": lambda model, value: model.tenant == value,
}


def of_shelves(x_way: Annotated[str, Header()]) -> Policy:
    return Policy(visible=WAYS[x_way](Shelf, 1))


def of_books(x_way: Annotated[str, Header()]) -> Policy:
    return Policy(visible=WAYS[x_way](Book, 2))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    shelves = resource(Shelf, policy=of_shelves, includes={"books"}, writable={"id"})
    books = resource(Book, policy=of_books, includes={"shelf"})
    async with keep_resources(module_url, Base.metadata, shelves, books) as found:
        yield found


@pytest.fixture(params=WAYS)
async def client(
    served: KeptApp, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client who sees the shelves of tenant 1 and the books of tenant 2."""
    async with served.client() as found:
        async with served.db.unit_of_work() as session:
            session.add_all([Shelf(id=1, tenant=1), Shelf(id=2, tenant=2)])
            await session.flush()
            places = {1: (1, 1), 2: (2, 1), 3: (2, 2)}
            session.add_all([Book(id=key, tenant=tenant, shelf_id=shelf)
                             for key, (tenant, shelf) in places.items()])  # fmt: skip
        found.headers["X-Way"] = request.param
        yield found


@pytest.mark.long
async def test_two_policies_in_one_statement(client: httpx2.AsyncClient) -> None:
    """Parameters of one name have the value that their own policy gave them."""
    books = (await client.get("/books?include=shelf")).json()["items"]
    assert [(each["id"], each["shelf"] and each["shelf"]["id"]) for each in books] == [
        (2, 1), (3, None),
    ]  # fmt: skip
    shelves = (await client.get("/shelves?include=books&books.id__ge=1")).json()["items"]
    assert [(each["id"], [book["id"] for book in each["books"]]) for each in shelves] == [(1, [2])]
    assert (await client.get("/books?shelf.id=2")).json()["items"] == []


@pytest.mark.long
async def test_a_parameter_that_is_called_like_a_column(client: httpx2.AsyncClient) -> None:
    """It is no value of that column in a write."""
    assert (await client.patch("/shelves/1", json={"tenant": 1})).status_code == 200
    assert (await client.patch("/shelves/1", json={"tenant": 2})).status_code == 403
    assert (await client.patch("/shelves/2", json={"tenant": 1})).status_code == 404
    assert (await client.post("/shelves", json={"id": 7, "tenant": 2})).status_code == 403
    assert (await client.post("/shelves", json={"id": 8, "tenant": 1})).status_code == 201
    assert (await client.delete("/shelves/2")).status_code == 404


def _shared(mine: int, seen: int) -> Policy:
    """Return a policy of which both conditions hold one parameter."""
    own = Shelf.tenant == mine
    return Policy(visible=or_(own, Shelf.label == "all"), writable=own)


def _apart(mine: int, seen: int) -> Policy:
    """Return a policy of the same SQL, whose conditions have a parameter each."""
    return Policy(
        visible=or_(Shelf.tenant == seen, Shelf.label == "all"), writable=Shelf.tenant == mine
    )


KINDS: dict[str, Callable[[int, int], Policy]] = {
    "shared": _shared,
    "apart": _apart,
    "text": lambda mine, seen: Policy(
        visible=text("tenant = :t OR label = 'all'").bindparams(t=seen),
        writable=text("tenant = :t").bindparams(t=mine),
    ),
    "exists": lambda mine, seen: Policy(
        visible=exists().where(Book.shelf_id == Shelf.id, Book.tenant == seen),
        writable=Shelf.tenant == mine,
    ),
}


def of_kind(
    x_kind: Annotated[str, Header()], x_mine: Annotated[int, Header()],
    x_seen: Annotated[int, Header()],
) -> Policy:  # fmt: skip
    return KINDS[x_kind](x_mine, x_seen)


@pytest.mark.long
@pytest.mark.parametrize(
    "order", [("shared", "apart"), ("apart", "shared"), ("text",), ("exists",)]
)
async def test_values_are_those_of_each_request(database_url: str, order: tuple[str, ...]) -> None:
    """Whatever was kept of others, whose policies had the same SQL."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Shelf, policy=of_kind))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Shelf(id=key, tenant=key) for key in (1, 2, 3)])
            await session.flush()
            session.add_all([Book(id=key, tenant=key, shelf_id=key) for key in (1, 2, 3)])
        for kind in (*order, *order):
            for mine, seen in ((1, 1), (2, 3), (3, 2), (1, 3), (2, 2)):
                headers = {"X-Kind": kind, "X-Mine": str(mine), "X-Seen": str(seen)}
                shown = mine if kind == "shared" else seen
                found = (await client.get("/shelves", headers=headers)).json()["items"]
                assert [each["id"] for each in found] == [shown]
                read = await client.get(f"/shelves/{shown % 3 + 1}", headers=headers)
                assert read.status_code == 404
                body = {"label": "x"}
                sent = await client.patch(f"/shelves/{shown}", json=body, headers=headers)
                assert sent.status_code == (200 if mine == shown else 403)
                if mine != shown:
                    # It may be written, if only it were to be seen.
                    sent = await client.patch(f"/shelves/{mine}", json=body, headers=headers)
                    assert sent.status_code == 404


OPEN_FOR_NULL: dict[str, Callable[[Any, Any], Any]] = {
    "or": lambda one, other: or_(one.is_(None), Shelf.tenant == other),
    "distinct": lambda one, other: Shelf.tenant.is_distinct_from(one),
    "coalesce": lambda one, other: Shelf.tenant == func.coalesce(one, Shelf.tenant),
    "exists": lambda one, other: exists().where(
        Book.shelf_id == Shelf.id, or_(one.is_(None), Book.tenant == other)
    ),
    "text": lambda one, _: text("tenant = coalesce(:tenant, tenant)").bindparams(one),
}


def of_callables(
    x_form: Annotated[str, Header()], x_tenant: Annotated[int, Header()],
    x_is_called: Annotated[bool, Header()], x_is_unique: Annotated[bool, Header()],
) -> Policy:  # fmt: skip
    def bind() -> Any:
        given: Any = {"callable_": lambda: x_tenant} if x_is_called else {"value": x_tenant}
        return bindparam("tenant", **given, type_=Integer, unique=x_is_unique)

    return Policy(visible=OPEN_FOR_NULL[x_form](bind(), bind()))


@pytest.mark.long
@pytest.mark.parametrize("is_of_session", [False, True])
async def test_values_that_are_called_for(database_url: str, *, is_of_session: bool) -> None:
    """Not NULL, though a statement is kept that was compiled with plain values."""
    app = FastAPI(dependencies=[Depends(by_the_session)] if is_of_session else [])
    db = Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Shelf, policy=of_callables))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Shelf(id=key, tenant=key) for key in (1, 2, 3)])
            await session.flush()
            session.add_all([Book(id=key, tenant=key, shelf_id=key) for key in (1, 2, 3)])
        for form, unique in product(OPEN_FOR_NULL, ("0", "1")):
            for tenant, called in product((1, 2), ("0", "1")):
                headers = {"X-Form": form, "X-Tenant": str(tenant), "X-Is-Called": called,
                           "X-Is-Unique": unique}  # fmt: skip
                seen = {1, 2, 3} - {tenant} if form == "distinct" else {tenant}
                found = (await client.get("/shelves", headers=headers)).json()["items"]
                assert {each["id"] for each in found} == seen
                for key in (1, 2):
                    sent = client.patch(f"/shelves/{key}", json={"label": "x"}, headers=headers)
                    assert (await sent).status_code == (200 if key in seen else 404)


def _chained(tenant: int) -> Any:
    mine = select(Book.shelf_id).where(Book.tenant == tenant).cte("mine")
    known = select(mine.c.shelf_id).where(mine.c.shelf_id > 0).cte()
    one, other = select(known.c.shelf_id), select(mine.c.shelf_id)
    return Shelf.id.in_(one) & Shelf.id.in_(other) & Shelf.id.in_(one)


def _recursive(tenant: int) -> Any:
    start = select(Book.shelf_id).where(Book.tenant == tenant).cte("walk", recursive=True)
    return Shelf.id.in_(
        select(
            start.union_all(select(start.c.shelf_id + 9).where(start.c.shelf_id < 20)).c.shelf_id
        )
    )


CTES: dict[str, Callable[[int], Any]] = {"chained": _chained, "recursive": _recursive}


def of_ctes(x_form: Annotated[str, Header()], x_tenant: Annotated[int, Header()]) -> Policy:
    return Policy(visible=True, writable=CTES[x_form](x_tenant))


@pytest.mark.long
async def test_conditions_with_queries_of_names(database_url: str) -> None:
    """MariaDB takes none before an UPDATE or a DELETE."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Shelf, policy=of_ctes))
    async with client_of(app) as client:
        for form, tenant in product(CTES, (1, 2)):
            async with db.unit_of_work() as session:
                await session.execute(delete(Book))
                await session.execute(delete(Shelf))
                session.add_all([Shelf(id=key, tenant=key) for key in (1, 2, 3)])
                await session.flush()
                session.add_all([Book(id=key, tenant=key, shelf_id=key) for key in (1, 2, 3)])
            headers = {"X-Form": form, "X-Tenant": str(tenant)}
            for key in (1, 2, 3):
                sent = client.patch(f"/shelves/{key}", json={"label": "x"}, headers=headers)
                assert (await sent).status_code == (200 if key == tenant else 403)
            sent = client.delete(f"/shelves/{3 - tenant}", headers=headers)
            assert (await sent).status_code == 403


TWICE: dict[str, Callable[[Any, Any], Any]] = {
    "or": lambda one, other: or_(Book.tenant == one, Book.id == other),
    "behind": lambda one, other: (Book.tenant == one) & Book.shelf.has(Shelf.tenant == other),
    "text": lambda one, other: or_(
        text("books.tenant = :who").bindparams(who=one.value), Book.id == other
    ),
}


@pytest.mark.parametrize("form", TWICE.values(), ids=TWICE)
def test_one_name_has_one_value(
    form: Callable[[Any, Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """To SQLAlchemy both are one parameter, which got the last value; in each request."""
    for values in (7, 7), (7, 8), (3, 3):
        caplog.clear()
        policy = Policy(visible=form(*[bindparam("who", value, Integer) for value in values]))
        if values[0] == values[1]:
            assert checked_policy(policy, Book) is policy
            continue
        with pytest.raises(UsageError, match=r"resource\(Book\) has two values .* 'who'"):
            checked_policy(policy, Book)
        assert "Give each a name of its own" in caplog.text


def test_each_condition_has_names_of_its_own() -> None:
    """What is visible and what is writable are told apart."""
    visible, writable = [Book.tenant == bindparam("who", value) for value in (1, 2)]
    policy = Policy(visible=visible, writable=writable)
    assert checked_policy(policy, Book) is policy
