"""The plans of a resource: statements, and how an answer is made of their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ormolu.lanes import Plan, Read
from ormolu.resources.work._nested import Nested

__all__ = ["Content", "PagePlan", "RowPlan"]

Content = Callable[[Sequence[Any]], bytes]


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """A statement for one row, and what its answer shows.

    Attributes:
        plan: What reads or writes it.
        content: From a row of the statement to the body.
        version: The column of the version in a row; None without one.
        key: The columns of the key in a row; empty where SQLite makes the JSON.
        nested: Makes the body instead, if it has to-many relations.
    """

    plan: Plan
    content: Content
    version: int | None
    key: slice
    nested: Nested | None = None

    def version_in(self, row: Sequence[Any]) -> Any:
        """Return the version of a row of the statement; None without one."""
        return None if self.version is None else self.plan.read(row)[self.version]


@dataclass(frozen=True, kw_only=True)
class PagePlan:
    """The statements for one page of a list.

    Attributes:
        rows: Reads the rows, or one row with the JSON of all of them.
        content: From the rows to the JSON of the items.
        ends: Reads the last row and the one after it; None if `rows` does.
        sort_values: From the last row to the values in the cursor.
        most_bytes: The most bytes of a page's values.
        parts: The most rows of an answer that one row has, with its to-one relations.
        nested: Makes the items instead, if they have to-many relations.
        count: The number of all rows, if that is asked for.
    """

    rows: Plan
    content: Content
    ends: Plan | None
    sort_values: Callable[[Sequence[Any]], Sequence[Any]]
    parts: int = 1
    most_bytes: int = 0
    nested: Nested | None = None
    count: Plan | None = None

    def reads(self, size: int, offset: int, values: Mapping[str, Any]) -> Sequence[Read]:
        """Return the statements of a page with parameters; they have to read one snapshot.

        Args:
            size: The most rows of the page.
            offset: Rows to skip.
            values: The values of the other slots.
        """
        most = size + 1 if self.ends is None else size
        values = {
            **values, "limit": most, "offset": offset, "last": offset + size - 1,
            "longest": self.most_bytes // most,
        }  # fmt: skip
        plans = (self.rows, self.ends, self.count)
        return [(plan, plan.arguments(values)) for plan in plans if plan is not None]

    @property
    def has_clock(self) -> bool:
        """Tell whether some of its parameters are computed anew each time."""
        plans = (self.rows, self.ends, self.count)
        return any(plan is not None and plan.has_clock for plan in plans)

    def split(self, size: int, *found: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the rows of the page; and its last row with the one after it, if there is one."""
        rows = found[0]
        return (rows, found[1]) if self.ends is not None else (rows[:size], rows[size - 1 :])
