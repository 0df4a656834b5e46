"""Which columns of a table are unique together, and which relations lead down a tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty
from sqlalchemy.sql import operators

__all__ = ["keys_of_table", "leads_down"]


def leads_down(relation: RelationshipProperty[Any]) -> bool:
    """Tell whether each row that a relation leads to belongs to one owner alone."""
    if relation.direction is not RelationshipDirection.ONETOMANY:
        return False
    joined = relation.primaryjoin
    is_all = isinstance(joined, sa.BooleanClauseList) and joined.operator is operators.and_
    parts: Any = joined.clauses if is_all else [joined]
    equal = {
        column
        for part in parts
        if isinstance(part, sa.BinaryExpression) and part.operator is operators.eq
        for column in (part.left, part.right)
    }
    owners = {local for local, _ in relation.synchronize_pairs if local in equal}
    return any(
        key and key <= owners for table in relation.parent.tables for key in keys_of_table(table)
    )


def keys_of_table(table: Any) -> Iterator[set[Any]]:
    """Yield the sets of columns that are unique together; an expression may be among them.

    The columns of an index do not tell: of an expression it has those that are in it.
    """
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield set(constraint.columns)
    for index in table.indexes:
        if index.unique and not _is_partial(index):
            yield set(index.expressions)
    yield set(table.primary_key.columns)


def _is_partial(index: sa.Index) -> bool:
    # postgresql_where, sqlite_where
    return any(name.endswith("_where") for name in index.kwargs)
