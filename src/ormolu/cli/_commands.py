"""The commands, one function each."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ormolu.cli._db import db_commands
from ormolu.cli._seed import seed
from ormolu.discovery import load_application
from ormolu.errors import ConfigurationError
from ormolu.resources import explain_application

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


commands.add_typer(db_commands, name="db")
commands.command()(seed)


@commands.callback()
def _describe() -> None:
    """Say what an application does with its database."""


@commands.command()
def explain(
    app: Annotated[str, typer.Argument(help="Module and name of the application: main:app")],
    sql: Annotated[bool, typer.Option("--sql", help="Show the statements too")] = False,
) -> None:
    """Tell for each operation of each resource which way its requests take, and why."""  # noqa: DOC501 -- the help
    try:
        explanations = explain_application(load_application(app))
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    console = Console(width=None if Console().is_terminal else 200)
    table = Table("operation", "request", "way", "why", *(["SQL"] if sql else []), box=None)
    for each in explanations:
        words = [each.operation, f"{each.method} {each.path}", each.way, each.reason or ""]
        table.add_row(*words, *([_one_line(each.sql)] if sql else []))
    console.print(table)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
