"""Tables in Markdown, which read well in a terminal too."""

from __future__ import annotations

from collections.abc import Sequence

from bench._figures import Figures
from bench._groups import Group
from bench._programs import PROGRAMS
from bench._rows import ROWS

__all__ = ["align", "backend_title", "render"]

_TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def backend_title(backend: str) -> str:
    """Return how a backend spells its name."""
    return _TITLES[backend]


def render(figures: Sequence[Figures], backend: str, windows: int) -> str:
    """Return a title and the table of some figures of one row on one backend.

    `windows` is how many each program should have had.
    """
    title = f"\n{backend_title(backend)}: {ROWS[figures[0].row].title}\n"
    head = _head(figures[0].contender.group)
    return f"{title}\n{align([head, *(_line(one, windows) for one in figures)])}"


def _head(group: Group) -> tuple[str, ...]:
    return (
        "program", "connections", "req/s", "min..max", group.ratio_head,
        group.share_head, "p50 ms", "p99 ms",
        "server us/req", "MiB", "notes",
    )  # fmt: skip


def _line(one: Figures, windows: int) -> tuple[str, ...]:
    return (
        one.contender.program.title,
        str(one.connections),
        f"{one.rate:,.0f}",
        f"{one.least:,.0f}..{one.most:,.0f}",
        "" if one.ratio is None else f"{one.ratio:.2f}",
        "" if one.share is None else f"{one.share:.0%}",
        f"{one.p50:.2f}",
        f"{one.p99:.2f}",
        f"{one.server_microseconds:,.0f}",
        f"{one.memory:.0f}",
        _notes(one, windows),
    )


def _notes(one: Figures, windows: int) -> str:
    notes = [] if one.is_clean else ["no clean window"]
    if one.is_clean and one.windows < windows:
        notes.append(f"{one.windows} of {windows} windows")
    program = one.contender.program
    if program.baseline not in {None, one.contender.name}:
        notes.append(f"over {PROGRAMS[program.baseline].title}")
    if one.errors:
        notes.append(f"{one.errors} errors")
    return ", ".join(notes)


def align(lines: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table with columns of equal width; all but the first to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = tuple(
        "-" * (width - 1) + (":" if number else "-") for number, width in enumerate(widths)
    )
    return "\n".join(_row(line, widths) for line in (lines[0], rule, *lines[1:]))


def _row(line: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        f"{text:>{width}}" if number else f"{text:<{width}}"
        for number, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
    return f"| {' | '.join(cells)} |"
