"""Projects that have Alembic's files: ours and plain `alembic` both use them as they are."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from ormolu import SchemaMismatchError
from ormolu.migrations._logging import keeping_loggers
from ormolu.testing._copies import Workshop
from tests.migrations.conftest import Project

# As `alembic init -t async` writes it, with two lines that docs/migrations.md tells.
ENV = """
import asyncio
from logging.config import fileConfig

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from ormolu import Database
from ormolu.migrations import options
from tests.migrations.conftest import {tables}

fileConfig(context.config.config_file_name)
db = Database({url!r}, metadata={tables}())


def do_run_migrations(connection):
    context.configure(connection=connection, **options(db))
    with context.begin_transaction():
        context.run_migrations()


async def run_async_migrations():
    engine = create_async_engine(db.url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(do_run_migrations)
    await engine.dispose()


asyncio.run(run_async_migrations())
"""

INI = """
[alembic]
script_location = %(here)s/alembic
path_separator = os

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
"""


def adopt(project: Project, tables: str = "first_tables", *, toml: bool = False) -> Config:
    """Make Alembic's files, in one of their two forms."""
    Path("migrations/versions").rmdir()
    Path("migrations").rmdir()
    Path("alembic/versions").mkdir(parents=True)
    Path("alembic/script.py.mako").write_text(
        Path(command.__file__).with_name("templates").joinpath("async/script.py.mako").read_text()
    )
    env = ENV.format(url=project.url, tables=tables)
    Path("alembic/env.py").write_text(env.replace("fileConfig(", "# ") if toml else env)
    if toml:
        Path("pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/alembic"\n')
        return Config(toml_file="pyproject.toml")
    Path("alembic.ini").write_text(INI)
    return Config("alembic.ini")


def add_revisions(count: int) -> None:
    """Write old revisions by hand, each of which makes a table."""
    for number in range(count):
        down = repr(f"r{number - 1}") if number else None
        Path(f"alembic/versions/r{number}.py").write_text(
            f"from alembic import op\nimport sqlalchemy as sa\nrevision = 'r{number}'\n"
            f"down_revision = {down}\n\n\ndef upgrade():\n"
            f"    op.create_table('t{number}', sa.Column('id', sa.Integer, primary_key=True))\n\n\n"
            f"def downgrade():\n    op.drop_table('t{number}')\n"
        )


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Plain Alembic silences the loggers of all tests after these."""
    with keeping_loggers():
        yield


@pytest.mark.long
@pytest.mark.parametrize("toml", [False, True])
async def test_folder_of_twenty_revisions_is_adopted(project: Project, *, toml: bool) -> None:
    """Its own env.py and revisions run from within a loop, and no logger is silenced."""
    adopt(project, toml=toml)
    add_revisions(20)
    handlers = logging.getLogger().handlers[:]
    await project.migrations().upgrade("r9")
    async with project.database(schema="ignore") as db:
        await db.migrations.upgrade("r18")
    assert {f"t{number}" for number in range(19)} < await project.tables()
    await project.migrations().upgrade()
    await project.migrations().verify()
    assert "r19 (head)" in await project.migrations().current()
    assert not logging.getLogger("ormolu").disabled
    assert logging.getLogger().handlers == handlers


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_table_of_revisions_has_another_name(project: Project) -> None:
    """What the database has is read where the project's env.py keeps it."""
    adopt(project, toml=True)
    env = Path("alembic/env.py").read_text()
    Path("alembic/env.py").write_text(
        env.replace("connection=connection, ", 'connection=connection, version_table="done", ')
    )
    add_revisions(2)
    await project.migrations().upgrade("r0")
    with pytest.raises(SchemaMismatchError, match="Revision r1"):
        await project.migrations().verify()
    await project.migrations().upgrade()
    await project.migrations().verify()
    assert "alembic_version" not in await project.tables()


@pytest.mark.long
async def test_copies_of_tests_are_made_without_an_own_env(project: Project) -> None:
    """The project's env.py connects to the project's database, which no test opens."""
    adopt(project)
    add_revisions(3)
    server = None if project.url.startswith("sqlite") else project.url
    workshop, db = Workshop(server), project.database(sa.MetaData(), schema="migrate")
    with workshop.databases([db.migrations.engines], None):
        assert "r2 (head)" in await db.migrations.current()
        await db.migrations.verify()
        async with db, db.engine.connect() as connection:
            assert (await connection.scalars(sa.text("SELECT id FROM t2"))).all() == []
    workshop.close()
    assert await project.tables() == set()


@pytest.mark.long
async def test_env_that_does_not_ask_for_options_is_told(project: Project) -> None:
    """Alembic alone finds less; a rename is not silently a drop and an add."""
    adopt(project)
    env = Path("alembic/env.py").read_text()
    Path("alembic/env.py").write_text(env.replace("**options(db)", "target_metadata=db.metadata"))
    (path,) = await project.migrations().revision("first")
    assert any("does not use ormolu.migrations.options" in line for line in project.said)
    path.unlink()
    with pytest.raises(CommandError, match="does not use"):
        await project.migrations().revision("names", renames={"labels.color": "colour"})
    assert list(Path("alembic/versions").glob("*.py")) == []


@pytest.mark.long
async def test_own_filter_may_leave_constraints_alone(project: Project) -> None:
    """A CHECK that no model has stays where the project's `include_object` says so."""
    adopt(project, toml=True)
    env = Path("alembic/env.py").read_text()
    own = (
        "**{**options(db), 'include_object': lambda *it: it[2] != 'check_constraint' "
        "and options(db)['include_object'](*it)}"
    )
    Path("alembic/env.py").write_text(env.replace("**options(db)", own))
    await project.revise()
    rule = "create_check_constraint('c', 'color IS NOT NULL')"
    source = f"with op.batch_alter_table('labels') as batch: batch.{rule}"
    (path,) = await project.migrations().revision("check", empty=True)
    path.write_text(path.read_text().replace("pass", source, 1))
    await project.migrations().upgrade()
    await project.migrations().check()


@pytest.mark.long
async def test_plain_alembic_with_two_lines(project: Project) -> None:
    """`alembic revision --autogenerate` and `alembic upgrade` do right, and lose no row."""
    config = adopt(project, toml=True)
    await asyncio.to_thread(command.revision, config, "first", autogenerate=True)
    await asyncio.to_thread(command.upgrade, config, "head")
    (source,) = [path.read_text() for path in Path("alembic/versions").glob("*_first.py")]
    assert "import ormolu\n" in source
    assert not re.search(r"ormolu\.models|info=", source)
    await project.ask("INSERT INTO labels VALUES (1, 'red', '2026-01-01 00:00:00')")
    await project.ask("INSERT INTO task_labels VALUES (1, 1)")
    env = Path("alembic/env.py").read_text()
    Path("alembic/env.py").write_text(env.replace("first_tables", "second_tables"))
    await asyncio.to_thread(command.revision, config, "second", autogenerate=True)
    (source,) = [path.read_text() for path in Path("alembic/versions").glob("*_second.py")]
    # The longer column alone: a new table would be a write before the batch.
    kept = re.sub(r"    op\.create_table\('users'.*?\n    \)\n", "", source, flags=re.DOTALL)
    (path,) = Path("alembic/versions").glob("*_second.py")
    path.write_text(kept.replace("    op.drop_table('users')\n", ""))
    await asyncio.to_thread(command.upgrade, config, "head")
    assert await project.ask("SELECT count(*) FROM task_labels") == 1
    await asyncio.to_thread(command.downgrade, config, "-1")
    assert await project.ask("SELECT count(*) FROM task_labels") == 1


@pytest.mark.backends("mariadb")
async def test_plain_alembic_that_fails_leaves_a_report(project: Project) -> None:
    """Its own env.py is enough; `ormolu db` says what is stored, and the next run forgets it."""
    config = adopt(project)
    env = Path("alembic/env.py").read_text()
    table = "connection=connection, version_table='versions', "
    Path("alembic/env.py").write_text(env.replace("connection=connection, ", table))
    add_revisions(2)
    path = Path("alembic/versions/r1.py")
    source = path.read_text()
    path.write_text(
        source.replace("'t1'", "'t0'", 1).replace("op.c", "op.execute('SELECT 1')\n    op.c")
    )
    await asyncio.to_thread(command.upgrade, config, "r0")
    assert "stopped" not in await project.migrations().current()
    with pytest.raises(DBAPIError):
        await asyncio.to_thread(command.upgrade, config, "head")
    told = await project.migrations().current()
    assert "The upgrade of revision r1 stopped half-way" in told
    assert re.findall(r"  (\w+) +alembic/versions/r1.py:\d+: (CREATE TABLE t0)", told) == [
        ("running", "CREATE TABLE t0")
    ]
    path.write_text(source)
    with pytest.raises(CommandError, match="stopped half-way"):
        await project.migrations().upgrade()
    await asyncio.to_thread(command.upgrade, config, "head")
    assert "stopped" not in await project.migrations().current()
    await project.migrations().verify()
