"""`ormolu seed`: rows from a function, all of them or none."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ormolu.cli._main import main

_PROJECT = """
from fastapi import FastAPI
from ormolu import Database, Model
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column

class Base(Model):
    __abstract__ = True
    metadata = MetaData()

class Town(Base):
    __tablename__ = "towns"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

db = Database("sqlite:///towns.db", metadata=Base.metadata)
app = FastAPI()
db.attach(app)

async def two(session):
    session.add_all([Town(name="Oslo"), Town(name="Rome")])

async def many(session):
    for number in range(3):
        session.add(Town(name=str(number)))
        yield number + 1, 3

async def broken(session):
    await two(session)
    await session.flush()
    raise ZeroDivisionError

def ordinary(session):
    pass
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A project in the current folder, and an import of its module by this test alone."""
    (tmp_path / "seeded_project.py").write_text(_PROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("seeded_project", None)


def run(name: str, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    words = ["ormolu", "seed", f"seeded_project:{name}", "--app", "seeded_project:app"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def names() -> list[str]:
    connection = sqlite3.connect("towns.db")
    rows = connection.execute("SELECT name FROM towns ORDER BY id").fetchall()
    connection.close()
    return [name for (name,) in rows]


def test_rows_are_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function, or a generator that tells how far it is, fills the database."""
    assert run("two", monkeypatch) == 0
    assert run("many", monkeypatch) == 0
    assert names() == ["Oslo", "Rome", "0", "1", "2"]
    assert "3/3" in capsys.readouterr().err


def test_nothing_is_stored_of_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the function's leaves nothing behind."""
    monkeypatch.setattr(
        sys, "argv", ["ormolu", "seed", "seeded_project:broken", "--app", "seeded_project:app"]
    )
    with pytest.raises(ZeroDivisionError):
        main()
    assert names() == []


def test_what_is_no_function_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ordinary function, or none, is refused with what to write."""
    assert run("ordinary", monkeypatch) == 2
    assert "async def ordinary" in capsys.readouterr().err
