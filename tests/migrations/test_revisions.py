"""From nothing to two revisions and back, on every backend, inside a running loop."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import Column, Integer, MetaData, Table

from ormolu import ConfigurationError, SchemaMismatchError
from tests.migrations.conftest import Project, first_tables, second_tables

ROWS = (
    "INSERT INTO labels (id, color, made_at) VALUES (1, 'red', '2026-01-01 00:00:00')",
    "INSERT INTO task_labels (id, label_id) VALUES (1, 1)",
)


@pytest.mark.long
async def test_two_revisions_there_and_back(project: Project) -> None:
    """Each step is what the models say, and no row of another table is lost."""
    await project.revise()
    for row in ROWS:
        await project.ask(row)
    await project.revise(second_tables(), "longer colors")
    migrations = project.migrations(second_tables())
    await migrations.check()
    assert await project.tables() >= {"users", "labels", "ormolu_idempotency"}
    await migrations.downgrade("-1")
    assert "users" not in await project.tables()
    assert await project.ask("SELECT count(*) FROM task_labels") == 1
    await project.migrations().upgrade("+1")
    await migrations.downgrade("base")
    assert await project.tables() == {"alembic_version"}
    verbs = [line.split()[0] for line in project.said]
    assert verbs == ["upgraded", "upgraded", "downgraded", "upgraded", "downgraded", "downgraded"]


@pytest.mark.long
async def test_revision_names_our_types_as_programs_do(project: Project) -> None:
    """The file has the public name and its import, none of what models note at their tables."""
    source = (await project.revise()).read_text()
    assert "import ormolu\n" in source
    assert "sa.Column('made_at', ormolu.UTCDateTime(), nullable=False)" in source
    assert "ormolu.models" not in source
    assert "info=" not in source


@pytest.mark.long
async def test_nothing_to_do_is_said_by_check(project: Project) -> None:
    """check passes after upgrade; and fails for a model that changed, and for a second head."""
    await project.revise()
    await project.migrations().check()
    with pytest.raises(CommandError, match="New upgrade operations"):
        await project.migrations(second_tables()).check()
    first = next(Path("migrations/versions").glob("*.py")).name[:12]
    for name in ("aaaa", "bbbb"):
        source = f"revision, down_revision = '{name}', '{first}'\n"
        empty = "def upgrade(): ...\n\n\ndef downgrade(): ...\n"
        Path(f"migrations/versions/{name}.py").write_text(f"{source}\n\n{empty}")
    with pytest.raises(CommandError, match="several heads: aaaa, bbbb"):
        await project.migrations().check()
    await project.migrations().merge("one again")
    await project.migrations().upgrade()
    await project.migrations().check()


@pytest.mark.long
async def test_unknown_tables_stay(project: Project) -> None:
    """A table that no model maps is reported and stays, unless its end is asked for; ours stay."""
    both = first_tables()
    Table("strangers", both, Column("id", Integer, primary_key=True))
    await project.revise(both)
    few = MetaData()
    for name in ("labels", "task_labels"):
        first_tables().tables[name].to_metadata(few)
    assert "drop_table" not in (await project.revise(few)).read_text()
    assert any('"strangers" is mapped by no model' in line for line in project.said)
    (path,) = await project.migrations(few).revision("fewer", allow_drop=True)
    source = path.read_text()
    assert "op.drop_table('strangers')" in source
    assert "ormolu_idempotency" not in source


@pytest.mark.long
async def test_texts(project: Project) -> None:
    """current, history and sql return what Alembic prints; sql runs nothing."""
    path = await project.revise(message="first tables")
    revision = path.name.split("_")[0]
    await project.migrations().downgrade("-1")
    migrations = project.migrations()
    assert await migrations.current() == ""
    assert f"<base> -> {revision} (head), first tables" in await migrations.history()
    assert "CREATE TABLE labels" in await migrations.sql()
    assert "DROP TABLE labels" in await migrations.sql(f"{revision}:base", is_downgrade=True)
    assert await project.tables() == {"alembic_version"}
    await migrations.stamp("head")
    assert await migrations.current() == f"{revision} (head)\n"
    assert await project.tables() == {"alembic_version"}


@pytest.mark.long
async def test_start_migrates(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """schema="migrate" brings a database up at start, and a second start has nothing to do."""
    await project.revise()
    await project.migrations().downgrade("base")
    caplog.set_level(logging.INFO, "ormolu")
    for _ in range(2):
        async with project.database(schema="migrate") as db:
            await db.ping()
    assert len([line for line in caplog.messages if line.startswith("upgraded")]) == 1


@pytest.mark.long
async def test_verify_says_by_which_revisions(project: Project) -> None:
    """A start that only looks refuses a database that is behind, and one that is ahead."""
    first = await project.revise(message="first tables")
    second = await project.revise(second_tables(), "more")
    async with project.database(second_tables(), schema="verify"):
        pass
    hidden = second.with_suffix(".hidden")
    second.rename(hidden)
    name = second.name.split("_")[0]
    for schema in ("verify", "migrate"):
        with pytest.raises(SchemaMismatchError, match=f"has the revision {name}.*newer code"):
            await project.database(schema=schema).open()
    hidden.rename(second)
    await project.migrations().downgrade("base")
    with pytest.raises(SchemaMismatchError) as caught:
        await project.database(schema="verify").open()
    assert [first.name[:12] in each for each in caught.value.differences] == [True, False]
    assert '"more" was not applied' in caught.value.differences[1]


@pytest.mark.long
async def test_several_at_once_in_one_process(project: Project) -> None:
    """Alembic has one `op` for a process, so its calls take turns; the loop runs on meanwhile."""
    await project.revise()
    await project.migrations().downgrade("base")
    await asyncio.gather(*(project.migrations().upgrade() for _ in range(3)))
    assert len([line for line in project.said if line.startswith("upgraded")]) == 2


async def test_missing_folder_is_told(project: Project) -> None:
    """A project without a folder is told how to make one."""
    Path("migrations/versions").rmdir()
    with pytest.raises(ConfigurationError, match="ormolu db init"):
        await project.migrations().revision("a")
    with pytest.raises(ConfigurationError, match="ormolu db init"):
        await project.migrations().verify()
