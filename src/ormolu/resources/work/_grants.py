"""What a request's policies are to statements that are kept: a structure, and values in it.

The policies of two callers mostly differ in values alone: the number of a tenant, say. So what is
made of them is kept by their structure, with a slot for each value. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, ClauseElement
from sqlalchemy.sql import visitors

from ormolu.lanes import NO_VALUES, Slot, Values
from ormolu.resources.declare import EVERYTHING, Policies, Policy, apart
from ormolu.seams import structure_of

__all__ = ["EVERYBODY", "Grant", "grant_of", "template_of"]


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a caller is allowed, for statements that other callers share.

    Attributes:
        key: The structure of all policies: requests with the same share their statements.
        values: What stands in the slots of these.
        policy: Of the resource's own rows.
    """

    key: Hashable
    values: Values
    policy: Policy


# Values of a list in a policy: the projects of a user, say. For more the session is fast enough.
_LIST = 100

# Who asks where there are no policies.
EVERYBODY = Grant(key=(), values=NO_VALUES, policy=EVERYTHING)


def grant_of(policies: Policies, policy: Policy) -> Grant | None:
    """Return what policies are to statements that are kept; None if these must be made anew.

    Args:
        policies: Of a request, in the order of what it may touch.
        policy: Of them, the one of the resource's own rows.
    """
    if not policies:
        return EVERYBODY
    keys: list[Hashable] = []
    values: dict[str, Any] = {}
    for each in policies.values():
        structure = each.structure
        if structure is None:
            return None
        keys.append(structure.key)
        for bind in structure.values:
            if bind.required or bind.literal_execute:
                return None
            value: Any = bind.effective_value
            if not bind.expanding:
                values[f"policy {len(values)}"] = value
            elif len(value) > _LIST:
                return None
            else:
                # As many places as the list has: another text for each length.
                keys.append(len(value))
                values |= {f"policy {len(values) + n}": part for n, part in enumerate(value)}
    return Grant(key=tuple(keys), values=values, policy=policy)


def template_of(policies: Policies) -> Policies | None:
    """Return policies with a slot for each value; None if some cannot have slots."""
    slots: Iterator[Slot] = map(Slot, _names())
    found: dict[Any, Policy] = {}
    for exposure, policy in policies.items():
        made: list[Any] = []
        for rows in policy.conditions:
            each = _slotted(rows, slots) if isinstance(rows, ClauseElement) else rows
            if each is None:
                return None
            made.append(each)
        visible, *others = made
        writable = others[0] if others else visible
        found[exposure] = replace(policy, visible=visible, writable=writable)
    return apart(found)


def _names() -> Iterator[str]:
    number = 0
    while True:
        yield f"policy {number}"
        number += 1


def _slotted(element: Any, slots: Iterator[Slot]) -> Any:
    """Return an expression with slots for its values; None if it is not the same one then."""
    known = structure_of(element)
    assert known is not None
    structure, binds = known
    filled: dict[str, Any] = {}
    for bind in binds:
        value: Any = bind.effective_value
        filled[bind.key] = [next(slots) for _ in value] if bind.expanding else next(slots)
    if len(filled) != len(binds):
        # Two of one name may have two values.
        return None

    def fill(bind: BindParameter[Any]) -> None:
        bind.value, bind.callable = filled[bind.key], None

    # As `params` of a statement does; each clone keeps its key, by which it is filled.
    options = {"maintain_key": True, "detect_subquery_cols": True}
    made: Any = visitors.cloned_traverse(element, options, {"bindparam": fill})
    # And then has one of its own: two conditions may have shared a parameter, or may not.
    made = visitors.cloned_traverse(made, {}, {})
    again = structure_of(made)
    if again is None or again[0] != structure:
        return None
    # Some constructs of SQLAlchemy's are in the key, and are not copied: TABLESAMPLE, say.
    return made if all(map(_is_filled, again[1])) else None


def _is_filled(bind: BindParameter[Any]) -> bool:
    values = bind.value if bind.expanding else [bind.value]
    return all(isinstance(value, Slot) for value in values or ())
