"""No module of the package needs itself, by whatever way around."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.architecture.sources import SOURCES, tree_of


def _sources() -> dict[str, Path]:
    """Return the file of each module, a package by its own name."""
    found = {}
    for path in SOURCES:
        parts = ("ormolu", *path.with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def _imports(path: Path, modules: set[str]) -> set[str]:
    """Return the modules that a file imports, for a type checker alone or late ones, too."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            base = str(node.module)
            members = {f"{base}.{each.name}" for each in node.names}
            found |= (members & modules) or {base}
    return found & modules


def _graph() -> dict[str, set[str]]:
    sources = _sources()
    return {name: _imports(path, {*sources}) for name, path in sources.items()}


@pytest.mark.long
def test_no_circle() -> None:
    """Modules import each other in one direction only, imports for type checkers included."""
    try:
        TopologicalSorter(_graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
