"""What one run measures, and how long."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench._groups import GROUPS
from bench._programs import PROGRAMS
from bench._rows import ROWS, rows_of

__all__ = ["BACKENDS", "Options", "read_options", "some_of"]

BACKENDS = ("sqlite", "postgresql")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line as values."""

    groups: tuple[str, ...]
    rows: tuple[str, ...]
    backends: tuple[str, ...]
    connections: tuple[int, ...] | None
    programs: tuple[str, ...]
    windows: int
    seconds: int
    repeats: int
    foreign: float
    folder: Path | None
    write: bool

    def rows_of(self, group: str) -> list[str]:
        """Return the rows of a group that are to be measured."""
        return [row for row in rows_of(group) if row in self.rows]

    def connections_of(self, group: str) -> tuple[int, ...]:
        """Return how many connections the rows of a group are asked with."""
        return self.connections or GROUPS[group].connections

    def measured_groups(self) -> list[str]:
        """Return the groups that rows are to be measured of."""
        return [group for group in GROUPS if group in self.groups and self.rows_of(group)]


def read_options(arguments: list[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Ormolu beside other programs, in one run."
    )
    parser.add_argument("--groups", type=some_of(GROUPS), default=tuple(GROUPS))
    parser.add_argument("--rows", type=some_of(ROWS), default=tuple(ROWS))
    parser.add_argument("--backends", type=some_of(BACKENDS), default=BACKENDS)
    parser.add_argument("--connections", type=_numbers, help="(the group's)")
    parser.add_argument("--programs", type=some_of(PROGRAMS), default=tuple(PROGRAMS))
    parser.add_argument("--windows", type=_positive, default=3, help="of each program (3)")
    parser.add_argument("--seconds", type=_positive, default=1, help="of a window (1)")
    parser.add_argument(
        "--repeats", type=int, default=2, help="windows of a program that others may spoil (2)"
    )
    parser.add_argument(
        "--foreign", type=float, default=0.25, help="cores that others may use in a window (0.25)"
    )
    parser.add_argument("--folder", type=Path, help="on a disk, for the databases")
    parser.add_argument("--write", action="store_true", help="write the pages in docs")
    return Options(**vars(parser.parse_args(arguments)))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        message = f"must be 1 or more, is {number}"
        raise argparse.ArgumentTypeError(message)
    return number


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_positive(part) for part in text.split(","))


def some_of(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of names that are separated by commas."""
    names = tuple(known)

    def read(text: str) -> tuple[str, ...]:
        wanted = tuple(text.split(","))
        unknown = [name for name in wanted if name not in names]
        if unknown:
            message = f"{', '.join(unknown)}: choose from {', '.join(names)}"
            raise argparse.ArgumentTypeError(message)
        return wanted

    return read
