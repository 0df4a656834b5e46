"""What the tests of lanes share."""

from __future__ import annotations

import pytest

from tests.dialect.test_shared_syncs import log

__all__ = ["log"]


@pytest.fixture
def path(database_url: str) -> str:
    return database_url.removeprefix("sqlite:///")
