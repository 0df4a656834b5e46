"""Random conditions of policies, each in SQL and in plain Python, where NULL is neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import and_, case, exists, func, literal, not_, or_, true

Row = dict[str, Any]
Truth = bool | None

VALUES: dict[str, list[Any]] = {
    "tenant": [None, 1, 2],
    "flag": [None, True, False],
    "short_text": [None, "x", "y", ""],
    "score": [None, 0, 5, 7],
}


@dataclass(frozen=True)
class Rule:
    """A condition: from a class to SQL, and from a row to whether it holds."""

    sql: Callable[[Any], Any]
    holds: Callable[[Row], Truth]

    def allows(self, row: Row) -> bool:
        """Tell whether a row fulfils it, as WHERE has it."""
        return self.holds(row) is True


def constant(value: bool) -> Rule:
    """Return a condition that is the same for all rows."""
    return Rule(lambda _model: value, lambda _row: value)


def random_rule(source: Random, owner: Any, depth: int = 0) -> Rule:
    """Return a random condition on a row, or on the owner whose key is in it."""
    if depth > 2 or source.random() < 0.4:
        return _leaf(source, owner)
    parts = [random_rule(source, owner, depth + 1) for _ in range(source.randint(1, 2))]
    return source.choice([_all, _any, _no, _chosen])(parts)


def _leaf(source: Random, owner: Any) -> Rule:
    name = source.choice(list(VALUES))
    value, other = source.sample(VALUES[name][1:], 2)

    def column(model: Any) -> Any:
        return getattr(model, name)

    def compared(row: Row, found: Callable[[Any], bool]) -> Truth:
        return None if row[name] is None else found(row[name])

    leaves = [
        Rule(lambda m: column(m).is_(None), lambda row: row[name] is None),
        Rule(lambda m: column(m).is_not(None), lambda row: row[name] is not None),
        Rule(lambda m: column(m) == value, lambda row: compared(row, lambda v: v == value)),
        Rule(lambda m: column(m) != value, lambda row: compared(row, lambda v: v != value)),
        Rule(lambda m: column(m).in_([value, other]),
             lambda row: compared(row, lambda v: v in {value, other})),
        Rule(lambda m: column(m).not_in([value]), lambda row: compared(row, lambda v: v != value)),
        Rule(lambda m: func.coalesce(column(m), literal(value, column(m).type)) == value,
             lambda row: row[name] is None or row[name] == value),
    ]  # fmt: skip
    if owner is not None:
        tenant = source.choice([1, 2])
        leaves += [
            Rule(lambda m: exists().where(owner.id == m.owner_id, owner.tenant == tenant),
                 lambda row: row["owner"] is not None and row["owner"]["tenant"] == tenant),
            Rule(lambda m: m.owner.has(owner.tenant == tenant),
                 lambda row: row["owner"] is not None and row["owner"]["tenant"] == tenant),
        ]  # fmt: skip
    return source.choice(leaves)


def _all(parts: list[Rule]) -> Rule:
    def holds(row: Row) -> Truth:
        found = [part.holds(row) for part in parts]
        return False if False in found else None if None in found else True

    return Rule(lambda m: and_(true(), *[part.sql(m) for part in parts]), holds)


def _any(parts: list[Rule]) -> Rule:
    def holds(row: Row) -> Truth:
        found = [part.holds(row) for part in parts]
        return True if True in found else None if None in found else False

    return Rule(lambda m: or_(*[part.sql(m) for part in parts]), holds)


def _no(parts: list[Rule]) -> Rule:
    def holds(row: Row) -> Truth:
        found = parts[0].holds(row)
        return None if found is None else not found

    return Rule(lambda m: not_(parts[0].sql(m)), holds)


def _chosen(parts: list[Rule]) -> Rule:
    def holds(row: Row) -> Truth:
        return True if parts[0].holds(row) is True else parts[-1].holds(row) is not True

    return Rule(lambda m: case((parts[0].sql(m), 1), (parts[-1].sql(m), 0), else_=1) == 1, holds)
