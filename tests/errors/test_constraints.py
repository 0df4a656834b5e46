"""A violated constraint becomes the field of the model, whatever base the model has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import MetaData, String, UniqueConstraint, delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model
from tests.errors._bases import FAMILIES, Family
from tests.errors._problem import assert_problem
from tests.errors._shop import Act, app_of
from tests.errors.conftest import Shared
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend

_ANN: dict[str, Any] = {
    "email": "ann@example.com",
    "nick": "ann",
    "phone": "1",
    "shop": 1,
    "number": 1,
    "first_name": "Ann",
    "last_name": "Lee",
}

# What is the same as Ann's, and the fields that the answer names.
_UNIQUE: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"email": "ann@example.com"}, ("email",)),
    ({"nick": "ann"}, ("nick",)),
    ({"phone": "1"}, ("phone",)),
    ({"shop": 1, "number": 1}, ("shop", "number")),
    ({"first_name": "Ann", "last_name": "Lee"}, ("first_name", "last_name")),
    ({"id": 1}, ("id",)),
]


@asynccontextmanager
async def users_of(shared: Shared, family: Family, act: Act) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the application around an action, with one user and one item."""

    async def fill(db: Database) -> None:
        async with db.unit_of_work() as session:
            session.add(family.user(**_ANN))
            await session.flush()
            session.add(family.item(user_id=1, line=1))

    db = Database(await shared(family.metadata, fill), metadata=family.metadata)
    async with client_of(app_of(db, act)) as client:
        yield client


def store(model: type[Any], **values: Any) -> Act:
    """Return an action that stores a new object."""

    async def act(session: AsyncSession) -> None:
        session.add(model(**values))
        await session.flush()

    return act


def noun_of(family: Family) -> str:
    """Return what the family's user is called in a sentence."""
    return {"OurUser": "An our user", "User": "A user", "SQLUser": "A sqluser"}[
        family.user.__name__
    ]


@pytest.mark.parametrize(("values", "fields"), _UNIQUE, ids=[".".join(row[1]) for row in _UNIQUE])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
async def test_unique(
    family: Family,
    values: dict[str, Any],
    fields: tuple[str, ...],
    backend: Backend,
    shared: Shared,
) -> None:
    """A taken value is named by its attributes, in the constraint's order."""
    act = store(family.user, **{"id": 7, "email": "new@example.com", **values})
    async with users_of(shared, family, act) as client:
        response = await client.post("/act")
    detail = f"{noun_of(family)} with this {' and '.join(fields)} already exists."
    assert_problem(response, 409, "unique_violation", detail, fields=fields)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
async def test_composite_primary_key(family: Family, backend: Backend, shared: Shared) -> None:
    """A model's name of two words is two words in the sentence."""
    act = store(family.item, user_id=1, line=1)
    async with users_of(shared, family, act) as client:
        response = await client.post("/act")
    fields = ("user_id", "line")
    body = assert_problem(response, 409, "unique_violation", fields=fields)
    assert body["detail"].endswith("order item with this user_id and line already exists.")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
async def test_missing_parent(family: Family, backend: Backend, shared: Shared) -> None:
    """A reference to nothing is named, except by SQLite, which tells nothing."""
    act = store(family.item, user_id=77, line=1)
    async with users_of(shared, family, act) as client:
        response = await client.post("/act")
    fields = () if backend.is_sqlite else ("user_id",)
    assert_problem(response, 409, "foreign_key_violation", fields=fields)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
async def test_still_referenced(family: Family, backend: Backend, shared: Shared) -> None:
    """The reference is in another row, so that no field of this request is named."""

    async def act(session: AsyncSession) -> None:
        await session.execute(delete(family.user))

    async with users_of(shared, family, act) as client:
        assert_problem(await client.post("/act"), 409, "foreign_key_violation")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
async def test_not_null(family: Family, backend: Backend, shared: Shared) -> None:
    """A missing value is named."""
    act = store(family.user, email=None)
    async with users_of(shared, family, act) as client:
        response = await client.post("/act")
    assert_problem(response, 422, "not_null_violation", "email is required.", fields=("email",))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
async def test_check(family: Family, backend: Backend, shared: Shared) -> None:
    """A CHECK with a name is named by its columns; one without stays unnamed."""
    act = store(family.user, email="new@example.com", number=0)
    async with users_of(shared, family, act) as client:
        response = await client.post("/act")
    assert_problem(response, 422, "check_violation", fields=("number",) if family.has_names else ())


class Base(Model):
    """Tables of their own, whose keys begin with the same column and have no names."""

    __abstract__ = True
    metadata = MetaData()


class Ticket(Base):
    __tablename__ = "tickets"
    __table_args__ = (UniqueConstraint("shop", "number"), UniqueConstraint("shop", "code"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[int]
    number: Mapped[int]
    code: Mapped[str] = mapped_column(String(20))


async def test_two_keys_of_one_default_name(backend: Backend, database_url: str) -> None:
    """Where the server's name may mean two keys, no field is named rather than a wrong one."""
    db = Database(database_url, metadata=Base.metadata)
    act = store(Ticket, shop=1, number=2, code="a")
    async with client_of(app_of(db, act)) as client:
        assert (await client.post("/act")).status_code == 200
        assert (await client.post("/act")).status_code == 409
        async with db.unit_of_work() as session:
            await session.execute(delete(Ticket))
            session.add(Ticket(shop=1, number=1, code="a"))
        response = await client.post("/act")
    fields = () if backend.is_mariadb else ("shop", "code")
    assert_problem(response, 409, "unique_violation", fields=fields)
