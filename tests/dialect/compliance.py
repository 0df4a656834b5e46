"""Runs of SQLAlchemy's own compliance suite, and what its peer's run skipped.

The peer's run takes longer than ours and changes with its version only, so that it is kept. Keep it
anew with `python -m tests.dialect.compliance`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["Run", "peer_run", "run_suite"]

SUITE = Path(__file__).with_name("suite")
_KEPT = SUITE / "aiosqlite.json"


@dataclass(frozen=True)
class Run:
    """How many tests passed, and which were skipped."""

    passed: int
    skipped: frozenset[str]

    @property
    def collected(self) -> int:
        return self.passed + len(self.skipped)


def run_suite(url: str, folder: Path) -> Run:
    """Run the suite in a folder to be made; each test passes or is skipped."""
    shutil.copytree(SUITE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-c", "setup.cfg", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--dburi", url, "--junit-xml", "report.xml", "suite.py"],
        check=False, cwd=folder, capture_output=True, text=True,
        # It knows no plugin but its own.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    passed: set[str] = set()
    skipped: set[str] = set()
    for case in ElementTree.parse(folder / "report.xml").iter("testcase"):
        # The class's name ends with the driver's.
        name = re.sub(r"_sqlite\+.*", "", case.attrib["classname"]) + "." + case.attrib["name"]
        (skipped if case.find("skipped") is not None else passed).add(name)
    return Run(len(passed), frozenset(skipped))


def peer_run(folder: Path) -> Run:
    """Return the run of `sqlite+aiosqlite`: as it was kept for these versions, else run it."""
    kept = json.loads(_KEPT.read_text())
    if kept["versions"] != _versions():
        return run_suite("sqlite+aiosqlite:///suite.db", folder)
    return Run(kept["passed"], frozenset(kept["skipped"]))


def _versions() -> dict[str, str]:
    """Return what decides which tests are skipped."""
    packages = {name: version(name) for name in ("aiosqlite", "sqlalchemy")}
    python = ".".join(map(str, sys.version_info[:2]))
    return {**packages, "python": python, "sqlite": sqlite3.sqlite_version}


def _keep() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = run_suite("sqlite+aiosqlite:///suite.db", Path(folder) / "suite")
    kept = {"versions": _versions(), "passed": run.passed, "skipped": sorted(run.skipped)}
    _KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _keep()
