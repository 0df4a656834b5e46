"""Databases that many tests share, since all that these tests do is rolled back."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import MetaData

from ormolu import Database
from tests.fixtures.backends import Backend

Fill = Callable[[Database], Awaitable[None]]
Shared = Callable[[MetaData, Fill], Awaitable[str]]


@pytest.fixture(scope="session")
def shared_urls() -> dict[tuple[str, int], str]:
    """URLs of the databases that were filled so far; they go with their servers."""
    return {}


@pytest.fixture
def shared(
    backend: Backend,
    shared_urls: dict[tuple[str, int], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Shared:
    """Give the URL of a database with these tables, filled by the first that asks."""

    async def give(metadata: MetaData, fill: Fill) -> str:
        key = (backend.name, id(metadata))
        if key not in shared_urls:
            url = make()
            async with Database(url, metadata=metadata) as db:
                await fill(db)
            shared_urls[key] = url
        return shared_urls[key]

    def make() -> str:
        if backend.server is None:
            return f"sqlite:///{tmp_path_factory.mktemp('shared')}/test.db"
        name = f"t{uuid.uuid4().hex[:16]}"
        backend.server.create_database(name)
        driver = "asyncmy" if backend.is_mariadb else backend.name
        return str(backend.server.url(name, driver))

    return give
