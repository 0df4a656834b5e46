"""The shop and the people, served on each backend; and what was sent to the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine, event

from examples.shop import main as shop
from ormolu import Database
from tests.fixtures.backends import Backend, lent_url
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.people import Base, app_of

ANN = {"X-Customer-Id": "1"}
BO = {"X-Customer-Id": "2"}


@pytest.fixture(scope="module")
async def shop_served(module_url: str) -> AsyncIterator[KeptApp]:
    """The shop, for all tests of a module."""
    db = Database(module_url, pool_timeout=20.0)
    async with keep_running(shop.make_app(db), db) as found:
        yield found


@pytest.fixture
async def shop_client(shop_served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the seeded shop, who is Ann."""
    async with shop_served.client() as client:
        await shop.seed(shop_served.db)
        client.headers.update(ANN)
        yield client


@pytest.fixture(scope="module")
async def people_served(module_url: str) -> AsyncIterator[KeptApp]:
    """The people, for all tests of a module."""
    db = Database(module_url, metadata=Base.metadata)
    async with keep_running(app_of(db), db) as found:
        yield found


@pytest.fixture
async def people_client(people_served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the people, on an empty database."""
    async with people_served.client() as client:
        yield client


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The statements sent, without those that only begin, end or prepare a transaction."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}:
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def twin_urls(database_url: str, backend: Backend, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URLs of two empty databases."""
    with lent_url(backend, tmp_path, "twin.db") as twin:
        yield database_url, twin
