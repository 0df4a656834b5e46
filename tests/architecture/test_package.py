"""What the package as a whole promises."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ormolu

MODULES = [
    module.name
    for module in pkgutil.walk_packages(ormolu.__path__, "ormolu.")
    if not module.name.rpartition(".")[2].startswith("__")
]


@pytest.mark.parametrize("name", ["ormolu", *MODULES])
def test_all_is_exact(name: str) -> None:
    """Each name in `__all__` is there, once."""
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, entry) for entry in module.__all__)


def test_face_is_small() -> None:
    """The face has at most 30 names."""
    assert len(ormolu.__all__) <= 30


def test_import_loads_no_optional_dependency() -> None:
    """`import ormolu` needs no driver but the embedded one's, and nothing of the tests."""
    optional = {"asyncpg", "psycopg", "asyncmy", "pytest", "uvicorn", "alembic", "sqlmodel"}
    code = f"import sys, ormolu; print(sorted(set(sys.modules) & {optional!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_imports_point_down() -> None:
    """The contracts of import-linter hold."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_files_are_small() -> None:
    """No file is over 400 lines."""
    sources = Path(ormolu.__path__[0]).rglob("*.py")
    assert [path.name for path in sources if len(path.read_text().splitlines()) > 400] == []
