"""`resource.explain()` and `ormolu explain`: which way requests take, and why."""

from __future__ import annotations

import runpy
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import Integer, TypeDecorator
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import ConfigurationError, Database, Model, Policy, resource
from ormolu.cli._main import main
from ormolu.resources import Explanation, explain_application


class Told(Model):
    __tablename__ = "told"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


def by_name(explanations: Any) -> dict[str, Explanation]:
    return {each.operation: each for each in explanations}


class Moment(Model):
    __tablename__ = "moments"
    id: Mapped[datetime] = mapped_column(primary_key=True)


class Counting(TypeDecorator[int]):
    """A type that counts with the values that are sent."""

    impl = Integer
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        return bindvalue.value + 1


class Counted(Model):
    __tablename__ = "counted_by_type"
    id: Mapped[int] = mapped_column(Counting(), primary_key=True)


async def hook(_session: Any, values: Any) -> Any:
    return values


def test_open_resource_has_doors() -> None:
    """What one statement does goes by the front door, on both backends that have lanes."""
    for url in ("sqlite://", "postgresql://"):
        found = by_name(resource(Told).explain(url))
        ways = {name: each.way for name, each in found.items()}
        assert ways == {
            **dict.fromkeys(("list", "read", "create", "update", "delete"), "front door"),
            **dict.fromkeys(("query", "batch"), "session"),
        }
        assert found["batch"].sql is None
        assert found["read"].reason is None
        assert found["read"].sql is not None
        assert "told.id = " in found["read"].sql


def test_reasons_are_told() -> None:
    """Hooks and a backend without lanes are named; a policy is asked by the door."""
    guarded = resource(Told, policy=lambda: Policy(visible=True))
    read = by_name(guarded.explain())["read"]
    assert (read.way, read.reason) == ("front door", None)
    hooked = by_name(resource(Told, hooks={"before_create": hook}).explain())
    assert (hooked["create"].reason, hooked["read"].way) == (
        "it has hooks: before_create",
        "front door",
    )
    assert hooked["create"].sql is None
    there = by_name(resource(Told).explain("mysql://x/y"))["list"]
    assert (there.reason, there.sql) == ("there are no lanes for asyncmy", None)


def test_values_that_a_statement_needs() -> None:
    """A moment has several forms in SQLite, and types do with a value what they like."""
    moments = by_name(resource(Moment, writable={"id"}).explain())
    assert {moments[name].way for name in ("read", "list")} == {"front door"}
    reason = str(by_name(resource(Counted).explain())["read"].reason)
    assert reason.startswith("its door cannot be made (TypeError: ")


async def ending() -> AsyncIterator[None]:
    """Be a dependency that goes on when the answer is there."""
    yield


@pytest.mark.long
def test_application_has_reasons_of_its_own() -> None:
    """What only FastAPI can do is named, for each database once: then its route has the plan."""
    app = FastAPI()
    Database("sqlite://").attach(app)
    app.get("/told")(lambda: None)
    app.include_router(resource(Told))
    app.include_router(resource(Told, path="/more"), dependencies=[Depends(lambda: None)])
    app.include_router(resource(Told, path="/most"), dependencies=[Depends(ending)])
    found = {(each.method, each.path): each for each in explain_application(app)}
    assert found["GET", "/told"].reason == "the earlier route /told matches it"
    assert found["GET", "/told/{id}"].way == "front door"
    assert found["GET", "/told"].way == "plan"
    assert found["GET", "/more/{id}"].way == "front door"
    assert "yield" in str(found["GET", "/most/{id}"].reason)
    assert found["GET", "/most/{id}"].way == "plan"


def test_second_database_is_its_own() -> None:
    """A resource of a second database has doors to that one."""
    app = FastAPI()
    first, second = Database("sqlite://"), Database("sqlite://")
    first.attach(app)
    second.attach(app)
    app.include_router(resource(Told, session=second.session))
    assert by_name(explain_application(app))["read"].way == "front door"


def test_application_without_a_database() -> None:
    """The error says what to write."""
    with pytest.raises(ConfigurationError, match=r"db.attach\(app\)"):
        explain_application(FastAPI())


PROGRAM = """
from fastapi import FastAPI
from ormolu import Database, resource
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)

app = FastAPI()
Database("sqlite://", metadata=Base.metadata).attach(app)
app.include_router(resource(Thing))
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Run the command as the console does, in the folder of a program."""
    (tmp_path / "thing_app.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def _run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["ormolu", "explain", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("ormolu", run_name="__main__")
        return int(ended.value.code or 0)

    yield _run
    sys.modules.pop("thing_app", None)


@pytest.mark.long
def test_command_prints_a_table(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`ormolu explain app:app --sql` shows each operation, its way and its statement."""
    assert run("thing_app:app", "--sql") == 0
    shown = capsys.readouterr().out
    assert "GET /things/{id}" in shown
    assert "front door" in shown
    assert "RETURNING" in shown
    assert run("thing_app") == 0
    assert "RETURNING" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "message"),
    [("thing_app:nope", "no FastAPI application 'nope'"), ("nowhere:app", "no module 'nowhere'")],
)
def test_command_says_what_is_wrong(
    run: Any, capsys: pytest.CaptureFixture[str], place: str, message: str
) -> None:
    """A wrong place is a sentence, not a traceback."""
    assert run(place) == 2
    assert message in capsys.readouterr().err


def test_command_passes_errors_of_the_program_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that fails within the program is shown as it is."""
    (tmp_path / "broken.py").write_text("import surely_not_installed\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["ormolu", "explain", "broken:app"])
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        main()


def test_command_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without typer the command says what to install; another error is not hidden."""
    for missing, error, message in (
        ("typer", SystemExit, r"pip install 'ormolu\[cli\]'"),
        ("ormolu.resources", ModuleNotFoundError, "ormolu.resources"),
    ):
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "ormolu.cli._commands", raising=False)
            patch.setitem(sys.modules, missing, None)
            with pytest.raises(error, match=message):
                main()
