"""Fixtures for all tests; each subject has its file in tests/fixtures."""

import pytest

pytest_plugins = ["tests.fixtures.backends", "tests.fixtures.apps"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio: SQLAlchemy knows no other."""
    return "asyncio"
