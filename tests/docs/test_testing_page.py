"""The project of the page "Testing" is one: its tests pass as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ormolu.testing

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
_FILE = re.compile(r'```python title="(.*?)"\n(.*?)```', re.DOTALL)


@pytest.mark.long
def test_the_project_of_the_page(tmp_path: Path) -> None:
    """Its files, written one by one into an empty folder, are a project whose tests pass."""
    names = []
    for name, text in _FILE.findall(PAGE):
        (tmp_path / name).write_text(text)
        names.append(name)
    assert names == ["main.py", "conftest.py", "test_towns.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio",
         "-p", "no:schemathesis", "-p", "no:hypothesispytest"],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "7 passed" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "towns.db").exists()


def test_every_public_name_is_on_the_page() -> None:
    """What `ormolu.testing` has the page names."""
    assert [name for name in ormolu.testing.__all__ if f"`{name}" not in PAGE] == []
