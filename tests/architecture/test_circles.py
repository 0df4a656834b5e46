"""No module of the package needs itself, by whatever way around."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import ormolu

ROOT = Path(ormolu.__path__[0])

# Imports that close a circle, by module; to be emptied.
ALLOWED: dict[str, set[str]] = {
    "ormolu.resources._applications": {"ormolu.resources._resource"},
    "ormolu.resources._registry": {"ormolu.resources._exposures"},
    "ormolu.resources._relatives": {"ormolu.resources._exposures"},
}


def _sources() -> dict[str, Path]:
    """Return the file of each module, a package by its own name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def _imports(path: Path, modules: set[str]) -> set[str]:
    """Return the modules that a file imports, for a type checker alone or late ones, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
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


def _circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of a circle, the first one at the end again; empty without one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_circle() -> None:
    """Modules import each other in one direction only, imports for type checkers included."""
    graph = {name: names - ALLOWED.get(name, set()) for name, names in _graph().items()}
    assert _circle_in(graph) == []


def test_allowed_imports_close_circles() -> None:
    """Each allowed import is still there, and the only one that closes its circle."""
    graph = _graph()
    for name, allowed in ALLOWED.items():
        for each in allowed:
            others = {key: names - ALLOWED.get(key, set()) for key, names in graph.items()}
            assert each in graph.get(name, ()), (name, each)
            assert _circle_in({**others, name: others[name] | {each}}), (name, each)
