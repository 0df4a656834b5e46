"""The shop and the people, served on each backend; and what was sent to the database."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from sqlalchemy import Engine, event

from examples.shop import main as shop
from ormolu import Database
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.resources.people import served

ANN = {"X-Customer-Id": "1"}
BO = {"X-Customer-Id": "2"}


@pytest.fixture
async def shop_client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the seeded shop, who is Ann."""
    async with client_of(shop.make_app(Database(database_url, pool_timeout=20.0))) as client:
        client.headers.update(ANN)
        yield client


@pytest.fixture
async def people_client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the people, on an empty database."""
    async with served(database_url) as (client, _):
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
def twin_urls(database_url: str, backend: Backend) -> Iterator[tuple[str, str]]:
    """The URLs of two fresh empty databases."""
    if backend.server is None:
        yield database_url, database_url.replace("test.db", "twin.db")
        return
    name = f"t{uuid.uuid4().hex[:16]}"
    backend.server.create_database(name)
    driver = "asyncmy" if backend.is_mariadb else backend.name
    yield database_url, backend.server.url(name, driver)
    backend.server.drop_database(name)
