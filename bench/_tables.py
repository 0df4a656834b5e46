"""Tables by formula: what stands in each column of row n, as SQL that all backends know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """A table with rows from 1 on; `columns` has an expression of `n` for each column."""

    name: str
    columns: Mapping[str, str]
    rows: int

    @property
    def target(self) -> str:
        """The table and its columns, as INSERT names them."""
        return f"{self.name} ({', '.join(self.columns)})"

    @property
    def values(self) -> str:
        """The expressions of all columns."""
        return ", ".join(self.columns.values())
