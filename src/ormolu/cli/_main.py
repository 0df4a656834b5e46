"""The entry point, which also says what to install."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name.

    Raises:
        ModuleNotFoundError: The program's own imports fail.
    """
    try:
        from ormolu.cli._commands import commands
    except ModuleNotFoundError as error:
        if error.name not in {"rich", "typer"}:
            raise
        sys.exit("The command needs more packages. Write: pip install 'ormolu[cli]'")
    commands()
