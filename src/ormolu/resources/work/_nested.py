"""Plans for to-many relations: one statement for each, which takes the keys of all owners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect, any_, func, literal, select

from ormolu.backends import backend_of
from ormolu.lanes import Lanes, NotDoneError, Plan, Slot, UnplannableError, Values
from ormolu.query import (
    Budget,
    Field,
    Part,
    Relation,
    Row,
    Rows,
    Selection,
    View,
    children_statement,
    is_guarded,
    plain_type,
    shown,
    walk,
)

__all__ = ["Nested", "is_comparable_key", "nested_in", "plan_of"]

# Keys that are equal in Python where they are equal to the backend.
_COMPARABLE_KEYS = (sa.Integer, sa.Uuid)
# Keys that are themselves in a JSON array.
_JSON_KEYS = (sa.Integer, sa.String)


def plan_of(
    statement: Any,
    dialect: Dialect,
    *,
    key: slice | None = None,
    most: int | None = None,
    most_bytes: int | None = None,
    room: int | None = None,
) -> Plan:
    """Return the plan of a SELECT; see `Plan` for the arguments.

    Raises:
        UnplannableError: See `Plan`.
    """
    types = [column.type for column in statement.selected_columns]
    most_bytes = most_bytes if is_guarded(statement, dialect) else None
    plan = Plan(statement, types, dialect, key=key, most=most, most_bytes=most_bytes)
    plan.room = plan.room if room is None else min(plan.room, room)
    return plan


def is_comparable_key(key: Field, dialect: Dialect) -> bool:
    """Tell whether values of a key are equal in Python where they are equal to the backend."""
    return _is_one_of(key, _COMPARABLE_KEYS, dialect)


class Nested:
    """Fetches the to-many relations of an answer, with one statement for each."""

    def __init__(
        self,
        root: Part,
        plans: Mapping[tuple[int, str], tuple[Plan, Part, int]],
        limits: tuple[int, int],
    ) -> None:
        self._root = root
        self._plans = plans
        self._limits = limits

    async def items(
        self, lanes: Lanes, plan: Plan, raw: Sequence[Any], values: Values
    ) -> list[Row]:
        """Return the rows of an answer.

        Args:
            lanes: Where the statements run.
            plan: The plan of the rows that were asked for.
            raw: Those rows.
            values: The values of the slots in policies.

        Raises:
            NotDoneError: A relation has more rows than an answer shows, which a header must tell.
            RefusedError: The answer has more rows or bytes than its budget.
        """

        async def fetch(
            part: Part, hop: tuple[Relation, Selection], owners: list[Any], _most: int
        ) -> tuple[Sequence[Sequence[Any]], Part, int, int]:
            child, root, width = self._plans[id(part), hop[0].name]
            found = await lanes.fetch_of(child, [key[0] for key in owners], values)
            return child.read_all(found), root, width, 0

        rows = Rows(fetch, Budget(*self._limits))
        items = await rows.collect(self._root, plan.read_all(raw))
        if rows.truncated:
            raise NotDoneError
        return [shown(self._root.selection, item) for item in items]


def nested_in(root: Part, dialect: Dialect, limits: tuple[int, int]) -> Nested | None:
    """Return what fetches the to-many relations of a selection; None if there are none.

    Args:
        root: The selection in its statement.
        dialect: Of the engine.
        limits: How many rows and bytes an answer may have.

    Raises:
        UnplannableError: The keys of their owners do not fit into one parameter.
    """
    plans: dict[tuple[int, str], tuple[Plan, Part, int]] = {}
    # Each owner may have one row more, which tells that there are others.
    most = 2 * limits[0] + 1
    waiting = [root]
    while waiting:
        for part, _ in walk(waiting.pop(), ""):
            view = part.selection.view
            for name, hop in part.selection.children.items():
                if not hop[0].is_joined:
                    statement, inner = children_statement(
                        view, hop, _owners_in(view, dialect), dialect, limits[1]
                    )
                    limited = statement.limit(most)
                    plan = plan_of(
                        limited, dialect, key=slice(0, 1), most=most, most_bytes=limits[1],
                        room=limits[1],
                    )  # fmt: skip
                    plans[id(part), name] = (plan, inner, len(view.keys))
                    waiting.append(inner)
    return Nested(root, plans, limits) if plans else None


def _owners_in(view: View, dialect: Dialect) -> Callable[[Any], Any]:
    """Return a function from the column of a key to the condition that it is in a list."""
    key, is_array = view.keys[0], backend_of(dialect).has_arrays
    kinds = _COMPARABLE_KEYS if is_array else _JSON_KEYS
    if len(view.keys) > 1 or not _is_one_of(key, kinds, dialect):
        message = f"the keys of {view.model.__name__} do not fit into one parameter"
        raise UnplannableError(message)
    if is_array:
        return lambda column: column == any_(literal(Slot("keys"), sa.ARRAY(key.type)))
    listed = func.json_each(literal(Slot("keys"), sa.String())).table_valued("value")
    return lambda column: column.in_(select(listed.c.value))


def _is_one_of(key: Field, kinds: tuple[type[Any], ...], dialect: Dialect) -> bool:
    """Tell whether a key is of these types, and is read as the driver returns it."""
    type_ = plain_type(key.type, dialect)
    # A UUID may be text to the program or in the table, and an Enum has other names.
    is_uuid = all(getattr(type_, name, True) for name in ("as_uuid", "native_uuid"))
    return isinstance(type_, kinds) and is_uuid and not isinstance(type_, sa.Enum)
