"""What a plan of a resource is: its statements, and how an answer is made of their rows."""

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
        version: Where in a row the version is; None without one.
        key: Where in a row the key is; nowhere where SQLite has read it into the JSON.
        nested: What makes the body instead, if relations to many are in it.
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
        rows: The rows; or one row with the JSON of all of them.
        content: From the rows to the JSON of the items.
        ends: The last row, and the one after it; None if `rows` has them.
        sort_values: From the last row to the values that the cursor holds.
        most_bytes: What the values of a page may have in all.
        parts: How many rows of an answer are made of one of these, at most.
        nested: What makes the items instead, if relations to many are in them.
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
        """Return what to read of one snapshot: else the next page begins where none has ended.

        Args:
            size: Rows, at most.
            offset: Rows to skip.
            values: Of the other slots.
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
        """Return the rows of the page; and its last one, with the one after it if there is one."""
        rows = found[0]
        return (rows, found[1]) if self.ends is not None else (rows[:size], rows[size - 1 :])
