"""Selections: the fields and relations of an answer, and its rows. Knows no HTTP.

To-one relations are read with the row by an outer join. Each to-many relation takes one statement
for all rows of its level. So nothing multiplies or drops rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, and_
from sqlalchemy.orm import aliased

from ormolu.query._budgets import Budget, size_of_names, size_of_values
from ormolu.query._shown import as_key, as_shown
from ormolu.query._views import Field, Location, Relation, View, refuse

__all__ = [
    "MAX_CHILDREN", "FetchChildren", "Part", "Row", "Rows", "Selection", "make_row", "prepare",
    "read_selection", "shown", "walk",
]  # fmt: skip

Row = dict[str, Any]

_MAX_DEPTH = 3
# Each include may take a statement.
_MAX_INCLUDES = 30
MAX_CHILDREN = 100
# Backends take 32,766 parameters in one statement.
_MAX_PARAMETERS = 30_000


@dataclass
class Selection:
    """The fields and relations of one model in an answer.

    Attributes:
        view: What may be seen.
        names: The members, in order.
        children: The relations, each with the selection of its target.
    """

    view: View
    names: tuple[str, ...] = ()
    children: dict[str, tuple[Relation, Selection]] = field(default_factory=dict)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Return the fields that are read, in order."""
        shape = self.view.shape
        if shape is not None:
            return shape.fields
        return tuple(self.view.fields[name] for name in self.names)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the fields in a row."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def is_shaped(self) -> bool:
        """Tell whether a public model makes the members of an answer."""
        children = [child for _, child in self.children.values()]
        return self.view.shape is not None or any(child.is_shaped for child in children)


def read_selection(
    view: View,
    fields: str | Sequence[str] | None,
    include: str | Sequence[str] | None,
    locations: tuple[Location, Location],
) -> Selection:
    """Read `fields` and `include`.

    Raises:
        RefusedError: A name is unknown, or an include too deep.
    """
    root = Selection(view)
    for path in _listed(include):
        _include(root, path, locations[1])
    if _count(root) > _MAX_INCLUDES:
        message = f"Must not have more than {_MAX_INCLUDES} relations, those on the way among them"
        raise refuse(locations[1], "too_many_includes", message)
    chosen = _listed(fields)
    for path in chosen:
        _choose(root, path, locations[0])
    _complete(root)
    return root


def _listed(names: str | Sequence[str] | None) -> list[str]:
    if names is None:
        return []
    return names.split(",") if isinstance(names, str) else list(names)


def _include(node: Selection, path: Any, location: Location) -> None:
    names = path.split(".") if isinstance(path, str) else [path]
    if len(names) > _MAX_DEPTH:
        raise refuse(location, "include_depth", f"Must not be deeper than {_MAX_DEPTH} relations")
    for name in names:
        relation = node.view.relation(name, location)
        if name not in node.children:
            node.children[name] = (relation, Selection(relation.target))
        node = node.children[name][1]


def _count(node: Selection) -> int:
    return sum(1 + _count(child) for _, child in node.children.values())


def _choose(node: Selection, path: Any, location: Location) -> None:
    *hops, last = path.split(".") if isinstance(path, str) else [path]
    for name in hops:
        if name not in node.children:
            node.view.relation(name, location)
            raise refuse(location, "not_included", f"{path!r} needs include={'.'.join(hops)}")
        node = node.children[name][1]
    node.view.check_member(last, location)
    if last not in node.names:
        node.names += (last,)


def _complete(node: Selection) -> None:
    node.names = node.names or node.view.members
    for _, child in node.children.values():
        _complete(child)


@dataclass
class Part:
    """A selection in a statement: its entity, and the first of its columns.

    Attributes:
        names: The names of its fields; the key's columns come after them.
        end: Where the key's columns begin.
        stop: The first column after those of the key.
        around: How many bytes the names take in the JSON of each row.
        is_owner: Whether rows of others are fetched by its keys.
    """

    selection: Selection
    entity: Any
    start: int
    parts: dict[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names: tuple[str, ...] = self.selection.keys
        self.end: int = self.start + len(self.names)
        self.stop: int = self.end + len(self.selection.view.keys)
        self.around: int = size_of_names(self.names)
        hops = self.selection.children.values()
        self.is_owner: bool = not all(relation.is_joined for relation, _ in hops)


def prepare(statement: Select[Any], selection: Selection, entity: Any) -> tuple[Select[Any], Part]:
    """Add the columns and outer joins of a selection to a statement."""
    root = Part(selection, entity, len(statement.selected_columns))
    return _add_columns(statement, root), root


# From a part, a to-many relation with its selection, the keys of the owners and the most rows: the
# rows of the relation; their part; how many columns of the owner's key come before their places;
# and the bytes of the rows, if they were too many to send.
FetchChildren = Callable[
    [Part, tuple[Relation, Selection], list[Any], int],
    Awaitable[tuple[Sequence[Sequence[Any]], Part, int, int]],
]


@dataclass(slots=True)
class Owner:
    """The rows with one key, which have the same children.

    Attributes:
        rows: The rows.
        times: How often they are in the answer, all together.
    """

    rows: list[Row] = field(default_factory=list)
    times: int = 0


# Owners by the id of their part, and by key.
Parents = dict[int, dict[Any, Owner]]


class Rows:
    """Makes the rows of one answer.

    Attributes:
        truncated: Paths of to-many relations that have more rows than the answer.
    """

    def __init__(self, fetch_children: FetchChildren, budget: Budget) -> None:
        """Begin an answer.

        Args:
            fetch_children: Sends the statements of to-many relations.
            budget: How many rows and bytes it may have.
        """
        self.truncated: set[str] = set()
        self._fetch_children = fetch_children
        self._budget = budget

    async def collect(self, root: Part, raw: Sequence[Sequence[Any]]) -> list[Row]:
        """Make the rows of an answer from the result of a prepared statement.

        Raises:
            RefusedError: The answer has more rows or bytes than its budget.
        """
        return await self._collect(root, raw, [1] * len(raw), "")

    async def _collect(
        self, root: Part, raw: Sequence[Sequence[Any]], times: Sequence[int], path: str
    ) -> list[Row]:
        rows: list[Row] = []
        parents: Parents = {}
        for values, count in zip(raw, times, strict=True):
            made = make_row(root, values, parents, count)
            assert made is not None
            rows.append(made)
        parts = list(walk(root, path))
        for part, where in parts:
            self._spend(part, raw, times, where)
        for part, where in parts:
            for name, (relation, child) in part.selection.children.items():
                if not relation.is_joined:
                    owners = parents.get(id(part), {})
                    place = f"{where}.{name}".lstrip(".")
                    await self._load_children(part, (relation, child), owners, place)
        return rows

    def _spend(
        self, part: Part, raw: Sequence[Sequence[Any]], times: Sequence[int], path: str
    ) -> None:
        start, end, standing = part.start, part.end, 0
        for values, count in zip(raw, times, strict=True):
            if values[end] is not None:
                standing += count
                size = part.around + size_of_values(values[start:end])
                self._budget.spend_bytes(count * size, path)
        self._budget.spend_rows(standing, path)

    async def _load_children(
        self, part: Part, hop: tuple[Relation, Selection], owners: dict[Any, Owner], path: str
    ) -> None:
        for owner in owners.values():
            for row in owner.rows:
                row[hop[0].name] = [] if hop[0].is_many else None
        keys = list(owners)
        most = _MAX_PARAMETERS // len(part.selection.view.keys)
        for start in range(0, len(keys), most):
            chosen = {key: owners[key] for key in keys[start : start + most]}
            await self._load_some_children(part, hop, chosen, path)

    async def _load_some_children(
        self, part: Part, hop: tuple[Relation, Selection], owners: dict[Any, Owner], path: str
    ) -> None:
        name = hop[0].name
        # One row more of each owner tells that there are others; another one exceeds the budget.
        most = self._budget.rows + len(owners) + 1
        raw, root, width, size = await self._fetch_children(part, hop, list(owners), most)
        self._budget.spend_bytes(size, path)
        kept, keys = [], []
        for values in sorted(raw, key=itemgetter(width)):
            if values[width] > MAX_CHILDREN:
                self.truncated.add(path)
                continue
            kept.append(values)
            keys.append(tuple(values[:width]))
        times = [owners[key].times for key in keys]
        children = await self._collect(root, kept, times, path)
        for key, child in zip(keys, children, strict=True):
            for row in owners[key].rows:
                if hop[0].is_many:
                    row[name].append(child)
                else:
                    row[name] = child


def shown(selection: Selection, row: Row) -> Row:
    """Return what an answer shows of a row that was read for a selection."""
    if not selection.is_shaped:
        return row
    members, shape = row, selection.view.shape
    if shape is not None:
        made = shape.make(row)
        is_all = selection.names == shape.members
        # A model with a serializer may have other members than its fields.
        members = made if is_all else {name: made[name] for name in selection.names if name in made}
    for name, (_, child) in selection.children.items():
        members[name] = _shown_behind(child, row[name])
    return members


def _shown_behind(selection: Selection, found: Any) -> Any:
    if isinstance(found, list):
        return [shown(selection, row) for row in found]
    return None if found is None else shown(selection, found)


def walk(part: Part, path: str) -> Iterator[tuple[Part, str]]:
    """Yield a part and those that are joined to it, with their paths."""
    yield part, path
    for name, inner in part.parts.items():
        yield from walk(inner, f"{path}.{name}".lstrip("."))


def key_columns(view: View, entity: Any) -> list[Any]:
    return [key.on(entity) for key in view.keys]


def _add_columns(statement: Select[Any], part: Part) -> Select[Any]:
    selection, entity = part.selection, part.entity
    columns = [as_shown(each.on(entity)) for each in selection.fields]
    # The keys tell whether an outer join found a row, and which owner a child has.
    columns += map(as_key, key_columns(selection.view, entity))
    statement = statement.add_columns(
        *[column.label(f"v{part.start + index}") for index, column in enumerate(columns)]
    )
    for name, (relation, child) in selection.children.items():
        if not relation.is_joined:
            continue
        alias = aliased(child.view.model)
        link = relation.on(entity).of_type(alias)
        # link.and_() would adapt the policy to the alias, and lose discriminators in it.
        seen = child.view.visible_on(alias)
        statement = statement.outerjoin(alias, link if seen is None else and_(link, seen))
        part.parts[name] = inner = Part(child, alias, len(statement.selected_columns))
        statement = _add_columns(statement, inner)
    return statement


def make_row(
    part: Part, values: Sequence[Any], parents: Parents | None = None, times: int = 1
) -> Row | None:
    """Make a row from the result of a prepared statement.

    Args:
        part: The selection in the statement.
        values: A row of the result.
        parents: Where the row is added as an owner of others.
        times: How often it is in the answer.
    """
    end = part.end
    if values[end] is None:
        return None
    row: Row = dict(zip(part.names, values[part.start : end], strict=True))
    if part.is_owner and parents is not None:
        owners, key = parents.setdefault(id(part), {}), tuple(values[end : part.stop])
        owner = owners.get(key)
        if owner is None:
            owner = owners[key] = Owner()
        owner.rows.append(row)
        owner.times += times
    for name in part.selection.children:
        row[name] = None
    for name, inner in part.parts.items():
        row[name] = make_row(inner, values, parents, times)
    return row
