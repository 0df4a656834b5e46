"""The join to the rows behind a relation, in which the order that it declares has a meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, inspect
from sqlalchemy.sql import visitors

from ormolu.query._views import Relation

__all__ = ["join_children", "order_of"]


def order_of(relation: Relation, owner: type[Any]) -> Sequence[ColumnElement[Any]]:
    """Return the order that the relationship of a mapped class declares."""
    return relation.on(owner).property.order_by or ()


def join_children(
    statement: Select[Any], relation: Relation, parent: Any, child: type[Any]
) -> Select[Any]:
    """Join the rows behind a relation, so that its order can name them and the table between.

    Args:
        statement: What selects from the parents.
        relation: The relation.
        parent: Alias of the class that has it.
        child: The class behind it, which is no alias.
    """
    link: Any = relation.on(parent)
    declared = link.property
    if declared.secondary is None or not declared.order_by:
        return statement.join(link.of_type(child))
    # SQLAlchemy would take an alias of the table between, which no order can name.
    selectable: Any = inspect(parent).selectable

    def replace(element: Any, **_: Any) -> Any:
        is_own = isinstance(element, Column) and element in declared.local_columns
        return selectable.corresponding_column(element) if is_own else None

    to_secondary = visitors.replacement_traverse(declared.primaryjoin, {}, replace)
    return statement.join(declared.secondary, to_secondary).join(child, declared.secondaryjoin)
