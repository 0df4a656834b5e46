"""The kit's fixtures, in a project of their own, under the plugins that run asynchronous tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from ormolu import ConfigurationError, Database, UsageError
from ormolu.testing._copies import Workshop
from ormolu.testing._rewriting import leave_unwritten
from tests.testing.project.main import Base

PROJECT = Path(__file__).parent / "project"
_TESTS = 17

_ANYIO = ("-o", "anyio_mode=auto", "-p", "no:asyncio")
_SCOPE = ("-o", "anyio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function")
_STRICT = ("-o", "asyncio_mode=strict", *_SCOPE)
_AUTO = ("-o", "asyncio_mode=auto", *_SCOPE)
_SESSION_LOOP = (*_AUTO, "-o", "asyncio_default_test_loop_scope=session")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the project, which has settings of its own."""
    for name in ("main", "conftest", "behaviour"):
        text = (PROJECT / f"{name}.py").read_text()
        (tmp_path / f"{name}.py").write_text(text.replace("tests.testing.project.main", "main"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return tmp_path


def run_project(folder: Path, *options: str, url: str = "sqlite:///real.db") -> str:
    """Run the project's tests, and return what pytest said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "behaviour.py", "-v", "-p", "no:schemathesis",
         "-p", "no:hypothesispytest", *options],
        check=False, capture_output=True, text=True, cwd=folder,
        env={**os.environ, "PROJECT_URL": url},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" {_TESTS} passed" in done.stdout, done.stdout
    (said,) = re.findall("^ormolu: .*", done.stdout, re.MULTILINE)
    return str(said)


@pytest.mark.long
@pytest.mark.parametrize("mode", [(*_ANYIO, "-n", "2"), _SESSION_LOOP], ids=["anyio", "auto"])
def test_sqlite(folder: Path, mode: tuple[str, ...]) -> None:
    """Tests have copies of a SQLite file, in any order, by two processes; it says so with -v."""
    assert run_project(folder, *mode) == "ormolu: 16 tests, each on a copy of a SQLite file"
    assert not (folder / "real.db").exists()


@pytest.mark.long
def test_strict_mode_on_postgresql(folder: Path) -> None:
    """pytest-asyncio's strict mode, and copies of a template on a server that the run starts."""
    text = (folder / "behaviour.py").read_text()
    strict = re.sub("^async def", "@pytest.mark.asyncio\nasync def", text, flags=re.MULTILINE)
    (folder / "behaviour.py").write_text(strict)
    url = "postgresql://somebody@nowhere.invalid/towns"
    said = run_project(folder, *_STRICT, url=url)
    assert (
        said == "ormolu: 16 tests, each on a copy of a PostgreSQL database on a server of this run"
    )


@pytest.mark.backends("mariadb")
def test_a_server_that_is_named(folder: Path, database_url: str) -> None:
    """On a server of one's own databases are made beside the one that is named, and dropped."""
    said = run_project(folder, *_ANYIO, "--database-url", database_url)
    assert said.startswith("ormolu: 16 tests, each on a copy of a ")
    assert said.endswith(" on the server that was named")


@pytest.mark.backends("psycopg")
async def test_copies_on_a_named_postgresql(database_url: str) -> None:
    """Databases are made beside the one that is named, and are gone with the run."""
    workshop = Workshop(database_url)
    engines = Database("sqlite://", metadata=Base.metadata).migrations.engines
    with workshop.databases([engines], None) as kinds:
        assert kinds == ["a copy of a PostgreSQL database on the server that was named"]
        assert engines.url.get_driver_name() == "psycopg"
        await engines.open()
        names = await _names_beside(database_url)
        await engines.close()
    workshop.close()
    assert len(names) >= 3
    assert await _names_beside(database_url) == [make_url(database_url).database]


async def _names_beside(url: str) -> list[str]:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        asked = text("SELECT datname FROM pg_database WHERE datname LIKE current_database() || '%'")
        return list(await connection.scalars(asked))


def test_what_has_no_server_is_said() -> None:
    """There is no server for MariaDB to start; one has to be named."""
    engines = Database("mariadb://u@h/d", metadata=Base.metadata).migrations.engines
    databases = Workshop(None).databases([engines], None)
    with pytest.raises(ConfigurationError, match="--database-url mariadb://"), databases:
        pass


def test_driver_that_is_not_installed_is_named() -> None:
    """With what installs it, as an application is told."""
    engines = Database("sqlite://", metadata=Base.metadata).migrations.engines
    databases = Workshop("mysql+aiomysql://u@h/d").databases([engines], None)
    with pytest.raises(ConfigurationError, match=r"\"aiomysql\" is not installed"), databases:
        pass


async def test_an_open_database_does_not_move() -> None:
    """What was opened before the fixture says so, instead of staying where it was."""
    async with Database("sqlite://", metadata=Base.metadata) as database:
        databases = Workshop(None).databases([database.migrations.engines], None)
        with pytest.raises(UsageError, match="ask for the fixture `database` first"), databases:
            pass


@pytest.mark.long
def test_alembic_is_not_needed(folder: Path) -> None:
    """A project without migrations has not installed it."""
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['alembic'] = None\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        run_project(folder, *_ANYIO)


@pytest.mark.long
def test_leaks(folder: Path) -> None:
    """With the option a test that leaves something behind has an error that says what."""
    text = (PROJECT / "leaks.py").read_text()
    (folder / "leaks.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "leaks.py", "--fail-on-leaks", *_ANYIO, "-W", "default",
         "-p", "no:schemathesis", "-p", "no:hypothesispytest"],
        check=False, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    assert "4 passed, 3 errors" in done.stdout, done.stdout
    assert "1 connections are in use" in done.stdout
    assert "a task is not done: sleep" in done.stdout
    assert "a thread runs: waiter" in done.stdout


def test_our_modules_are_not_written_anew(pytestconfig: pytest.Config) -> None:
    """pytest leaves the assertions of our package as they are, where it would rewrite them."""
    manager: Any = pytestconfig.pluginmanager
    manager.rewrite_hook.mark_rewrite("ormolu")
    leave_unwritten(manager)
    assert "ormolu" not in manager.rewrite_hook._must_rewrite
    leave_unwritten(object())
