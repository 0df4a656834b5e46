"""docs/benchmarks.md and its plots."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

from bench._figures import Figures
from bench._options import Options
from bench._plot import plot
from bench._programs import PROGRAMS, ROOT
from bench._rows import ROWS
from bench._table import align, backend_title, render

__all__ = ["write"]

_INTRODUCTION = ROOT / "bench" / "introduction.md"


def write(figures: Sequence[Figures], machine: Sequence[str], options: Options) -> None:
    """Write the page and a plot for each backend."""
    page = ROOT / "docs" / "benchmarks.md"
    parts = [
        _INTRODUCTION.read_text().format(foreign=options.foreign, repeats=options.repeats),
        _conditions(machine, options),
    ]
    most = max(options.connections)
    for backend in options.backends:
        here = _of_backend(figures, backend, options)
        crowded = [one for one in here if one.connections == most]
        name = f"benchmarks-{backend}.svg"
        title = f"{backend_title(backend)}: requests a second, as multiples of the guide's program"
        (page.parent / name).write_text(plot(f"{title}, {most} connections", crowded))
        parts += [f"## {backend_title(backend)}\n", f"![{title}]({name})\n"]
        parts.append(f"Times the guide's program, {most} connections:\n\n{_summary(crowded)}\n")
        parts.append(_details(here, backend, options.windows))
    page.write_text("\n".join(parts))


def _of_backend(figures: Sequence[Figures], backend: str, options: Options) -> list[Figures]:
    # Those without a database are in the figures once for each backend, with its ratios.
    own = [one for one in figures if one.contender.backend == backend]
    free = [one for one in figures if one.contender.backend is None]
    step, at = len(options.backends), options.backends.index(backend)
    cells = [list(cell) for _, cell in groupby(free, key=lambda one: (one.row, one.connections))]
    return own + [one for cell in cells for one in _part(cell, step, at)]


def _part(cell: list[Figures], step: int, at: int) -> list[Figures]:
    size = len(cell) // step
    return cell[at * size : (at + 1) * size]


def _conditions(machine: Sequence[str], options: Options) -> str:
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    lines = "\n".join(f"- {line}" for line in machine)
    day = datetime.now(UTC).date().isoformat()
    windows = f"{options.windows} windows of {options.seconds} s for each program and row"
    return f"`{command}` on {day}, {windows}:\n\n{lines}\n"


def _summary(figures: list[Figures]) -> str:
    rows = [row for row in ROWS if any(one.row == row for one in figures)]
    lines = [("program", *(ROWS[row].title for row in rows))]
    for name, program in PROGRAMS.items():
        ratios = {one.row: one.ratio for one in figures if one.contender.name == name}
        if ratios:
            lines.append((program.title, *(f"{ratios.get(row) or 0:.1f}" for row in rows)))
    return align(lines)


def _details(figures: list[Figures], backend: str, windows: int) -> str:
    tables = []
    for row in ROWS:
        ours = sorted(
            (one for one in figures if one.row == row),
            key=lambda one: (one.connections, list(PROGRAMS).index(one.contender.name)),
        )
        if ours:
            tables.append(render(ours, backend, windows))
    body = "\n".join(tables)
    return f"<details><summary>All figures</summary>\n{body}\n\n</details>\n"
