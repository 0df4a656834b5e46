"""Fixtures for all tests; each subject has its file in tests/fixtures."""

import gc
import sys
from importlib.util import find_spec
from typing import Any

import pytest
from anyio._backends._asyncio import TestRunner

from ormolu.testing._rewriting import leave_unwritten
from tests.bytecode import keep_bytecode

keep_bytecode()

if find_spec("sniffio") is None:
    # httpx2 asks for it with each request, and Python would look for it in each folder.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

# Nothing is garbage while the modules of tests are taken in, and each would be looked at often.
gc.disable()

pytest_plugins = [
    "tests.fixtures.backends", "tests.fixtures.apps", "tests.fixtures.garbage",
    "tests.fixtures.metrics",
]  # fmt: skip


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Leave our modules as they are: they are those of a plugin, which is switched off here."""
    leave_unwritten(pluginmanager)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio: SQLAlchemy knows no other."""
    return "asyncio"


_exit_runner = TestRunner.__exit__


def _exit_and_let_go(runner: TestRunner, *error: Any) -> None:
    """Exit anyio's runner, and take its task from it.

    Python 3.11 does not see that a cancelled task holds what cancelled it, and so all of the test:
    each application stayed until the end, and each that started after it asked all of them.
    """
    _exit_runner(runner, *error)
    runner._runner_task = None


TestRunner.__exit__ = _exit_and_let_go  # type: ignore[method-assign]
