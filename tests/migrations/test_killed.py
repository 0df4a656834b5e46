"""A migration that is killed in its middle: nothing is left, or it is said what is."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ormolu import SchemaMismatchError
from tests.integration.subprocesses import ROOT
from tests.migrations.conftest import Project

PROGRAM = Path(__file__).parent / "programs" / "killed.py"

# Undone by hand what was stored, where MENDED is set.
REVISION = '''
"""some notes"""

import os
import signal

import sqlalchemy as sa
from alembic import op

revision, down_revision = "notes", None


def reach(place):
    if os.environ.get("KILLED_AT") == place:
        os.kill(os.getpid(), signal.SIGKILL)


def upgrade():
    if "MENDED" in os.environ:
        op.execute("DROP TABLE IF EXISTS marks")
        op.execute("DROP TABLE IF EXISTS notes")
    reach("1")
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))
    reach("2")
    for number in range(1, 4):
        op.execute(f"INSERT INTO notes VALUES ({number})")
    reach("3")
    op.add_column("notes", sa.Column("title", sa.String(9), server_default="it's"))
    op.execute("UPDATE notes SET title = 'new' WHERE id = 1")
    reach("4")
    op.create_table("marks", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO marks VALUES (1)")
    reach("5")


def downgrade():
    op.drop_table("marks")
    reach("back")
    op.drop_table("notes")
'''

WAITING = """
from alembic import op
revision, down_revision = "one", None

def upgrade():
    op.execute("ALTER TABLE notes ADD COLUMN title INT")
"""

WAITS = """
SELECT id FROM information_schema.processlist
WHERE db = DATABASE() AND info LIKE 'ALTER TABLE notes%' AND state LIKE 'Waiting%metadata lock%'
"""

LOCKING = """
from alembic import op
revision, down_revision = "half", None

def upgrade():
    op.execute("CREATE TABLE notes (id INT)")
    op.execute("LOCK TABLES notes WRITE")
    op.execute("ALTER TABLE notes ADD COLUMN title INT")
    op.execute("UNLOCK TABLES")
    for _ in range(2):
        op.execute("INSERT INTO notes (id) VALUES (1)")
    op.execute("DO 1")
    op.execute("CREATE TABLE marks (id INT)")
    op.execute("CREATE TABLE marks (id INT)")
"""

STORED = {
    "1": [],
    "2": ["CREATE TABLE notes"],
    "3": ["CREATE TABLE notes"],
    "4": ["CREATE TABLE notes", "INSERT INTO notes VALUES (1)", "INSERT INTO notes VALUES (2)",
          "INSERT INTO notes VALUES (3)", "ALTER TABLE notes"],
    "5": ["CREATE TABLE notes", "INSERT INTO notes VALUES (1)", "INSERT INTO notes VALUES (2)",
          "INSERT INTO notes VALUES (3)", "ALTER TABLE notes", "UPDATE notes",
          "CREATE TABLE marks"],
    "back": ["DROP TABLE marks"],
}  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.backends("sqlite", "asyncpg", "mariadb")
def test_killed_migration_leaves_nothing_or_is_told(project: Project) -> None:
    """At each of its steps: what the next `upgrade` and `current` say, and that it then goes on."""
    Path("migrations/versions/notes.py").write_text(REVISION.lstrip())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", PROGRAM, project.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    rounds = re.findall(r"# (\w+): -9\n(.*?)# mended\n(.*?)# over", done.stdout, re.DOTALL)
    assert [place for place, *_ in rounds] == list(STORED), done.stdout
    for place, said, mended in rounds:
        # `upgrade`, or `downgrade`, and `current` say the same.
        stored = STORED[place] * 2 if project.url.startswith("m") else []
        found = re.findall(r"  done    migrations/versions/notes.py:\d+: (.*)", said)
        assert len(found) == len(stored), said
        assert all(map(str.startswith, found, stored)), said
        assert ("stopped half-way" in said) is bool(stored)
        assert mended.count("upgraded notes") == mended.count("downgraded notes") == 1


@pytest.mark.backends("mariadb")
async def test_statement_that_ran_is_told_apart(project: Project) -> None:
    """Whether it was done, a runner that loses its connection does not know."""
    Path("migrations/versions/one.py").write_text(WAITING)
    await project.ask("CREATE TABLE notes (id INT)")
    migrations = project.migrations()
    async with project.database() as db, db.engine.connect() as holder, db.engine.connect() as own:
        await holder.execute(text("SELECT * FROM notes"))
        upgrading = asyncio.create_task(migrations.upgrade())
        victim = None
        while victim is None:
            found = await own.execute(text(WAITS))
            victim = found.scalar()
        # It has not stopped: it holds the lock.
        with pytest.raises(SchemaMismatchError, match="was not applied"):
            await migrations.verify()
        await own.execute(text(f"KILL {victim}"))
        with pytest.raises(DBAPIError):
            await upgrading
    (line,) = [each for each in project.said if each.startswith("  running")]
    assert line.endswith("ALTER TABLE notes ADD COLUMN title INT")
    assert "ormolu db sql base:one shows it all" in project.said[-2]
    assert project.said[-2].endswith("ormolu db stamp one")
    assert project.said[-1].endswith("ormolu db stamp base")
    with pytest.raises(SchemaMismatchError, match="stopped half-way"):
        await migrations.verify()
    with pytest.raises(CommandError, match=r"running migrations/versions/one.py:6: ALTER"):
        await migrations.upgrade()
    await migrations.stamp("base")
    await migrations.upgrade()
    await migrations.verify()


@pytest.mark.backends("mariadb")
async def test_lock_of_a_table_is_not_waited_for_long(project: Project) -> None:
    """All others would wait behind the migration; it is refused, and nothing of it is there."""
    Path("migrations/versions/one.py").write_text(WAITING)
    await project.ask("CREATE TABLE notes (id INT)")
    db = project.database(lock_timeout=1)
    migrations = type(db.migrations)(db.migrations.engines, project.said.append)
    async with project.database() as other, other.engine.connect() as holder:
        await holder.execute(text("SELECT * FROM notes"))
        with pytest.raises(DBAPIError, match="1205"):
            await migrations.upgrade()
    assert project.said == []
    await migrations.upgrade()


@pytest.mark.backends("mariadb")
async def test_steps_of_revisions_without_their_files(project: Project) -> None:
    """They are told, a loop as one; what was done while tables were locked is not known."""
    path = Path("migrations/versions/half.py")
    path.write_text(LOCKING)
    with pytest.raises(DBAPIError):
        await project.migrations().upgrade()
    path.unlink()
    told = await project.migrations().current()
    assert "The upgrade of revision half stopped half-way" in told
    assert re.findall(r"  done .*: (\w+)", told) == ["CREATE", "INSERT", "DO", "CREATE"]
    assert "stamp half" in told


@pytest.mark.backends("mariadb")
async def test_stamp_needs_no_notes(project: Project) -> None:
    """A database that never ran a revision is stamped, and gets no table for them."""
    Path("migrations/versions/one.py").write_text(WAITING)
    await project.migrations().stamp("one")
    names = await project.look(lambda inspector: inspector.get_table_names())
    assert names == ["alembic_version"]
