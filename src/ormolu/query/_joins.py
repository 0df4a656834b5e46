"""The join to the rows of a relation, in which the `order_by` of the relation is valid."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, inspect
from sqlalchemy.sql import visitors

from ormolu.query._views import Relation

__all__ = ["has_table_between", "join_children", "order_of", "order_on"]


def has_table_between(relation: Relation, owner: Any) -> bool:
    """Tell whether a relation has a `secondary` table."""
    return relation.on(owner).property.secondary is not None


def order_of(relation: Relation, owner: Any) -> Sequence[ColumnElement[Any]]:
    """Return the `order_by` of a relation."""
    return relation.on(owner).property.order_by or ()


def join_children(
    statement: Select[Any], relation: Relation, parent: Any, child: type[Any]
) -> Select[Any]:
    """Join the rows of a relation, so that its order can name them and the secondary table.

    Args:
        statement: A SELECT from the parent.
        relation: The relation.
        parent: Alias of the class that has the relation.
        child: The class that it leads to, not an alias.
    """
    link: Any = relation.on(parent)
    declared = link.property
    if declared.secondary is None or not declared.order_by:
        return statement.join(link.of_type(child))
    # SQLAlchemy would alias the secondary table, which the order then could not name.
    to_secondary = _on_alias(declared.primaryjoin, parent, declared.local_columns)
    return statement.join(declared.secondary, to_secondary).join(child, declared.secondaryjoin)


def order_on(relation: Relation, owner: Any, child: Any) -> list[ColumnElement[Any]]:
    """Return the `order_by` of a relation, on an alias of the class that it leads to."""
    columns = {
        column for each in relation.on(owner).property.mapper.tables for column in each.columns
    }
    return [_on_alias(each, child, columns) for each in order_of(relation, owner)]


def _on_alias(expression: Any, alias: Any, columns: AbstractSet[Any]) -> Any:
    """Return an expression with these columns replaced by those of an alias."""
    selectable: Any = inspect(alias).selectable

    def replace(element: Any, **_: Any) -> Any:
        is_own = isinstance(element, Column) and element in columns
        return selectable.corresponding_column(element) if is_own else None

    return visitors.replacement_traverse(expression, {}, replace)
