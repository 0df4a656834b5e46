"""The programs of a run, each on each backend, started side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench._content import USERS
from bench._databases import Database, create_database, disk_folder, start_postgresql
from bench._load import Load
from bench._options import Options
from bench._processors import Cores, use_core
from bench._programs import Program, chosen
from bench._rows import ROWS
from bench._servers import Server, serve
from tests.backends import PostgreSQL

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
        return Load(self.server.port, ROWS[row], self.program.path(row), self.folder)


@contextmanager
def start(options: Options, cores: Cores) -> Iterator[list[Contender]]:
    """Start every program that is to be measured, and fill its tables."""
    disk = disk_folder(options.folder)
    with ExitStack() as stack:
        stack.enter_context(use_core(cores.load))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ormolu-bench-", dir=disk)))
        postgresql = None
        if "postgresql" in options.backends:
            postgresql = stack.enter_context(start_postgresql(disk))
        contenders = []
        for name, program in chosen(options.programs).items():
            shared = [backend for backend in options.backends if backend in program.backends]
            for backend in shared if program.has_database else [None]:
                made = _start(stack, name, program, backend, (folder, postgresql, cores.server))
                contenders.append(made)
        yield contenders


def _start(
    stack: ExitStack,
    name: str,
    program: Program,
    backend: str | None,
    place: tuple[Path, PostgreSQL | None, int],
) -> Contender:
    folder, postgresql, core = place
    database = None
    if backend is not None:
        database_name = f"{name}_{backend}".replace("-", "_")
        database = create_database(backend, database_name, folder, postgresql)
    url = database.url(program.sqlite) if database else None
    server = stack.enter_context(serve(program, url, core, folder))
    if database is not None:
        database.fill(USERS)
    return Contender(
        name=name, program=program, backend=backend, server=server,
        database=database, folder=folder,
    )  # fmt: skip
