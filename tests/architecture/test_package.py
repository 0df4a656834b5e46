"""What the package as a whole promises."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ormolu
from tests.architecture.sources import ROOT, SOURCES, tree_of

MODULES = [
    module.name
    for module in pkgutil.walk_packages(ormolu.__path__, "ormolu.")
    if not module.name.rpartition(".")[2].startswith("__")
]


@pytest.mark.long
def test_all_is_exact() -> None:
    """Each name in `__all__` is there, once."""
    for name in ("ormolu", *MODULES):
        module = importlib.import_module(name)
        assert len(module.__all__) == len(set(module.__all__)), name
        assert all(hasattr(module, entry) for entry in module.__all__), name


def test_face_is_small() -> None:
    """The face has at most 30 names."""
    assert len(ormolu.__all__) <= 30


@pytest.mark.parametrize("name", ["Explanation", "HookName"])
def test_types_for_annotations_are_found(name: str) -> None:
    """Two more are found there, which few need."""
    assert getattr(ormolu, name) is getattr(importlib.import_module("ormolu.resources"), name)


def test_import_loads_no_optional_dependency() -> None:
    """`import ormolu` needs no driver but the embedded one's, and nothing of the tests."""
    optional = {"asyncpg", "psycopg", "asyncmy", "pytest", "uvicorn", "alembic", "sqlmodel"}
    code = f"import sys, ormolu; print(sorted(set(sys.modules) & {optional!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.long
def test_imports_point_down() -> None:
    """The contracts of import-linter hold."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_every_imported_package_is_declared() -> None:
    """What the sources import is Python's, or stands in the metadata, be it in an extra."""
    text = " ".join(importlib.metadata.requires("ormolu") or [])
    declared = {
        name.replace("-", "_").lower() for name in re.findall(r"(?:^| )([A-Za-z][\w-]+)", text)
    }
    known = {*sys.stdlib_module_names, "ormolu", "pydantic_core", *declared}
    for module, packages in importlib.metadata.packages_distributions().items():
        # A package may have modules of other names.
        if {each.replace("-", "_").lower() for each in packages} & declared:
            known.add(module)
    imported = {
        name.partition(".")[0]
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        for name in _imported_by(node)
    }
    assert "starlette" in imported
    assert imported - known == set()


def _imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [str(node.module)]
    return []


def test_files_are_small() -> None:
    """No file is over 400 lines."""
    texts = {path: (ROOT / path).read_text() for path in SOURCES}
    assert [path for path, text in texts.items() if len(text.splitlines()) > 400] == []


@pytest.mark.long
def test_only_backends_know_names_of_databases() -> None:
    """What differs from database to database is asked of its backend, nowhere of a name."""
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Compare):
                parts = [node.left, *node.comparators]
                # To write an expression out takes long; few are names.
                names = [ast.unparse(each) for each in parts if getattr(each, "attr", "") == "name"]
                assert not any(name.endswith("dialect.name") for name in names), (path, names)
