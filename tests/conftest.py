"""Fixtures for all tests; each subject has its file in tests/fixtures."""

import gc

import pytest
from fastapi.dependencies import models

pytest_plugins = ["tests.fixtures.backends", "tests.fixtures.apps"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio: SQLAlchemy knows no other."""
    return "asyncio"


def pytest_collection_finish() -> None:
    """Take what the modules of tests hold out of the garbage collector's sight.

    They are a million objects. A full collection of them stands still for half a second and more on
    a busy machine, in the middle of whatever a test measures.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Let go of a test's applications: FastAPI remembers the last 4,096 functions of routes."""
    for each in vars(models).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()
