"""The rows of the table: what is asked, over and over, with random numbers."""

from __future__ import annotations

from dataclasses import dataclass

from bench._content import USERS

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of request; its path is the program's."""

    title: str
    method: str
    sends_name: bool = False

    @property
    def stores(self) -> bool:
        """Whether each success is a new row."""
        return self.method == "POST"


ROWS = {
    "point": Row(title=f"point read, random id of {USERS:,}", method="GET"),
    "list": Row(title="list of 95 to 105 rows", method="GET"),
    "include": Row(title="read with 3 rows of a relation", method="GET"),
    "patch": Row(title="patch, random id", method="PATCH", sends_name=True),
    "create": Row(title="durable create", method="POST", sends_name=True),
}
