"""The tour can be walked: its files and commands, in the order of the page, do what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_commands import COMMAND
from tests.docs.test_samples import ROOT, Runner, runner

__all__ = ["runner"]

PAGE = (ROOT / "docs" / "tour.md").read_text()
BLOCK = re.compile(r'```(console|python title="(.*?)")\n(.*?)```', re.DOTALL)

SCRIPT = """
import runpy, sys
sys.path.insert(0, "")
runpy.run_path({name!r}, run_name="__main__")
"""
# Plugins that the project has not.
_QUICKLY = ("-p", "no:asyncio", "-p", "no:schemathesis", "-p", "no:hypothesispytest")
# What the page tells the reader to change, before its migrations.
CHANGE = ('Database("sqlite:///notes.db")', 'Database("sqlite:///notes.db", schema="migrate")')


@pytest.mark.long
@pytest.mark.timeout(180)
def test_the_tour(runner: Runner, tmp_path: Path) -> None:
    """Each file is written where it stands, and each command says what stands below it."""
    folder = tmp_path / "tour"
    folder.mkdir()
    for kind, name, text in BLOCK.findall(PAGE):
        if kind != "console":
            (folder / name).write_text(text)
            continue
        for command, shown in re.findall(r"\$ (.*)\n((?:[^$].*\n)*)", text):
            said = _run(runner, shlex.split(command), folder)
            pattern = re.escape(shown).replace(r"\.\.\.", ".*")
            assert re.fullmatch(pattern, said), (command, said)
    assert CHANGE[1] in (folder / "main.py").read_text()


def _run(runner: Runner, words: list[str], folder: Path) -> str:
    program, *rest = words
    if program == "rm":
        for name in rest:
            (folder / name).unlink()
            _migrate(folder / "main.py")
        return ""
    if program == "pytest":
        command = [sys.executable, "-W", "error", "-m", "pytest", *rest, *_QUICKLY]
        own = {name: text for name, text in os.environ.items() if name != "PYTEST_ADDOPTS"}
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=folder, env=own
        )
        return done.stdout + done.stderr
    is_script = program == "python"
    runner.run(SCRIPT.format(name=rest[0]) if is_script else COMMAND.format(words=words), folder)
    return (folder / "said").read_text()


def _migrate(program: Path) -> None:
    if program.exists():
        assert CHANGE[1] in PAGE
        program.write_text(program.read_text().replace(*CHANGE))
