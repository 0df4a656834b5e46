"""What other libraries promise nobody is named in the seams alone, and may be gone."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import ormolu
from tests.architecture.sources import SOURCES, tree_of

FOREIGN = frozenset(
    {"anyio", "asyncmy", "asyncpg", "fastapi", "psycopg", "pydantic", "pydantic_core",
     "sqlalchemy", "starlette"}
)  # fmt: skip

# Of each library the files that may name what it keeps to itself.
SEAMS = {
    Path("seams/_asyncpg.py"): "asyncpg",
    Path("seams/_pydantic.py"): "pydantic",
    Path("seams/_sqlalchemy.py"): "sqlalchemy",
    Path("seams/_uvicorn.py"): "uvicorn",
    Path("testing/_blocking.py"): "python",
    Path("testing/_rewriting.py"): "pytest",
    Path("web/_fastapi.py"): "fastapi",
}

# Without an underscore, and yet nowhere in its documentation.
UNDOCUMENTED = {
    "fastapi": ("dependency_overrides_provider", "get_dependant", "iter_route_contexts",
                "original_router", "request_params_to_args", "solve_dependencies"),
    "sqlalchemy": ("compiled_parameters", "current_column", "current_parameters"),
}  # fmt: skip

# A pool can be written in no other way. Where they are gone SQLAlchemy's own pool does the work.
OVERRIDDEN = {("FairPool", "_do_get"), ("FairPool", "_do_return_conn")}

_BY_NAME = frozenset({"attrgetter", "delattr", "getattr", "hasattr", "setattr"})


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


@cache
def names_of_ours() -> set[str]:
    """Return every name that our own code defines: of functions, classes and attributes."""
    found: set[str] = set()
    for node in (node for path in SOURCES for node in ast.walk(tree_of(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            is_own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            found |= {node.attr} if is_own else set()
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def foreign_names(tree: ast.AST, ours: set[str]) -> Iterator[str]:
    """Yield the private names in a file that are none of ours, however they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in FOREIGN:
            yield from (name for name in _imported(node) if is_private(name))
        elif isinstance(node, ast.Call) and _called(node) in _BY_NAME:
            texts = (each.value for each in node.args if isinstance(each, ast.Constant))
            for text in texts:
                yield from (part for part in str(text).split(".") if is_private(part))


def _imported(node: ast.ImportFrom) -> list[str]:
    return [node.module or "", *(each.name for each in node.names)]


def _called(node: ast.Call) -> str | None:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else None


def undocumented_in(path: Path) -> set[str]:
    """Return the names that a file reads of an object of SQLAlchemy's."""
    read = {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    return read.intersection(UNDOCUMENTED["sqlalchemy"])


def foreign_in(path: Path) -> set[str]:
    ours = names_of_ours()
    return {name for name in foreign_names(tree_of(path), ours) if name not in ours}


@pytest.mark.long
def test_private_names_of_others_stand_in_the_seams() -> None:
    """No other file reads, imports or asks by its name for what a library keeps to itself."""
    others = [path for path in SOURCES if path not in SEAMS]
    found = {path: foreign_in(path) | undocumented_in(path) for path in others}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.long
def test_private_methods_of_others_are_not_replaced() -> None:
    """No class of ours replaces one, but where nothing else can be done."""
    modules = [each.name for each in pkgutil.walk_packages(ormolu.__path__, "ormolu.")]
    classes = [
        each
        for name in modules
        if not name.endswith("__main__")
        for each in vars(importlib.import_module(name)).values()
        if isinstance(each, type) and each.__module__ == name
    ]
    found = {
        (each.__name__, name)
        for each in classes
        for name in _written_in(each)
        for base in each.__mro__
        if base.__module__.partition(".")[0] in FOREIGN and name in vars(base)
    }
    assert found == OVERRIDDEN


def _written_in(kind: type[Any]) -> list[str]:
    return [
        name
        for name, value in vars(kind).items()
        if is_private(name) and getattr(value, "__module__", None) == kind.__module__
    ]


def answers(library: str, url: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """Run the application with each name of a library replaced; return what it prints."""
    command = [sys.executable, "-m", "tests.architecture.renamed", library, url, *names]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(each["name"] for each in found) == sorted(names), done.stderr
    assert {each["name"]: each["failed"] for each in found if "failed" in each} == {}
    return {each["name"]: each for each in found}


def names_of(library: str) -> list[str]:
    """Return the names of a library that stand in its seam, or are replaced."""
    found = {name for path, owner in SEAMS.items() if owner == library for name in foreign_in(path)}
    found |= {name for _, name in OVERRIDDEN} if library == "sqlalchemy" else set()
    return sorted(found.union(UNDOCUMENTED.get(library, ())) - {"_utils"})


# Of these nobody can tell whether they are gone, or not there for once.
UNSAID = frozenset(
    {"_attributes_set", "_invalidate_schema_cache_asof", "_sa_original_init", "current_column"}
)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("library", ["fastapi", "pydantic", "sqlalchemy", "starlette"])
def test_names_may_be_gone(library: str) -> None:
    """With any of the names replaced all is answered as before, and the log says so, once."""
    names = ["get_route_path"] if library == "starlette" else names_of(library)
    others = answers(library, "sqlite://", ["_nothing_", *names])
    before = others.pop("_nothing_")
    assert before["said"] == []
    for name, after in others.items():
        said = after["said"]
        assert after["hits"], name
        assert after["answers"] == before["answers"], name
        assert all(name in line for line in said)
        assert len(said) == len(set(said))
        assert bool(said) is (name not in UNSAID), name


@pytest.mark.backends("asyncpg")
def test_names_of_asyncpg_may_be_gone(database_url: str) -> None:
    """So it is with what is asked of a connection of PostgreSQL's."""
    for done in answers("asyncpg", database_url, names_of("asyncpg")).values():
        assert done["hits"]
        assert 500 not in {answer[0] for answer in done["answers"][:-1]}
