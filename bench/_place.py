"""Where programs run and store: cores, a folder on a disk, and a PostgreSQL if one is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench._databases import Database, create_database, disk_folder, start_postgresql
from bench._processors import Cores, use_core
from tests.backends import PostgreSQL

__all__ = ["Place", "take_place"]


@dataclass(frozen=True)
class Place:
    """What all programs of a run share."""

    cores: Cores
    folder: Path
    postgresql: PostgreSQL | None

    def create_database(self, backend: str, name: str) -> Database:
        """Return an empty database, without tables."""
        return create_database(backend, name, self.folder, self.postgresql)


@contextmanager
def take_place(wanted: Path | None, backends: Collection[str]) -> Iterator[Place]:
    """Make a folder within the wanted one, start what the backends need, and keep to one core.

    It is the load's; only servers have their own.
    """
    cores, disk = Cores.choose(), disk_folder(wanted)
    with ExitStack() as stack:
        stack.enter_context(use_core(cores.load))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ormolu-bench-", dir=disk)))
        postgresql = None
        if "postgresql" in backends:
            postgresql = stack.enter_context(start_postgresql(disk))
        yield Place(cores, folder, postgresql)
