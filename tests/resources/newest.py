"""Run a file of tests in a process whose sqlite3 is the wheel's, which has the newest SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest


def run_on_the_newest(path: str) -> None:
    """Run the tests of a file for SQLite, but those that call this."""
    pytest.importorskip("pysqlite3")
    command = [sys.executable, "-m", __name__, path]
    # Others take longer to import than many a test takes.
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=env
    )
    assert done.returncode == 0, done.stdout[-3000:]


def _newest() -> ModuleType:
    """Return the module, with what doors ask of a connection and the wheel does not have."""
    wheel: Any = pytest.importorskip("pysqlite3.dbapi2")

    class Connection(wheel.Connection):  # type: ignore[misc]
        def getlimit(self, _category: int) -> int:
            return 1_000_000_000

        def setlimit(self, _category: int, _limit: int) -> int:
            return 1_000_000_000

    module: Any = ModuleType("sqlite3")
    names = {name: each for name, each in vars(wheel).items() if not name.startswith("__")}
    vars(module).update(names, Connection=Connection, SQLITE_LIMIT_LENGTH=0)
    module.connect = lambda *args, **options: wheel.connect(*args, factory=Connection, **options)
    module.dbapi2 = module
    return module  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.modules["sqlite3"] = sys.modules["sqlite3.dbapi2"] = _newest()
    chosen = ["-k", "sqlite and not newest", "-p", "no:cacheprovider"]
    chosen += ["-p", "anyio.pytest_plugin", "-p", "pytest_timeout"]
    sys.exit(pytest.main([sys.argv[1], "-q", *chosen]))
