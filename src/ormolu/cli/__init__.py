"""The command `ormolu`: what a program says of itself. Needs the extra `cli`."""

from ormolu.cli._main import main

__all__ = ["main"]
