"""One runner at a time, what a revision must not leave behind, and what has to be installed."""

from __future__ import annotations

import importlib
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from ormolu import ConfigurationError, Database, OverloadedError
from ormolu.backends import Backend, backend_of
from ormolu.migrations import _migrations, find_place
from tests.migrations.conftest import Project, first_tables

# Deletes rows that others refer to, where foreign keys are held off.
HARMFUL = """
from alembic import op
revision, down_revision = "harm", {down!r}


def upgrade():
    op.execute("DELETE FROM labels")
"""


@pytest.mark.long
async def test_one_waits_for_another(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second says so, and gives up in the end."""
    await project.revise()
    monkeypatch.setattr(_migrations, "_PATIENCE", 0)
    engine = project.migrations().engines.make_engine()
    async with backend_of(engine.dialect).migration_lock(engine) as is_mine:
        assert is_mine
        with pytest.raises(OverloadedError, match="Another process has migrated"):
            await project.migrations().upgrade()
    assert project.said[-1] == "another process migrates this database; waiting for it"
    await project.migrations().upgrade()
    await engine.dispose()


HALF = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "half", None


def upgrade():
    op.create_table("done", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("ALTER TABLE missing ADD COLUMN a INT")
"""


async def test_revision_that_fails_leaves_nothing_or_is_told(project: Project) -> None:
    """What cannot be undone is named, with how to go on; which then works."""
    path = Path("migrations/versions/half.py")
    path.write_text(HALF)
    with pytest.raises(DBAPIError):
        await project.migrations().upgrade()
    if not project.url.startswith("m"):
        assert "done" not in await project.tables()
        assert project.said == []
        return
    assert "done" in await project.tables()
    assert "The upgrade of revision half stopped half-way" in project.said[0]
    assert [each for each in project.said if "CREATE TABLE done" in each or "ALTER" in each] == [
        project.said[0],
        project.said[1],
    ]
    assert "run: ormolu db stamp half" in project.said[-2]
    await project.migrations().stamp("half")
    await project.migrations().verify()


@pytest.mark.long
@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("driver", ["ormolu", "aiosqlite"])
async def test_revision_may_leave_no_row_alone(project: Project, driver: str) -> None:
    """A migration after which a foreign key leads nowhere is rolled back, by either driver."""
    first = await project.revise()
    await project.ask("INSERT INTO labels VALUES (1, 'red', '2026-01-01 00:00:00')")
    await project.ask("INSERT INTO task_labels VALUES (1, 1)")
    source = HARMFUL.format(down=first.name[:12])
    Path("migrations/versions/harm.py").write_text(source)
    project.url = project.url.replace("sqlite:", f"sqlite+{driver}:")
    with pytest.raises(IntegrityError, match="rows of task_labels that refer to no row of labels"):
        await project.migrations().upgrade()
    assert await project.ask("SELECT count(*) FROM labels") == 1
    assert "harm" not in await project.migrations().current()


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_lock_file_that_cannot_be_made_is_an_error(project: Project) -> None:
    """Without a lock nothing is migrated."""
    await project.revise()
    path = Path(project.url.removeprefix("sqlite:///") + "-migrating")
    journal = path.with_name(f"{path.name}-journal")
    journal.mkdir()
    with pytest.raises(sqlite3.OperationalError):
        await project.migrations().upgrade()


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_database_in_memory_is_migrated(project: Project) -> None:
    """A database that ends with its object takes the revisions of the project at each start."""
    await project.revise()
    async with Database("sqlite://", metadata=first_tables(), schema="migrate") as db:
        await db.ping()
        assert "(head)" in await db.migrations.current()


async def test_any_other_backend_has_no_lock() -> None:
    """What is not known of a backend is not asked of it."""
    async with Backend().migration_lock(create_async_engine("sqlite+ormolu://")) as is_mine:
        assert is_mine


def test_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that the program names goes before the files of Alembic's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alembic.ini").touch()
    assert find_place(None).ini == tmp_path / "alembic.ini"
    assert find_place("second").versions == tmp_path / "second" / "versions"
    (tmp_path / "alembic.ini").unlink()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert find_place(None).versions == tmp_path / "migrations" / "versions"


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Alembic the error says what to install; another missing package is no such error."""
    cases = (
        ("alembic", ConfigurationError, r"pip install 'ormolu\[migrations\]'"),
        ("alembic.script", ModuleNotFoundError, "alembic.script"),
    )
    for missing, error, words in cases:
        monkeypatch.delitem(sys.modules, "ormolu.migrations._migrations", raising=False)
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(error, match=words):
            importlib.import_module("ormolu.migrations._migrations")
        monkeypatch.undo()
