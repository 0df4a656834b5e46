"""What the tests of the project have in common."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from tests.testing.project.main import Town
from tests.testing.project.main import app as application


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests in an order that nobody knows, but all workers of a run agree on."""
    random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).shuffle(items)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def app() -> FastAPI:
    return application


@pytest.fixture(scope="session")
def database_seed() -> Callable[[AsyncSession], Awaitable[None]]:
    async def seed(session: AsyncSession) -> None:
        session.add(Town(name="Troy"))

    return seed
