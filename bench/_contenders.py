"""The programs of a run, each on each backend, started side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench._databases import Database
from bench._groups import GROUPS, Group
from bench._load import Load
from bench._options import Options
from bench._place import Place
from bench._programs import Program, chosen
from bench._servers import Server, serve

__all__ = ["Contender", "start"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A program on a backend, running."""

    name: str
    program: Program
    backend: str | None
    server: Server
    database: Database | None
    folder: Path

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.name} on {self.backend}" if self.backend else self.name

    def load(self, row: str) -> Load:
        """Return the load of a row."""
        return Load(self.server.port, self.program.request(row), self.folder)

    @property
    def group(self) -> Group:
        """The group that it is measured in."""
        return GROUPS[self.program.group]

    def count(self) -> int:
        """Return how many rows the table has that creates make longer; 0 without a database."""
        return self.database.count(self.group.counted) if self.database else 0


@contextmanager
def start(group: str, options: Options, place: Place) -> Iterator[list[Contender]]:
    """Start every program of a group that is to be measured, and fill its tables."""
    with ExitStack() as stack:
        contenders = []
        for name, program in chosen(options.programs, group).items():
            backends: list[str | None] = [None]
            if program.has_database:
                backends = [each for each in options.backends if each in program.backends]
            contenders += [_start(stack, name, program, each, place) for each in backends]
        yield contenders


def _start(
    stack: ExitStack,
    name: str,
    program: Program,
    backend: str | None,
    place: Place,
) -> Contender:
    database = None
    if backend is not None:
        database_name = f"{name}_{backend}".replace("-", "_")
        database = place.create_database(backend, database_name)
    url = database.url(program.sqlite) if database else None
    server = stack.enter_context(serve(program, url, place))
    if database is not None:
        database.fill(GROUPS[program.group].tables)
    return Contender(
        name=name, program=program, backend=backend, server=server,
        database=database, folder=place.folder,
    )  # fmt: skip
