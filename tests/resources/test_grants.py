"""What policies of one structure share, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Integer, String, and_, bindparam, exists, func, literal, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, Policy
from ormolu.lanes import Slot
from ormolu.resources.work._grants import NO_POLICIES, make_grant, with_slots


class Grove(Model):
    __tablename__ = "grant_groves"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    name: Mapped[str] = mapped_column(String(20))
    is_open: Mapped[bool]


def granted(policy: Policy) -> Any:
    policies: Any = {Grove: policy}
    return make_grant(policies, policy)


def slots_of(policy: Policy) -> list[str]:
    """Return the slots in the template of a policy, in the order of its values."""
    policies: Any = {Grove: policy}
    made: Any = with_slots(policies)
    found: list[str] = []
    for condition in made[Grove].conditions:
        for value in condition.compile().params.values():
            parts = value if isinstance(value, list) else [value]
            found += [part.name for part in parts if isinstance(part, Slot)]
    return found


def test_values_are_no_part_of_the_key() -> None:
    """Two callers with other values have the same key; other conditions, another one."""
    first, second = (granted(Policy(visible=Grove.owner == n)) for n in (1, 2))
    assert first.key == second.key
    assert (first.values, second.values) == ({"policy 0": 1}, {"policy 0": 2})
    assert granted(Policy(visible=Grove.owner > 1)).key != first.key
    assert granted(Policy(visible=Grove.owner == 1, hidden={"name"})).key != first.key
    assert granted(Policy(visible=Grove.owner == 1, writable=False)).key != first.key
    assert granted(Policy(visible=literal(1, Integer()) == Grove.owner)).key != first.key


def test_values_of_both_conditions() -> None:
    """Those that are visible come first; the same condition twice has its values once."""
    mine = Grove.owner == 1
    assert granted(Policy(visible=mine, writable=mine)).values == {"policy 0": 1}
    both = Policy(visible=mine, writable=and_(Grove.owner == 1, Grove.name == "a"))
    assert granted(both).values == {"policy 0": 1, "policy 1": 1, "policy 2": "a"}
    assert slots_of(both) == ["policy 0", "policy 1", "policy 2"]


def test_values_within_subqueries() -> None:
    """They have slots too, in their order."""
    inner = exists(select(literal(7)).where(Grove.name == "b"))
    policy = Policy(visible=(Grove.owner == 1) & inner & Grove.is_open)
    values = granted(policy).values
    assert sorted(map(str, values.values())) == ["1", "7", "b"]
    assert sorted(slots_of(policy)) == sorted(values)


def test_parameter_of_two_conditions() -> None:
    """Each has a slot of its own for it, as others with this key may have two values there."""
    shared = bindparam(None, 1, type_=Integer(), unique=True)
    policy = Policy(visible=(Grove.owner == shared) | Grove.is_open, writable=Grove.id == shared)
    policies: Any = {Grove: policy}
    made: Any = with_slots(policies)
    slots = select(Grove.id).where(made[Grove].touched).compile().params.values()
    assert sorted(each.name for each in slots) == ["policy 0", "policy 1"]


def test_lists() -> None:
    """A list has as many slots as values, and its length is of the key."""
    two, three = (Policy(visible=Grove.owner.in_(range(n))) for n in (2, 3))
    assert granted(two).values == {"policy 0": 0, "policy 1": 1}
    assert granted(two).key != granted(three).key
    assert slots_of(three) == ["policy 0", "policy 1", "policy 2"]
    assert granted(Policy(visible=Grove.owner.in_(range(101)))) is None


def test_what_is_not_kept() -> None:
    """A value that comes with the statement, one in its text, two of one name."""
    own = Policy(visible=Grove.owner == bindparam("own"))
    assert granted(own) is None
    inline = Policy(visible=Grove.owner == bindparam("own", 1, literal_execute=True))
    assert granted(inline) is None
    names: Any = {Grove: Policy(visible=and_(Grove.owner == bindparam("n", 1),
                                             Grove.id == bindparam("n", 1)))}  # fmt: skip
    assert with_slots(names) is None
    sampled = Grove.__table__.tablesample(func.bernoulli(literal(30)))
    some: Any = {Grove: Policy(visible=Grove.id.in_(select(sampled.c.id)))}
    assert granted(some[Grove]) is None or with_slots(some) is None


def test_nobody_s_policies() -> None:
    """Where there are none everybody is allowed the same."""
    assert granted(Policy(visible=True)).values == {}
    assert make_grant({}, Policy(visible=True)) is NO_POLICIES


@pytest.mark.parametrize("rows", [True, False])
def test_all_or_none(*, rows: bool) -> None:
    """They are of the key as they are."""
    policies: Any = {Grove: Policy(visible=rows)}
    assert with_slots(policies)[Grove].visible is rows  # type: ignore[index]
    assert granted(Policy(visible=rows)).key != granted(Policy(visible=not rows)).key


def test_pairs_have_no_slots_of_their_own() -> None:
    """A pair is one value of a list; its statement is made by the session."""
    pairs = Policy(visible=tuple_(Grove.id, Grove.owner).in_([(1, 2)]))
    assert granted(pairs) is None
