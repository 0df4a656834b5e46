"""Random models under random policies answer and store what a plain evaluation says."""

from __future__ import annotations

import pytest

from tests.resources.random_policies import walk

pytestmark = pytest.mark.anyio


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
async def test_random_policies(database_url: str, seed: int) -> None:
    """Lists, rows, includes, filters and writes, of a few random worlds."""
    sent, number = 0, 100 * seed
    while sent < 60:
        sent += await walk(database_url, number)
        number += 1
    assert sent
