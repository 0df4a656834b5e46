"""Fixtures for all tests; each subject has its file in tests/fixtures."""

import gc
import os
import sys
from itertools import count

import pytest
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


_tests = count(1)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Let go of a test's applications: FastAPI remembers the last 4,096 functions of routes.

    What libraries keep all the same grows from test to test, and with it each full collection.
    """
    for each in vars(models).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()
    if next(_tests) % 200 == 0:
        _put_out_of_sight()
