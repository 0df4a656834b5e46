"""SQLAlchemy's own compliance suite, on `sqlite+ormolu` and on its peer."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

SUITE = Path(__file__).with_name("suite")


def run_suite(url: str, folder: Path) -> tuple[set[str], set[str]]:
    """Run the suite and return the tests that passed and those that were skipped."""
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
    return passed, skipped


@pytest.mark.timeout(300)
def test_suite_passes_and_excludes_no_more_than_for_aiosqlite(tmp_path: Path) -> None:
    """Every test passes; what SQLite lacks is skipped, the same as for SQLAlchemy's own dialect."""
    # SQLite's own default: some tables of the suite have foreign keys to columns without a key.
    ours = run_suite("sqlite+ormolu:///suite.db?foreign_keys=off", tmp_path / "ormolu")
    theirs = run_suite("sqlite+aiosqlite:///suite.db", tmp_path / "aiosqlite")
    assert len(ours[0]) > 1500
    assert ours[0] >= theirs[0]
    assert ours[1] <= theirs[1]
