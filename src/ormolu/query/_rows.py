"""The rows of an answer with their relations, made of what statements return. Knows no HTTP.

Each to-many relation takes one statement for all rows of its level, so nothing multiplies or drops
rows. All rows of a statement are made together, one part of it after the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter
from typing import Any

from ormolu.query._budgets import Budget, size_of_column
from ormolu.query._selection import Part, Row, Selection, walk
from ormolu.query._views import Relation

__all__ = ["MAX_CHILDREN", "FetchChildren", "Rows", "make_rows"]

MAX_CHILDREN = 100
# Backends take 32,766 parameters in one statement.
_MAX_PARAMETERS = 30_000

# From a part, a to-many relation with its selection, the keys of the owners and the most rows: the
# rows of the relation; their part; how many columns of the owner's key come before their places;
# and the bytes of the rows, if they were too many to send.
FetchChildren = Callable[
    [Part, tuple[Relation, Selection], list[Any], int],
    Awaitable[tuple[Sequence[Sequence[Any]], Part, int, int]],
]


@dataclass(slots=True)
class _Owner:
    """The rows with one key, which have the same children.

    Attributes:
        rows: The rows.
        times: How often they are in the answer, all together.
    """

    rows: list[Row] = field(default_factory=list)
    times: int = 0


# Owners by the id of their part, and by key.
_Owners = dict[int, dict[Any, _Owner]]


class Rows:
    """Makes the rows of one answer.

    Attributes:
        truncated: Paths of to-many relations that have more rows than the answer.
    """

    def __init__(self, fetch_children: FetchChildren, budget: Budget) -> None:
        """Begin an answer.

        Args:
            fetch_children: Sends the statements of to-many relations.
            budget: How many rows and bytes it may have.
        """
        self.truncated: set[str] = set()
        self._fetch_children = fetch_children
        self._budget = budget

    async def collect(self, root: Part, raw: Sequence[Sequence[Any]]) -> list[Row]:
        """Make the rows of an answer from the result of a prepared statement.

        Raises:
            RefusedError: The answer has more rows or bytes than its budget.
        """
        return await self._collect(root, raw, [1] * len(raw), "")

    async def _collect(
        self, root: Part, raw: Sequence[Sequence[Any]], times: Sequence[int], path: str
    ) -> list[Row]:
        parts = list(walk(root, path))
        for part, where in parts:
            self._spend(part, raw, times, where)
        owners: _Owners = {}
        rows = _make(root, raw, times, owners)
        for part, where in parts:
            for name, (relation, child) in part.selection.children.items():
                if not relation.is_joined:
                    place = f"{where}.{name}".lstrip(".")
                    found = owners.get(id(part), {})
                    await self._load_children(part, (relation, child), found, place)
        # Only a row that is joined may be missing.
        return rows  # type: ignore[return-value]

    def _spend(
        self, part: Part, raw: Sequence[Sequence[Any]], times: Sequence[int], path: str
    ) -> None:
        end = part.end
        if any(values[end] is None for values in raw):
            standing = [index for index, values in enumerate(raw) if values[end] is not None]
            raw, times = [raw[index] for index in standing], [times[index] for index in standing]
        count = sum(times)
        columns = zip(*map(part.values_of, raw), strict=True)
        size = sum(size_of_column(column, times) for column in columns)
        self._budget.spend_bytes(size + part.around * count, path)
        self._budget.spend_rows(count, path)

    async def _load_children(
        self, part: Part, hop: tuple[Relation, Selection], owners: dict[Any, _Owner], path: str
    ) -> None:
        keys = list(owners)
        most = _MAX_PARAMETERS // len(part.selection.view.keys)
        for start in range(0, len(keys), most):
            chosen = {key: owners[key] for key in keys[start : start + most]}
            await self._load_some_children(part, hop, chosen, path)

    async def _load_some_children(
        self, part: Part, hop: tuple[Relation, Selection], owners: dict[Any, _Owner], path: str
    ) -> None:
        name = hop[0].name
        # One row more of each owner tells that there are others; another one exceeds the budget.
        most = self._budget.rows + len(owners) + 1
        raw, root, width, size = await self._fetch_children(part, hop, list(owners), most)
        self._budget.spend_bytes(size, path)
        kept = [values for values in raw if values[width] <= MAX_CHILDREN]
        if len(kept) < len(raw):
            self.truncated.add(path)
        kept.sort(key=itemgetter(width))
        found = [owners[tuple(values[:width])] for values in kept]
        children = await self._collect(root, kept, [owner.times for owner in found], path)
        for owner, child in zip(found, children, strict=True):
            for row in owner.rows:
                if hop[0].is_many:
                    row[name].append(child)
                else:
                    row[name] = child


def make_rows(root: Part, raw: Sequence[Sequence[Any]]) -> list[Row]:
    """Make rows from the result of a prepared statement, without their to-many relations."""
    # Only a row that is joined may be missing.
    return _make(root, raw, (), None)  # type: ignore[return-value]


def _make(
    part: Part, raw: Sequence[Sequence[Any]], times: Sequence[int], owners: _Owners | None
) -> list[Row | None]:
    """Make the rows of a part; None where an outer join found none.

    Args:
        part: The selection in the statement.
        raw: The result of the statement.
        times: How often each row of it is in the answer.
        owners: Where those are added that rows of others are fetched for; None to add none.
    """
    # Loops in C, as in the counting of bytes: an answer may have hundreds of rows.
    made = map(dict, map(zip, repeat(part.names), map(part.values_of, raw)))
    rows: list[Row | None] = [
        row if values[part.end] is not None else None for row, values in zip(made, raw, strict=True)
    ]
    for name, (relation, _) in part.selection.children.items():
        inner = part.parts.get(name)
        if inner is not None:
            for row, child in zip(rows, _make(inner, raw, times, owners), strict=True):
                if row is not None:
                    row[name] = child
        else:
            for row in rows:
                if row is not None:
                    row[name] = [] if relation.is_many else None
    if part.is_owner and owners is not None:
        _add_owners(part, raw, times, rows, owners.setdefault(id(part), {}))
    return rows


def _add_owners(
    part: Part,
    raw: Sequence[Sequence[Any]],
    times: Sequence[int],
    rows: Sequence[Row | None],
    owners: dict[Any, _Owner],
) -> None:
    end, stop = part.end, part.stop
    for values, count, row in zip(raw, times, rows, strict=True):
        if row is not None:
            key = tuple(values[end:stop])
            owner = owners.get(key)
            if owner is None:
                owner = owners[key] = _Owner()
            owner.rows.append(row)
            owner.times += count
