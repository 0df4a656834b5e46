"""Policies for statements that callers share: their structure, and the values of one caller.

The policies of two callers mostly differ only in values, such as the number of a tenant. So a
statement is compiled once for a structure, with a slot for each value. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from sqlalchemy import BindParameter, ClauseElement
from sqlalchemy.sql import visitors
from sqlalchemy.types import TupleType

from ormolu.lanes import NO_VALUES, Slot, Values
from ormolu.resources.declare import (
    EVERYTHING,
    Policies,
    Policy,
    isolate_policies,
)
from ormolu.seams import structure_of

__all__ = ["NO_POLICIES", "Grant", "make_grant", "with_slots"]


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What one caller is allowed, for statements that callers share.

    Attributes:
        key: The structure of all policies: callers with the same key share statements.
        values: The caller's values for the slots.
        policy: The policy of the resource's own rows.
    """

    key: Hashable
    values: Values
    policy: Policy


# Most values of a list in a policy, such as the projects of a user. For more use the session.
_MAX_LIST = 100

NO_POLICIES = Grant(key=(), values=NO_VALUES, policy=EVERYTHING)


def make_grant(policies: Policies, policy: Policy) -> Grant | None:
    """Return the grant of a request's policies; None if its statements cannot be shared.

    Args:
        policies: The policies of all that the request may touch, in a fixed order.
        policy: The one of the resource's own rows.
    """
    if not policies:
        return NO_POLICIES
    keys: list[Hashable] = []
    values: dict[str, Any] = {}
    for each in policies.values():
        structure = each.structure
        if structure is None:
            return None
        keys.append(structure.key)
        for bind in structure.values:
            # Of a list of pairs each value is several parameters.
            is_of_pairs = isinstance(bind.type, TupleType)
            if bind.required or bind.literal_execute or is_of_pairs:
                return None
            value: Any = bind.effective_value
            if not bind.expanding:
                values[f"policy {len(values)}"] = value
            elif len(value) > _MAX_LIST:
                return None
            else:
                # A list has a slot for each value, so each length is another statement.
                keys.append(len(value))
                values |= {f"policy {len(values) + n}": part for n, part in enumerate(value)}
    return Grant(key=tuple(keys), values=values, policy=policy)


def with_slots(policies: Policies) -> Policies | None:
    """Return policies with a slot for each value; None if some cannot have slots."""
    slots: Iterator[Slot] = (Slot(f"policy {number}") for number in count())
    found: dict[Any, Policy] = {}
    for exposure, policy in policies.items():
        slotted = [_slotted(rows, slots) if isinstance(rows, ClauseElement) else rows
                   for rows in policy.conditions]  # fmt: skip
        if any(each is None for each in slotted):
            return None
        found[exposure] = replace(policy, visible=slotted[0], writable=slotted[-1])
    return isolate_policies(found)


def _slotted(element: Any, slots: Iterator[Slot]) -> Any:
    """Return an expression with slots for its values; None if it would mean something else."""
    known = structure_of(element)
    assert known is not None
    structure, binds = known
    filled: dict[str, Any] = {}
    for bind in binds:
        value: Any = bind.effective_value
        filled[bind.key] = [next(slots) for _ in value] if bind.expanding else next(slots)
    if len(filled) != len(binds):
        # Two parameters of one name may have two values.
        return None

    def fill(bind: BindParameter[Any]) -> None:
        bind.value, bind.callable = filled[bind.key], None

    # Copy as `Select.params` does: each parameter keeps its key, by which it is filled.
    options = {"maintain_key": True, "detect_subquery_cols": True}
    made: Any = visitors.cloned_traverse(element, options, {"bindparam": fill})
    # Then give each a new key: two conditions may share a parameter.
    made = visitors.cloned_traverse(made, {}, {})
    again = structure_of(made)
    if again is None or again[0] != structure:
        return None
    # SQLAlchemy does not copy the parameters of some constructs: TABLESAMPLE, say.
    return made if all(map(_is_filled, again[1])) else None


def _is_filled(bind: BindParameter[Any]) -> bool:
    values = bind.value if bind.expanding else [bind.value]
    return all(isinstance(value, Slot) for value in values or ())
