"""What filters and sorts mean, in plain Python; and random ones of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cmp_to_key
from random import Random
from typing import Any

from tests.resources.people import NAMES, Colour, probe, text

Row = dict[str, Any]

TEXTS = ("name", "nick", "notes")
UNORDERED = ("colour", "code", "raw")
RELATIONS = ("pets", "clubs", "team", "owner")


def holds(row: Row, tree: dict[str, Any]) -> bool:
    """Tell whether a row fulfils a `where`."""
    return all(_member_holds(row, key, inner) for key, inner in tree.items())


def _member_holds(row: Row, key: str, inner: Any) -> bool:
    if key in {"and", "or"}:
        return (all if key == "and" else any)(holds(row, part) for part in inner)
    if key == "not":
        return not holds(row, inner)
    if key in RELATIONS:
        inner = inner if inner and set(inner) <= {"any", "none", "every"} else {"any": inner}
        others = row[key] if isinstance(row[key], list) else [row[key]] if row[key] else []
        found = {
            "any": lambda part: any(holds(other, part) for other in others),
            "none": lambda part: not any(holds(other, part) for other in others),
            "every": lambda part: all(holds(other, part) for other in others),
        }
        return all(found[word](part) for word, part in inner.items())
    path, dot, rest = key.partition(".")
    if dot:
        return _member_holds(row, path, {"any": {rest: inner}})
    name, mark, operator = key.rpartition("__")
    return compare(row[name if mark else key], operator if mark else "eq", inner)


def compare(stored: Any, operator: str, given: Any) -> bool:
    """Tell whether a stored value is to another as an operator says; NULL is to none."""
    if operator == "isnull":
        return (stored is None) is given
    if operator in {"ne", "not_in"}:
        return not compare(stored, {"ne": "eq", "not_in": "in"}[operator], given)
    if operator == "eq" and given is None:
        return stored is None
    return stored is not None and COMPARE[operator](stored, given)


def _like(stored: str, pattern: str, flags: int = 0) -> bool:
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(piece) or re.escape(piece[-1]) for piece in pieces)
    return re.fullmatch(expression, stored, re.DOTALL | flags) is not None


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda stored, given: bool(stored == given),
    "lt": lambda stored, given: bool(stored < given),
    "le": lambda stored, given: bool(stored <= given),
    "lte": lambda stored, given: bool(stored <= given),
    "gt": lambda stored, given: bool(stored > given),
    "ge": lambda stored, given: bool(stored >= given),
    "gte": lambda stored, given: bool(stored >= given),
    "in": lambda stored, given: stored in given,
    "between": lambda stored, given: bool(given[0] <= stored <= given[1]),
    "like": _like,
    "ilike": lambda stored, given: _like(stored, given, re.IGNORECASE | re.ASCII),
    "startswith": lambda stored, given: bool(stored.startswith(given)),
    "endswith": lambda stored, given: bool(stored.endswith(given)),
    "contains": lambda stored, given: given in stored,
}


def random_term(source: Random) -> dict[str, Any]:
    """Return one random comparison."""
    name = source.choice([*NAMES, "double"])
    operators = ["eq", "ne", "in", "not_in", "isnull"]
    if name not in UNORDERED:
        operators += ["lt", "le", "gt", "ge", "lte", "gte", "between"]
    if name in TEXTS:
        operators += ["like", "startswith", "endswith", "contains", "ilike"]
    operator = source.choice(operators)
    key = name if operator == "eq" else f"{name}__{operator}"
    if operator == "isnull":
        return {key: source.random() < 0.5}
    if operator in {"in", "not_in"}:
        return {key: [probe(source, name) for _ in range(source.randint(0, 3))]}
    if operator == "between":
        return {key: [probe(source, name), probe(source, name)]}
    if operator in {"like", "ilike"}:
        pattern = source.choice(["%", "", "_"]) + text(source) + source.choice(["%", ""])
        # Backends fold the case of other letters than ASCII's in their own ways.
        pattern = pattern.rstrip("\\")
        return {key: "".join(each for each in pattern if operator == "like" or each.isascii())}
    return {key: None if operator == "eq" and source.random() < 0.1 else probe(source, name)}


def random_tree(source: Random, depth: int = 0) -> dict[str, Any]:
    """Return a random `where`."""
    kind = source.choice(["term", "term", "both", "and", "or", "not", "over", "path"])
    if depth > 2 or kind == "term":
        return random_term(source)
    if kind == "both":
        return {**random_term(source), **random_term(source)}
    if kind == "not":
        return {"not": random_tree(source, depth + 1)}
    if kind == "over":
        return _random_over(source, depth)
    if kind == "path":
        (key, value), *_ = random_term(source).items()
        return source.choice(
            [
                {"team.city": "x"},
                {"team.city__ne": "x"},
                {"team.name__contains": text(source)},
                {"pets.weight__gt": 1},
                {"team.city__isnull": True},
                {f"pets.owner.{key}": value},
                {"pets.owner.clubs.name__in": ["c0", "c2"]},
            ]
        )
    return {kind: [random_tree(source, depth + 1) for _ in range(source.randint(1, 3))]}


def _random_over(source: Random, depth: int) -> dict[str, Any]:
    relation, name = source.choice([("pets", "weight"), ("clubs", "id"), ("team", "id")])
    inner: dict[str, Any]
    inner = {f"{name}__{source.choice(['gt', 'eq', 'ne', 'le'])}": source.randint(1, 3)}
    if source.random() < 0.3:
        inner = source.choice([{"not": inner}, {"or": [inner, {"id": 2}]}])
    if relation == "pets" and source.random() < 0.4:
        inner["owner"] = {"every": random_tree(source, depth + 2)}
    words = source.sample(["any", "none", "every"], source.randint(0, 2))
    return {relation: dict.fromkeys(words, inner) if words else inner}


def random_sort(source: Random) -> list[str]:
    """Return a random sort; not by UUID, whose order is each backend's own."""
    names = source.sample(
        [
            *(name for name in NAMES if name not in {"code", "raw"}),
            "team.city",
            "team.name",
            "double",
        ],
        source.randint(0, 3),
    )
    return [
        f"{source.choice(['', '-'])}{name}{source.choice(['', '', ':nullsfirst', ':nullslast'])}"
        for name in names
    ]


def sorted_rows(rows: list[Row], sort: list[str]) -> list[Row]:
    """Return the rows in the order of a sort."""

    def compare_rows(one: Row, other: Row) -> int:
        for key in [*sort, "id"]:
            order = _compare_by(one, other, key)
            if order:
                return order
        return 0

    return sorted(rows, key=cmp_to_key(compare_rows))


def _compare_by(one: Row, other: Row, key: str) -> int:
    path, _, nulls = key.removeprefix("-").partition(":")
    left, right = _at(one, path), _at(other, path)
    are_first = nulls == "nullsfirst" if nulls else key.startswith("-")
    if left is None or right is None:
        order = (left is None) - (right is None)
        return -order if are_first else order
    order = int(left > right) - int(left < right)
    return -order if key.startswith("-") else order


def _at(row: Row, path: str) -> Any:
    for name in path.split("."):
        row = row[name] if row is not None else None
    # An enum sorts by what is stored of it, its name.
    return row.name if isinstance(row, Colour) else row
