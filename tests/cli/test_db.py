"""`ormolu db`: how it finds the database, what it prints, and its exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ormolu.cli._main import main
from ormolu.discovery import find_engines, load_application
from ormolu.errors import ConfigurationError
from ormolu.web import attached_engines

MODELS = """
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column
from ormolu import Database, Model

class Base(Model):
    __abstract__ = True
    metadata = MetaData()

class Hero(Base):
    __tablename__ = "heroes"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
DATABASE = 'db = Database("sqlite:///app.db", metadata=Base.metadata)\n'
ATTACHED = (
    "from fastapi import FastAPI\napp = FastAPI()\n"
    'Database("sqlite:///app.db", metadata=Base.metadata).attach(app)\n'
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, whose modules are forgotten at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def run(*words: str) -> int:
    """Run the command, and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ormolu", "db", *words])
        with pytest.raises(SystemExit) as caught:
            main()
    return int(caught.value.code or 0)


@pytest.mark.long
def test_from_nothing_to_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb says what it did, in the form of the command's user."""
    (folder / "main.py").write_text(MODELS + DATABASE)
    assert run("upgrade") == 1
    assert "Run: ormolu db init" in capsys.readouterr().err
    for words in (["init"], ["revision", "-m", "heroes"], ["upgrade"], ["current"], ["history"],
                  ["check"], ["sql"], ["stamp"], ["downgrade"]):  # fmt: skip
        assert run(*words) == 0
    said = capsys.readouterr().out
    for told in ("made migrations/versions\n", "wrote migrations/versions/", "upgraded ", "(head)",
                 "match.", "CREATE TABLE heroes", "downgraded "):  # fmt: skip
        assert told in said
    assert "Generating" not in said
    assert run("check") == 1
    assert "was not applied" in capsys.readouterr().err
    for name in ("one", "two"):
        assert run("stamp") == 0
        assert run("revision", "--empty", "-m", name) == 0
        path = next(folder.glob(f"migrations/versions/*_{name}.py"))
        first = next(folder.glob("migrations/versions/*_heroes.py")).name[:12]
        text = path.read_text()
        down = text.split("\ndown_revision")[1].split("\n")[0]
        path.write_text(text.replace(down, f": str = '{first}'"))
        if name == "one":
            path.rename(folder / "one.hidden")
            assert run("stamp", "--purge") == 0
    (folder / "one.hidden").rename(folder / "migrations/versions/one.py")
    assert run("check") == 1
    assert "several heads" in capsys.readouterr().err
    assert run("merge") == 0
    assert run("revision", "-m", "a", "--rename", "name:other") == 1
    assert "write --rename table.old:new" in capsys.readouterr().err
    assert run("upgrade", "nowhere") == 1
    assert "Can't locate revision" in capsys.readouterr().err


PLACES = {
    "pyproject.toml": ("shop/core.py", '[tool.fastapi]\nentrypoint = "shop.core:app"\n', ATTACHED),
    "main.py": ("main.py", "", ATTACHED),
    "app/main.py": ("app/main.py", "[tool.other]\n", ATTACHED),
    "db.py": ("db.py", "", DATABASE),
}


@pytest.mark.parametrize("place", PLACES)
def test_database_is_found(place: str, folder: Path) -> None:
    """By pyproject.toml, else where FastAPI looks, or where a Database often is."""
    name, project, source = PLACES[place]
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(MODELS + source)
    if project:
        (folder / "pyproject.toml").write_text(project)
    assert find_engines(None).url.database == str(folder / "app.db") or "app.db"


def test_database_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--app takes an application, Database or module; what is wrong ends with exit code 2."""
    (folder / "two.py").write_text(MODELS + DATABASE + DATABASE.replace("db =", "other ="))
    (folder / "one.py").write_text(MODELS + ATTACHED)
    assert find_engines("two:other") is not find_engines("two:db")
    assert find_engines("one:app") is find_engines("one")
    for words, told in (((), "No application"), (("--app", "two"), "several databases"),
                        (("--app", "two:nothing"), "no database"),
                        (("--app", "gone:app"), "no module 'gone'")):  # fmt: skip
        assert run("current", *words) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(ConfigurationError):
        find_engines(None)


FACTORY = """
from fastapi import FastAPI

def make_app(url="sqlite:///app.db"):
    app = FastAPI()
    Database(url).attach(app)
    return app


def make_for(tenant, *, url):
    return make_app(url)
"""


@pytest.mark.parametrize("name", ["make_app", "make_app()"])
def test_application_that_a_function_makes(name: str, folder: Path) -> None:
    """--app takes a function, as servers do with --factory, and calls it."""
    (folder / "made.py").write_text(MODELS + FACTORY)
    assert find_engines(f"made:{name}").url.database == "app.db"
    assert attached_engines(load_application(f"made:{name}")) != []


@pytest.mark.parametrize("find", [find_engines, load_application])
def test_function_that_needs_arguments(find: Any, folder: Path) -> None:
    """A function that cannot be called without arguments is told so, with what to write."""
    (folder / "made.py").write_text(MODELS + FACTORY)
    with pytest.raises(ConfigurationError, match=r"'tenant'.*app = make_for\(\.\.\.\)"):
        find("made:make_for")


def test_folder_elsewhere_is_shown_whole(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A module without a database is passed by, and a folder that is not below is named in full."""
    elsewhere = tmp_path_factory.mktemp("revisions")
    (folder / "main.py").touch()
    named = f"metadata=Base.metadata, migrations={str(elsewhere)!r}"
    (folder / "db.py").write_text(MODELS + DATABASE.replace("metadata=Base.metadata", named))
    assert run("init") == 0
    assert capsys.readouterr().out == f"made {elsewhere}/versions\n"


def test_project_with_files_of_alembic_keeps_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """init makes nothing there."""
    (folder / "main.py").write_text(MODELS + DATABASE)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    assert run("init") == 0
    assert "has migrations already" in capsys.readouterr().out
    assert not (folder / "migrations").exists()
