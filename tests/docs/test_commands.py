"""The commands on the page of migrations do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.docs.test_samples import ROOT, Runner, runner

__all__ = ["runner"]

PAGE = (ROOT / "docs" / "migrations.md").read_text()

COMMAND = """
import sys
from ormolu.cli import main
sys.argv = {words!r}
try:
    main()
except SystemExit:
    pass
"""


@pytest.mark.long
def test_commands_of_the_page_say_what_it_shows(runner: Runner, tmp_path: Path) -> None:
    """Each command of each block, in turn; the model changes in between, as the page tells."""
    (model,) = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
    folder = tmp_path / "project"
    folder.mkdir()
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block, change in zip(blocks, ("", "    email: Mapped[str | None]\n"), strict=True):
        source = model.replace("    name: Mapped[str]\n", f"    name: Mapped[str]\n{change}")
        (folder / "main.py").write_text(source)
        for command, shown in re.findall(r"\$ (.*)\n((?:[^$].*\n)*)", block):
            runner.run(COMMAND.format(words=shlex.split(command)), folder)
            said = (folder / "said").read_text()
            pattern = re.escape(shown).replace(r"\.\.\.", ".*")
            assert re.fullmatch(pattern, said), (command, said)


def test_every_verb_is_on_the_page() -> None:
    """The table has each command of `ormolu db`, and no other."""
    source = (ROOT / "src" / "ormolu" / "cli" / "_db.py").read_text()
    verbs = set(re.findall(r"@db_commands.command\(\)\ndef (\w+)", source))
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `ormolu"))
    assert set(re.findall(r"`ormolu db (\w+)", table)) == verbs
