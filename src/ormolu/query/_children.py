"""The statements for to-many relations, one for all owners. No HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Select, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ormolu.backends import backend_of
from ormolu.query._guards import fetch_rows, guard, is_guarded
from ormolu.query._joins import join_children, order_of
from ormolu.query._rows import MAX_CHILDREN, FetchChildren
from ormolu.query._selection import Part, Selection, key_columns, prepare
from ormolu.query._shown import as_key
from ormolu.query._views import Relation, View

__all__ = ["children_of", "children_statement"]

# No policy has a parameter of this name.
_KEYS = "ormolu_keys"


def children_of(session: AsyncSession, dialect: Dialect, most_bytes: int) -> FetchChildren:
    """Return a function that fetches the rows of to-many relations in a session."""

    async def fetch(
        part: Part, hop: tuple[Relation, Selection], owners: list[Any], most: int
    ) -> tuple[Sequence[Any], Part, int, int]:
        view = part.selection.view
        is_single = len(view.keys) == 1
        wanted = [key[0] for key in owners] if is_single else owners
        # Pass the keys with execute: values in a statement live as long as SQLAlchemy caches it.
        keys: Any = bindparam(_KEYS, expanding=True)
        statement, root = children_statement(
            view, hop, lambda one: one.in_(keys), dialect, most_bytes
        )
        rows, size = await fetch_rows(
            session, statement.limit(most), dialect, most_bytes, values={_KEYS: wanted}
        )
        return rows, root, len(view.keys), size

    return fetch


def children_statement(
    view: View,
    hop: tuple[Relation, Selection],
    is_owner: Callable[[Any], ColumnElement[bool]],
    dialect: Dialect,
    most_bytes: int,
) -> tuple[Select[Any], Part]:
    """Return the statement for the rows of a to-many relation: at most 101 for each owner.

    Of a relation that shows only its first row it returns that. A row begins with the key of its
    owner and its place among the owner's rows; SQLite returns them in any order.

    Args:
        view: The view of the owners.
        hop: The relation, and what is asked for of its rows.
        is_owner: From an owner's key, a column or a tuple, to the condition that it is asked for.
        dialect: Of the engine.
        most_bytes: The limit for `guard`.
    """
    relation, selection = hop
    # The child is not aliased: the order of the relation may name it or the secondary table.
    parent, child = aliased(view.model), selection.view.model
    parent_keys = list(map(as_key, key_columns(view, parent)))
    child_keys = key_columns(selection.view, child)
    order = [*order_of(relation, view.model), *child_keys]
    place = func.row_number().over(partition_by=parent_keys, order_by=order)
    one = parent_keys[0] if len(parent_keys) == 1 else tuple_(*parent_keys)
    columns: list[Any] = [
        *[column.label(f"p{index}") for index, column in enumerate(parent_keys)],
        *[column.label(f"c{index}") for index, column in enumerate(child_keys)],
        place.label("place"),
    ]
    owners: Any = select(*columns).select_from(parent)
    found = join_children(owners, relation, parent, child).where(is_owner(one))
    seen = selection.view.visible_on(child)
    if seen is not None:
        found = found.where(seen)
    ranked = found.subquery()
    target = aliased(selection.view.model)
    same = [
        column == ranked.c[f"c{index}"]
        for index, column in enumerate(key_columns(selection.view, target))
    ]
    width, most = len(parent_keys), 1 if relation.is_first else MAX_CHILDREN + 1
    places = [*[ranked.c[f"p{index}"] for index in range(width)], ranked.c.place]
    statement: Select[Any] = (
        select(*places).select_from(target).join(ranked, and_(*same)).where(ranked.c.place <= most)
    )
    if backend_of(dialect).sorts_in_memory:
        statement = statement.order_by(*places)
    prepared, root = prepare(statement, selection, target)
    if is_guarded(prepared, dialect):
        prepared = guard(prepared, places, dialect, most_bytes)
    return prepared, root
