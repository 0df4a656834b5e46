"""Users are answered alike by a door that asks, by FastAPI's route on a lane, and by a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.backends import Backend, lent_url
from tests.fixtures.rounds import many
from tests.resources.three_ways import fill, three_ways, walk

pytestmark = pytest.mark.backends("sqlite", "asyncpg")

REQUESTS = many(120)


@pytest.fixture
def three_urls(
    twin_urls: tuple[str, str], backend: Backend, tmp_path: Path
) -> Iterator[tuple[str, ...]]:
    """The URLs of three empty databases."""
    with lent_url(backend, tmp_path, "third.db") as third:
        yield (*twin_urls, third)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
async def test_three_ways(three_urls: tuple[str, ...], seed: int) -> None:
    """Whatever they may do, and whatever their requests did before; and each way is used."""
    async with three_ways(three_urls) as three:
        await fill(three)
        await walk(three, seed, REQUESTS)
        # A shape is planned when it comes again; and refusals are never a door's.
        assert three.by_doors > REQUESTS / 20
        assert three.on_lanes > REQUESTS / 20
