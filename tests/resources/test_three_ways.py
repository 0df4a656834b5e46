"""Users are answered alike by a door that asks, by FastAPI's route on a lane, and by a session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.fixtures.backends import Backend
from tests.resources.three_ways import fill, three_ways, walk

pytestmark = pytest.mark.backends("sqlite", "asyncpg")

REQUESTS = 250


@pytest.fixture
def three_urls(twin_urls: tuple[str, str], backend: Backend) -> Iterator[tuple[str, ...]]:
    """The URLs of three fresh empty databases."""
    if backend.server is None:
        yield (*twin_urls, twin_urls[1].replace("twin.db", "third.db"))
        return
    name = f"t{uuid.uuid4().hex[:16]}"
    backend.server.create_database(name)
    yield (*twin_urls, backend.server.url(name, backend.name))
    backend.server.drop_database(name)


@pytest.mark.parametrize("seed", [1, 2])
async def test_three_ways(three_urls: tuple[str, ...], seed: int) -> None:
    """Whatever they may do, and whatever their requests did before; and each way is used."""
    async with three_ways(three_urls) as three:
        await fill(three)
        await walk(three, seed, REQUESTS)
        # A shape is planned when it comes again; and refusals are never a door's.
        assert three.by_doors > REQUESTS / 20
        assert three.on_lanes > REQUESTS / 20
