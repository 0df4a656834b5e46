"""Groups of rows: each has tables and programs of its own, and a program that others are beside."""

from __future__ import annotations

from dataclasses import dataclass

from bench import _content, _notes
from bench._tables import Table

__all__ = ["GROUPS", "Group"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """What the rows of one group have in common.

    Rates are multiples of the `baseline` program's, unless a program has a baseline of its own, and
    shares of the `reference` program's. `counted` is the table that creates make longer, `pages`
    how the names of its page and plots in docs begin.
    """

    title: str
    pages: str
    baseline: str
    baseline_title: str
    ratio_head: str
    reference: str
    share_head: str
    connections: tuple[int, ...]
    tables: tuple[Table, ...]
    counted: str

    def backend_title(self, backend: str) -> str:
        """Return the title of this group's figures on a backend."""
        return f"{self.title}, {backend}" if self.title else backend


GROUPS = {
    "open": Group(
        title="",
        pages="benchmarks",
        baseline="guide",
        baseline_title="the guide's program",
        ratio_head="x guide",
        reference="constant",
        share_head="of constant",
        connections=(1, 8, 64),
        tables=_content.TABLES,
        counted="users",
    ),
    "users": Group(
        title="An application with users",
        pages="benchmarks-users",
        baseline="plain",
        baseline_title="plain code by hand",
        ratio_head="x plain",
        reference="caller-alone",
        share_head="of no database",
        connections=(32, 64),
        tables=_notes.TABLES,
        counted="notes",
    ),
}
