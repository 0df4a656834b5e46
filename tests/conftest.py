"""Fixtures for all tests; each subject has its file in tests/fixtures."""

import gc
import os
import sys
from typing import Any

import pytest
from anyio._backends._asyncio import TestRunner
from fastapi.dependencies import models

if sys.dont_write_bytecode:
    # As in many containers. Each of the programs that tests start would compile all libraries
    # anew, for longer than it then runs; here they are compiled once, beside the environment's.
    sys.dont_write_bytecode, sys.pycache_prefix = False, os.path.join(sys.prefix, "pycache")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# Nothing is garbage while the modules of tests are taken in, and each would be looked at often.
gc.disable()

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
    _put_out_of_sight()


def _put_out_of_sight() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


_exit_runner = TestRunner.__exit__


def _exit_and_let_go(runner: TestRunner, *error: Any) -> None:
    """Exit anyio's runner, and take its task from it.

    Python 3.11 does not see that a cancelled task holds what cancelled it, and so all of the test:
    each application stayed until the end, and each that started after it asked all of them.
    """
    _exit_runner(runner, *error)
    runner._runner_task = None


TestRunner.__exit__ = _exit_and_let_go  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let go of the applications of the test before: FastAPI remembers 4,096 functions of routes.

    Each one that starts asks all that are there. They are collected now, as pytest holds them until
    their test is over; what stays all the same is put out of sight, else collections take longer.
    """
    for each in vars(models).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()
    _put_out_of_sight()
