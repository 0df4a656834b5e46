"""Which programs there are, where they are asked, and how their answers are wrapped."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PROGRAMS", "ROOT", "Program", "chosen", "peers_python"]

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Program:
    """One way to write the API.

    `list_key` is where a list's rows are, if not at the top. `is_peer` means the peers' own
    environment, `is_ours` that an error of it fails the run.
    """

    title: str
    app: str
    sqlite: str = "sqlite+aiosqlite"
    paths: dict[str, str] = field(default_factory=dict)
    list_key: str | None = None
    has_database: bool = True
    backends: tuple[str, ...] = ("sqlite", "postgresql")
    is_constant: bool = False
    is_peer: bool = False
    is_ours: bool = False
    answers_patch: bool = True

    def path(self, row: str) -> str:
        """Return the path for a row, with `{id}` and `{limit}` in it."""
        return {**_PATHS, **self.paths}[row]

    @property
    def python(self) -> Path:
        """The interpreter that has what the program imports."""
        return peers_python() if self.is_peer else Path(sys.executable)


_PATHS = {
    "point": "/users/{id}",
    "list": "/users/?limit={limit}",
    "include": "/users/{id}/posts",
    "patch": "/users/{id}",
    "create": "/users/",
}

PROGRAMS = {
    "constant": Program(
        title="constant bytes, plain ASGI",
        app="bench.programs.constant:app",
        has_database=False,
        is_constant=True,
    ),
    "in-middleware": Program(
        title="constant bytes, in FastAPI's middleware",
        app="bench.programs.in_middleware:app",
        has_database=False,
        is_constant=True,
    ),
    "sqlite-in-middleware": Program(
        title="one statement of sqlite3's, there",
        app="bench.programs.sqlite_in_middleware:app",
        sqlite="sqlite",
        backends=("sqlite",),
    ),
    "no-database": Program(
        title="FastAPI without a database",
        app="bench.programs.no_database:app",
        has_database=False,
    ),
    "guide": Program(title="the guide's program", app="bench.programs.guide:app"),
    "session-alone": Program(
        title="the same on a driver that costs nothing",
        app="bench.programs.session_alone:app",
        sqlite="sqlite+at_once",
        backends=("sqlite",),
    ),
    "orm-alone": Program(
        title="SQLAlchemy's sync session on the event loop",
        app="bench.programs.orm_alone:app",
        sqlite="sqlite",
        backends=("sqlite",),
    ),
    "handwritten": Program(
        title="Ormolu, endpoints by hand",
        app="bench.programs.handwritten:app",
        sqlite="sqlite",
        is_ours=True,
    ),
    "on-aiosqlite": Program(
        title="the same endpoints on aiosqlite",
        app="bench.programs.handwritten:app",
        backends=("sqlite",),
    ),
    "resource": Program(
        title="Ormolu, `resource(User)`",
        app="bench.programs.resources:app",
        sqlite="sqlite",
        paths={"include": "/users/{id}?include=posts"},
        list_key="items",
        is_ours=True,
    ),
    "fastcrud": Program(
        title="FastCRUD",
        app="bench.peers.fastcrud_program:app",
        paths={
            "list": "/users?offset=0&limit={limit}",
            "include": "/users-with-posts/{id}",
            "create": "/users",
        },
        list_key="data",
        is_peer=True,
        answers_patch=False,
    ),
    "advanced-alchemy": Program(
        title="Advanced Alchemy",
        app="bench.peers.advanced_alchemy_program:app",
        paths={"list": "/users?currentPage=1&pageSize={limit}", "create": "/users"},
        list_key="items",
        is_peer=True,
    ),
}


def peers_python() -> Path:
    """Return the interpreter of the peers' environment, which the Makefile makes."""
    return ROOT / "bench" / "peers" / ".venv" / "bin" / "python"


def chosen(names: tuple[str, ...]) -> dict[str, Program]:
    """Return the programs that can run, and print which ones cannot."""
    programs = {name: PROGRAMS[name] for name in PROGRAMS if name in names}
    missing = [name for name, program in programs.items() if not program.python.exists()]
    if missing:
        print(f"Left out, for they have no environment: {', '.join(missing)}. Use `make bench`.")
    return {name: program for name, program in programs.items() if name not in missing}
