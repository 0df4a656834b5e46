"""`ormolu seed`: rows from a function of the project's, all of them or none."""

from __future__ import annotations

import asyncio
import inspect
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.discovery import find_engines, load_function
from ormolu.engines import Engines
from ormolu.errors import OrmoluError
from ormolu.sessions import UnitOfWork
from ormolu.transactions import Access

__all__ = ["seed"]


def seed(
    function: Annotated[str, typer.Argument(help="Module and name of the function: seeds:main")],
    app: Annotated[
        str | None, typer.Option(help="Module and name of the application: main:app")
    ] = None,
) -> None:
    """Call an asynchronous function with a session of the application's database, and commit.

    What it yields, as a generator, is shown as progress: how many are done, of how many.
    """  # noqa: DOC501 -- the help
    try:
        asyncio.run(_seed(find_engines(app), load_function(function)))
    except OrmoluError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


async def _seed(engines: Engines, function: Any) -> None:
    await engines.open()
    unit = UnitOfWork(engines, Access.WRITE)
    try:
        with _bar() as progress:
            await _run(function, unit.session, progress)
        await unit.commit()
    finally:
        await unit.rollback()
        await engines.close()


async def _run(function: Any, session: AsyncSession, progress: Progress) -> None:
    task = progress.add_task("seeding", total=None)
    if inspect.isasyncgenfunction(function):
        async for done, total in function(session):
            progress.update(task, completed=done, total=total)
    else:
        await function(session)
    progress.update(task, description="seeded")


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
