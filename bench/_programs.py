"""Which programs there are, where they are asked, and how their answers are wrapped."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench._requests import Request
from bench._rows import ROWS

__all__ = ["PROGRAMS", "ROOT", "Program", "chosen", "peers_python"]

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Program:
    """One way to write the API.

    `list_key` is where a list's rows are, if not at the top. `is_peer` means the peers' own
    environment, `is_ours` that an error of it fails the run. `baseline` is the program that it is
    compared with, if not the one of its group.
    """

    title: str
    app: str
    group: str = "open"
    baseline: str | None = None
    sqlite: str = "sqlite+aiosqlite"
    paths: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    list_key: str | None = None
    has_database: bool = True
    backends: tuple[str, ...] = ("sqlite", "postgresql")
    is_constant: bool = False
    is_peer: bool = False
    is_ours: bool = False
    answers_patch: bool = True
    keeps_tenants_apart: bool = True

    def request(self, row: str) -> Request:
        """Return what it is asked for a row."""
        asked = ROWS[row]
        return Request(
            method=asked.method,
            path=self.paths.get(row, asked.path),
            body=self.bodies.get(row, asked.body),
            headers=asked.headers,
        )

    @property
    def python(self) -> Path:
        """The interpreter that has what the program imports."""
        return peers_python() if self.is_peer else Path(sys.executable)


# By hand, the list with relations is an endpoint, and the order is written in the statement.
_BY_HAND = {"notes": "/notes?status=open&limit=20", "notes-related": "/notes/related?limit=20"}

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
    "caller-alone": Program(
        title="FastAPI with the caller, without a database",
        app="bench.programs.with_users.no_database:app",
        group="users",
        paths=_BY_HAND,
        has_database=False,
    ),
    "one-statement": Program(
        title="the same, and one statement of the driver's",
        app="bench.programs.with_users.one_statement:app",
        group="users",
        paths=_BY_HAND,
        sqlite="sqlite",
    ),
    "plain": Program(
        title="plain code by hand",
        app="bench.programs.with_users.plain:app",
        group="users",
        paths=_BY_HAND,
    ),
    "by-hand": Program(
        title="Ormolu by hand, `where` and `selectinload`",
        app="bench.programs.with_users.handwritten:app",
        group="users",
        paths=_BY_HAND,
        sqlite="sqlite",
        is_ours=True,
    ),
    "with-policy": Program(
        title="Ormolu, `resource(Note, policy=own)`",
        app="bench.programs.with_users.with_policy:app",
        group="users",
        sqlite="sqlite",
        list_key="items",
        is_ours=True,
    ),
    "behind-router": Program(
        title="Ormolu, behind a router's dependency only",
        app="bench.programs.with_users.behind_router:app",
        group="users",
        sqlite="sqlite",
        # Without a policy it is the client that asks for its tenant's rows.
        paths={
            "notes": f"{ROWS['notes'].path}&tenant_id={{tenant}}",
            "notes-related": f"{ROWS['notes-related'].path}&tenant_id={{tenant}}",
        },
        bodies={
            "create-note": (
                '{"title":"Note {number}","author_id":3,"body":"written","tenant_id":{tenant}}'
            )
        },
        list_key="items",
        is_ours=True,
        keeps_tenants_apart=False,
    ),
    "plain-loading": Program(
        title="plain code that loads the user",
        app="bench.programs.with_users.plain_loading:app",
        group="users",
        paths=_BY_HAND,
        baseline="plain-loading",
    ),
    "policy-loading": Program(
        title="Ormolu with a policy that loads the user",
        app="bench.programs.with_users.policy_loading:app",
        group="users",
        baseline="plain-loading",
        sqlite="sqlite",
        list_key="items",
        is_ours=True,
    ),
}


def peers_python() -> Path:
    """Return the interpreter of the peers' environment, which the Makefile makes."""
    return ROOT / "bench" / "peers" / ".venv" / "bin" / "python"


def chosen(names: tuple[str, ...], group: str) -> dict[str, Program]:
    """Return the programs of a group that can run, and print which ones cannot."""
    of_group = {name: each for name, each in PROGRAMS.items() if each.group == group}
    programs = {name: each for name, each in of_group.items() if name in names}
    missing = [name for name, program in programs.items() if not program.python.exists()]
    if missing:
        print(f"Left out, for they have no environment: {', '.join(missing)}. Use `make bench`.")
    return {name: program for name, program in programs.items() if name not in missing}
