"""Models of the project that nobody has imported, found by their source: no revision knows them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Set
from pathlib import Path

__all__ = ["unimported_models"]

# Folders that have no models of the program's.
_OTHERS = frozenset({"__pycache__", "build", "dist", "node_modules", "tests", "venv"})


def unimported_models(folder: Path, known: Set[str]) -> Iterator[str]:
    """Yield a sentence for each class with a table that is not known.

    Args:
        folder: The project.
        known: The names of the mapped tables, without their schemas.
    """
    for path in sorted(_sources(folder)):
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source) if "__tablename__" in source else None
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree) if tree is not None else ():
            name = _table_of(node)
            if name is not None and name not in known:
                yield (
                    f'{path.relative_to(folder)} maps the table "{name}" and was not imported. '
                    "Import it where the application is made."
                )


def _sources(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        is_environment = "pyvenv.cfg" in files
        folders[:] = [
            each
            for each in folders
            if not each.startswith(".") and each not in _OTHERS and not is_environment
        ]
        yield from (Path(place, each) for each in files if each.endswith(".py"))


def _table_of(node: ast.AST) -> str | None:
    """Return the name of the table that a class maps, if its source says it."""
    for statement in node.body if isinstance(node, ast.ClassDef) else ():
        match statement:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=name)):
                return str(name)
            case ast.AnnAssign(target=ast.Name(id="__tablename__"), value=ast.Constant(value=name)):
                return str(name)
            case _:
                pass
    return None
