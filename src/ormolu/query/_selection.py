"""Selections: the fields and relations of an answer, and their columns. Knows no HTTP.

To-one relations are read with the row by an outer join, to-many relations by statements of their
own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, and_
from sqlalchemy.orm import aliased

from ormolu.query._budgets import size_of_names
from ormolu.query._shown import as_key, as_shown
from ormolu.query._views import Field, Location, Relation, View, refuse

__all__ = ["Part", "Row", "Selection", "prepare", "read_selection", "shown", "walk"]

Row = dict[str, Any]

_MAX_DEPTH = 3
# Each include may take a statement.
_MAX_INCLUDES = 30


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
        values_of: Returns the values of its fields, of a row of the statement.
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
        self.values_of: Callable[[Any], Sequence[Any]] = itemgetter(slice(self.start, self.end))
        self.around: int = size_of_names(self.names)
        hops = self.selection.children.values()
        self.is_owner: bool = not all(relation.is_joined for relation, _ in hops)


def prepare(statement: Select[Any], selection: Selection, entity: Any) -> tuple[Select[Any], Part]:
    """Add the columns and outer joins of a selection to a statement."""
    root = Part(selection, entity, len(statement.selected_columns))
    return _add_columns(statement, root), root


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
