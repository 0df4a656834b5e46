"""Casts of text to numbers in policies: NULL of what is no number, on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Header
from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    cast,
    exists,
    func,
)
from sqlalchemy.orm import Mapped, aliased, column_property, mapped_column

from ormolu import Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_resources

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Crate(Base):
    __tablename__ = "cast_crates"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(30))
    doc: Mapped[Any] = mapped_column(JSON)
    trimmed: Mapped[str] = column_property(func.trim(owner))


OWNERS = ["5", "5 apples", "ann", " 05 ", "", "5.5", "-5", "99999999999", "1e3", "+5", "0x5", "--5"]
OTHER = aliased(Crate)
OF_OWNER, OF_DOC = cast(Crate.owner, Integer), cast(Crate.doc["n"].as_string(), Integer)
FORMS: dict[str, tuple[Any, list[str]]] = {
    "of a word": (OF_OWNER == 0, []),
    "equal": (OF_OWNER == 5, ["5", " 05 ", "+5"]),
    "less": (OF_OWNER < 5, ["-5"]),
    "null": (OF_OWNER.is_(None) & (Crate.owner.in_(["ann", "5.5", "5"])), ["ann", "5.5"]),
    "long": (cast(Crate.owner, BigInteger) > 5, ["99999999999"]),
    "decimal": (cast(Crate.owner, Numeric(20, 2)).between(5.4, 1000), ["5.5", "1e3"]),
    "float": (cast(Crate.owner, Float) > 5, ["5.5", "99999999999", "1e3"]),
    "function": (cast(func.trim(Crate.owner), Integer) == 0, []),
    "property": (cast(Crate.trimmed, Integer) == 5, ["5", " 05 ", "+5"]),
    "behind": (exists().where(OTHER.id == Crate.id, cast(OTHER.owner, Integer) == 0), []),
    "member": (OF_DOC == 5, ["5", " 05 ", "+5"]),
    "number": (cast(Crate.id, Integer) == 1, ["5"]),
    "text": (cast(Crate.id, String(9)) == "2", ["5 apples"]),
}  # fmt: skip


def crate_policy(wish: Annotated[str, Header()]) -> Policy:
    return Policy(visible=FORMS[wish][0])


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    crates = resource(Crate, path="/crates", policy=crate_policy)
    async with keep_resources(module_url, Base.metadata, crates) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found:
        async with served.db.unit_of_work() as session:
            for number, owner in enumerate(OWNERS, 1):
                session.add(Crate(id=number, owner=owner, doc={"n": owner}))
        yield found


@pytest.mark.parametrize("wish", FORMS)
async def test_a_cast_makes_no_number_of_a_word(client: httpx2.AsyncClient, wish: str) -> None:
    """SQLite and MariaDB made 0 of it, or what it begins with, and PostgreSQL failed."""
    answer = await client.get("/crates", headers={"wish": wish})
    assert answer.status_code == 200, answer.text
    assert [each["owner"] for each in answer.json()["items"]] == FORMS[wish][1]
