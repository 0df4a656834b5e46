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


EXISTING = (ROOT / "docs" / "existing-project.md").read_text()

# As `alembic init` writes it, with the project's URL and tables.
ENV = """
from alembic import context
from sqlalchemy import create_engine

from main import Base

with create_engine("sqlite:///shop.db").connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = {names}


def upgrade():
    {step}
"""

STEPS = {
    "2b9d1f0c44aa": "op.create_table('products', sa.Column('id', sa.Integer, primary_key=True))",
    "5c1e2a7b90d4": "op.add_column('products', sa.Column('name', sa.String(80)))",
}

REQUESTS = """
import asyncio

from fastapi.testclient import TestClient

from main import AsyncSession, app, get_session, names

with TestClient(app) as client:
    assert client.post("/products?name=lamp").json() == 1
    assert client.get("/products/1").json() == "lamp"
    assert client.get("/products/2").status_code == 404

    class Fake:
        async def get(self, _kind, _key):
            return type("Chair", (), {"name": "chair"})

    app.dependency_overrides[get_session] = Fake
    assert client.get("/products/1").json() == "chair"
assert asyncio.run(names()) == ["lamp"]
"""


@pytest.mark.long
def test_an_existing_project_is_adopted(runner: Runner, tmp_path: Path) -> None:
    """Its routes answer; its revisions run by its env.py, and then the page's commands say so."""
    (source,) = re.findall(r"```python\n(.*?)```", EXISTING, re.DOTALL)
    folder = tmp_path / "project"
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    changed = source.replace(", unique=True", "").replace("Mapped[str] =", "Mapped[str | None] =")
    (folder / "main.py").write_text(
        changed.replace("Base.metadata)", "Base.metadata, schema='migrate')")
    )
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n")
    (folder / "alembic" / "env.py").write_text(ENV)
    for (name, step), down in zip(STEPS.items(), (None, *STEPS), strict=False):
        names = f"{name!r}, {down!r}"
        (versions / f"{name}.py").write_text(REVISION.format(names=names, step=step))
    runner.run(f"import sys; sys.path.insert(0, '')\n{REQUESTS}", folder)
    (block,) = re.findall(r"```console\n(.*?)```", EXISTING, re.DOTALL)
    for command, shown in re.findall(r"\$ (.*)\n((?:[^$].*\n)*)", block):
        runner.run(COMMAND.format(words=shlex.split(command)), folder)
        assert (folder / "said").read_text() == shown


def test_every_verb_is_on_the_page() -> None:
    """The table has each command of `ormolu db`, and no other."""
    source = (ROOT / "src" / "ormolu" / "cli" / "_db.py").read_text()
    verbs = set(re.findall(r"@db_commands.command\(\)\ndef (\w+)", source))
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `ormolu"))
    assert set(re.findall(r"`ormolu db (\w+)", table)) == verbs
