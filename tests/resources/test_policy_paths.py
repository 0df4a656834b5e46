"""Paths to members of JSON in policies, by names that have a meaning in the text of an array."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Header
from sqlalchemy import JSON, MetaData, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_resources

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Letter(Base):
    __tablename__ = "path_letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    plain: Mapped[Any] = mapped_column(JSON)
    binary: Mapped[Any] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))


NAMES = ["", " ", "to", "to ", "to,cc", "{to}", "{", "}", "NULL", "null", "(", "'", "a.b", "$", "*"]


def reader(of: Annotated[int, Header()], column: Annotated[str, Header()]) -> Policy:
    return Policy(visible=getattr(Letter, column)[NAMES[of], "who"].as_string() == "ann")


def others(of: Annotated[int, Header()], column: Annotated[str, Header()]) -> Policy:
    return Policy(visible=getattr(Letter, column)[NAMES[of], "who"].as_string().is_(None))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    own = resource(Letter, path="/letters", policy=reader)
    of_others = resource(Letter, path="/others", policy=others)
    async with keep_resources(module_url, Base.metadata, own, of_others) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    documents: list[Any] = [{name: {"who": "ann"}} for name in NAMES]
    # Where a name leads that is taken for none, or for two.
    documents += [{"who": "ann"}, {"to": {"cc": {"who": "ann"}}}, ["ann"], "ann"]
    async with served.client() as found, served.db.unit_of_work() as session:
        session.add_all([
            Letter(id=number, plain=each, binary=each) for number, each in enumerate(documents, 1)
        ])  # fmt: skip
        await session.commit()
        yield found


@pytest.mark.parametrize("column", ["plain", "binary"])
async def test_a_name_in_a_path_is_one_step(client: httpx2.AsyncClient, column: str) -> None:
    """A comma made two of it, and an empty one was none: the policy looked at another member."""
    for number, name in enumerate(NAMES):
        headers = {"of": str(number), "column": column}
        answer = await client.get("/letters?fields=id", headers=headers)
        assert answer.json()["items"] == [{"id": number + 1}], name
        answer = await client.get("/others?count=exact&limit=1", headers=headers)
        assert answer.json()["total"] == len(NAMES) + 3, name


async def test_a_program_s_own_query_has_the_same_steps(
    client: httpx2.AsyncClient, served: KeptApp
) -> None:
    """In engines of ours."""
    del client
    async with served.db.unit_of_work() as session:
        for number, name in enumerate(NAMES):
            found = select(Letter.id).where(Letter.plain[name, "who"].as_string() == "ann")
            assert (await session.scalars(found)).all() == [number + 1], name


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_path_that_is_text_stays_so(client: httpx2.AsyncClient, served: KeptApp) -> None:
    """That of PostgreSQL's own functions, say."""
    del client
    async with served.db.unit_of_work() as session:
        has_path = func.jsonb_path_exists(Letter.binary, cast("$.to.cc", JSONPATH))
        found = await session.scalars(select(Letter.id).where(has_path))
        assert found.all() == [len(NAMES) + 2]
