"""The page of each group in docs, and its plots."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

from bench._callers import CALLERS, TENANTS
from bench._figures import Figures
from bench._groups import GROUPS
from bench._options import Options
from bench._plot import plot
from bench._programs import PROGRAMS, ROOT
from bench._rows import ROWS
from bench._table import align, backend_title, render

__all__ = ["write"]

_INTRODUCTIONS = ROOT / "bench" / "introductions"
_DOCS = ROOT / "docs"


def write(figures: Sequence[Figures], machine: Sequence[str], options: Options) -> None:
    """Write the page of each group that was measured, and a plot for each backend."""
    for group in options.measured_groups():
        parts = [_introduction(group, options), _conditions(machine, options)]
        for backend in options.backends:
            here = _of_backend(figures, group, backend, options)
            parts += _section(here, group, backend, options)
        (_DOCS / f"{GROUPS[group].pages}.md").write_text("\n".join(parts))


def _introduction(group: str, options: Options) -> str:
    return (
        (_INTRODUCTIONS / f"{group}.md")
        .read_text()
        .format(foreign=options.foreign, repeats=options.repeats, tenants=TENANTS, callers=CALLERS)
    )


def _section(figures: Sequence[Figures], name: str, backend: str, options: Options) -> list[str]:
    group, most = GROUPS[name], max(options.connections_of(name))
    crowded = [one for one in figures if one.connections == most]
    heading, file = group.backend_title(backend_title(backend)), f"{group.pages}-{backend}.svg"
    title = f"{heading}: requests a second, as multiples of {group.baseline_title}"
    (_DOCS / file).write_text(plot(f"{title}, {most} connections", crowded))
    return [
        f"## {heading}\n",
        f"![{title}]({file})\n",
        f"Times {group.baseline_title}, {most} connections:\n\n{_summary(crowded)}\n",
        _details(figures, backend, options.windows),
    ]


def _of_backend(
    figures: Sequence[Figures], group: str, backend: str, options: Options
) -> list[Figures]:
    # Those without a database are in the figures once for each backend, with its ratios.
    here = [one for one in figures if one.contender.program.group == group]
    own = [one for one in here if one.contender.backend == backend]
    free = [one for one in here if one.contender.backend is None]
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


def _summary(figures: Sequence[Figures]) -> str:
    rows = [row for row in ROWS if any(one.row == row for one in figures)]
    lines = [("program", *(ROWS[row].title for row in rows))]
    for name, program in PROGRAMS.items():
        ratios = {one.row: one.ratio for one in figures if one.contender.name == name}
        if ratios:
            lines.append((program.title, *(f"{ratios.get(row) or 0:.1f}" for row in rows)))
    return align(lines)


def _details(figures: Sequence[Figures], backend: str, windows: int) -> str:
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
