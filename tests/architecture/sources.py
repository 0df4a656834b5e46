"""The sources of the package as trees, each parsed once for all tests."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import ormolu

ROOT = Path(ormolu.__path__[0])
SOURCES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the tree of a source, which is named from the package's folder on."""
    return ast.parse((ROOT / path).read_text())
