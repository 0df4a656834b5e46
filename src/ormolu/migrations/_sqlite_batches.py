"""What Alembic's batch mode on SQLite does not do: copy a table that has computed columns.

Alembic registers a dialect's implementation when its class is made, so that ours is then SQLite's.
"""

from __future__ import annotations

from typing import Any

from alembic.ddl.sqlite import SQLiteImpl

__all__ = ["SQLiteBatches"]


class SQLiteBatches(SQLiteImpl):
    """SQLite as Alembic has it, with computed columns."""

    __dialect__ = "sqlite"

    def prep_table_for_batch(self, batch_impl: Any, table: Any) -> None:
        """Leave out of the copied values what the new table computes."""
        super().prep_table_for_batch(batch_impl, table)
        for column in table.columns:
            if column.computed is not None:
                batch_impl.column_transfers.get(column.name, {}).pop("expr", None)
