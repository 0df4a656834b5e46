"""Where a project keeps its revisions, and who runs them: our env, or one of its own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Place", "find_place"]

_FOLDER = "migrations"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the revisions are.

    Attributes:
        folder: The folder whose `versions` has the revisions, of a project without files of
            Alembic's.
        ini: The project's alembic.ini.
        toml: The project's pyproject.toml, if it has a `[tool.alembic]` or an alembic.ini beside.
    """

    folder: Path | None = None
    ini: Path | None = None
    toml: Path | None = None

    @property
    def versions(self) -> Path | None:
        """Return the folder of the revisions, None if the project's own files name it."""
        return None if self.folder is None else self.folder / "versions"

    @property
    def has_revisions(self) -> bool:
        """Tell whether the project has migrations."""
        return self.versions is None or self.versions.is_dir()


def find_place(folder: str | None) -> Place:
    """Return where the revisions are.

    Args:
        folder: What the program names; None looks for alembic.ini and `[tool.alembic]` in the
            current folder, and takes `migrations` there if it has neither.
    """
    if folder is not None:
        return Place(folder=Path(folder).resolve())
    ini, toml = Path("alembic.ini").resolve(), Path("pyproject.toml").resolve()
    known_ini = ini if ini.is_file() else None
    if known_ini is not None or _names_alembic(toml):
        return Place(ini=known_ini, toml=toml if toml.is_file() else None)
    return Place(folder=Path(_FOLDER).resolve())


def _names_alembic(toml: Path) -> bool:
    if not toml.is_file():
        return False
    return "alembic" in tomllib.loads(toml.read_text(encoding="utf-8")).get("tool", {})
