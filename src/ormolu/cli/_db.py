"""`ormolu db`: the verbs of migrations, as Alembic and Flask-Migrate have them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from sqlalchemy.exc import SQLAlchemyError

from ormolu.cli._check import checked, shown
from ormolu.discovery import find_engines
from ormolu.errors import ConfigurationError, OrmoluError

__all__ = ["db_commands"]

db_commands = typer.Typer(no_args_is_help=True, help="Migrate the database of an application.")

App = Annotated[
    str | None,
    typer.Option(
        "--app", help="module:name of the application or its Database; else pyproject.toml tells"
    ),
]
Message = Annotated[str, typer.Option("--message", "-m", help="What it does")]
Revision = Annotated[str, typer.Argument(help="A revision, heads, +1")]


@db_commands.command()
def init(app: App = None) -> None:
    """Make the folder of the revisions."""

    def make(migrations: Any) -> None:
        versions = migrations.place.versions
        if versions is None:
            typer.echo("This project has migrations already; ormolu db uses them as they are.")
            return
        versions.mkdir(parents=True, exist_ok=True)
        typer.echo(f"made {_shown(versions)}")

    _do(app, make)


@db_commands.command()
def revision(
    message: Message,
    app: App = None,
    empty: Annotated[bool, typer.Option("--empty", help="Leave it to be filled by hand")] = False,
    allow_drop: Annotated[
        bool, typer.Option("--allow-drop", help="Drop tables and columns that no model maps")
    ] = False,
    rename: Annotated[
        list[str] | None, typer.Option("--rename", help="A renamed column: table.old:new")
    ] = None,
) -> None:
    """Write a revision that brings the database to the models."""

    async def write(migrations: Any) -> None:
        renames = dict(_names(each) for each in rename or ())
        for path in await migrations.revision(
            message, empty=empty, allow_drop=allow_drop, renames=renames
        ):
            typer.echo(f"wrote {_shown(path)}")

    _do(app, write)


@db_commands.command()
def upgrade(revision: Revision = "heads", app: App = None) -> None:
    """Run the revisions that the database lacks."""
    _do(app, lambda migrations: migrations.upgrade(revision))


@db_commands.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="A revision, -1, base")] = "-1", app: App = None
) -> None:
    """Undo revisions, the last one if none is named."""
    _do(app, lambda migrations: migrations.downgrade(revision))


@db_commands.command()
def current(app: App = None) -> None:
    """Show which revisions the database has."""
    _do(app, lambda migrations: _print(migrations.current()))


@db_commands.command()
def history(app: App = None) -> None:
    """Show all revisions, the last one first."""
    _do(app, lambda migrations: _print(migrations.history()))


@db_commands.command()
def check(
    app: App = None,
    scratch: Annotated[
        str | None,
        typer.Option(
            "--scratch",
            envvar="ORMOLU_SCRATCH",
            help="URL of a PostgreSQL server that throw-away databases are made on",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Revisions after this one; asks no database")
    ] = None,
    form: Annotated[
        Literal["text", "json", "github"], typer.Option("--format", help="How it is shown")
    ] = "text",
) -> None:
    """Fail if revisions are missing, or dangerous on PostgreSQL, or if there are several heads."""

    async def look(migrations: Any) -> None:
        found = await checked(migrations, scratch=scratch, since=since)
        typer.echo(shown(found, form), nl=False)
        for problem in found.problems if form == "text" else ():
            typer.echo(problem, err=True)
        if not found.is_safe:
            raise typer.Exit(1)

    _do(app, look, typer.echo if form == "text" else _echo_aside)


@db_commands.command()
def sql(
    revision: Annotated[str, typer.Argument(help="A revision, or from:to")] = "heads",
    app: App = None,
    downgrade: Annotated[bool, typer.Option("--downgrade", help="Those that undo them")] = False,
) -> None:
    """Show the statements of revisions, which are not run."""
    _do(app, lambda migrations: _print(migrations.sql(revision, is_downgrade=downgrade)))


@db_commands.command()
def stamp(
    revision: Revision = "heads",
    app: App = None,
    purge: Annotated[bool, typer.Option("--purge", help="Forget revisions that are gone")] = False,
) -> None:
    """Note a revision in the database, and run nothing."""
    _do(app, lambda migrations: migrations.stamp(revision, purge=purge))


@db_commands.command()
def merge(message: Message = "merge", app: App = None) -> None:
    """Write a revision that joins several heads."""

    async def write(migrations: Any) -> None:
        typer.echo(f"wrote {_shown(await migrations.merge(message))}")

    _do(app, write)


def _do(
    place: str | None, verb: Callable[[Any], Any], say: Callable[[str], None] = typer.echo
) -> None:
    """Find the database, and call a verb.

    Raises:
        Exit: With 1 if it fails, with 2 if nothing was found.
    """
    try:
        migrations = _migrations(place, say)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    try:
        done = verb(migrations)
        if done is not None:
            asyncio.run(_awaited(done))
    except (OrmoluError, SQLAlchemyError, _command_error()) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _migrations(place: str | None, say: Callable[[str], None]) -> Any:
    from ormolu.migrations import Migrations

    return Migrations(find_engines(place), say)


def _echo_aside(line: str) -> None:
    """Leave the standard output to what a machine reads."""
    typer.echo(line, err=True)


def _command_error() -> type[Exception]:
    from alembic.util import CommandError

    return CommandError


async def _awaited(verb: Awaitable[None]) -> None:
    await verb


async def _print(text: Awaitable[str]) -> None:
    sys.stdout.write(await text)


def _names(rename: str) -> tuple[str, str]:
    old, colon, new = rename.rpartition(":")
    if not colon or "." not in old:
        message = f"--rename {rename}: write --rename table.old:new"
        raise ConfigurationError(message)
    return old, new


def _shown(path: Path) -> str:
    """Return a path as one would write it from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
