"""SQLAlchemy-Continuum: a version of each change, whichever way it came."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.long
def test_versions(database_url: str) -> None:
    """In a process of its own, as it listens to all mappers and sessions of one."""
    command = [sys.executable, "-m", "tests.beside.programs.continuum"]
    environment = {**os.environ, "DATABASE_URL": database_url}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    made, changed, removed = 0, 1, 2
    versions = [
        ("Oslo", made), ("Rome", changed), ("good", made), ("Rome", removed), ("batch", made),
    ]  # fmt: skip
    assert done.stdout.splitlines() == [repr(versions), "session session session"]
