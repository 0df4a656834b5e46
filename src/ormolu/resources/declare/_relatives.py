"""Which resources guard a model that has none: those of its base classes, subclasses and table.

A dog is an animal, so a policy on animals also hides dogs, and a policy on dogs hides some animals,
whichever relation leads to them. Where SQL cannot express that, the declaration is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Table, and_, inspect, or_, select, tuple_
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql import visitors

from ormolu.errors import ConfigurationError
from ormolu.resources.declare._declaration import Declaration
from ormolu.resources.declare._policy import Policy

__all__ = ["Guard", "find_between", "find_guarded", "guards_of"]


class _Registry(Protocol):
    @property
    def unserved(self) -> Set[Declaration]: ...


class _HasDeclaration(Protocol):
    """The part of an `Exposure` that is used here."""

    declaration: Declaration

    @property
    def registry(self) -> _Registry: ...


_E = TypeVar("_E", bound=_HasDeclaration)


@dataclass(frozen=True)
class Guard(Generic[_E]):
    """A resource of a relative, whose policy and hidden columns hold for a model without one.

    Attributes:
        exposure: The exposure of that resource.
        model: The model without a resource.
    """

    exposure: _E
    model: type[Any]

    @property
    def concealed(self) -> set[str]:
        """Return the attributes of the resource's own model that it does not show."""
        declaration = self.exposure.declaration
        fields = (*declaration.readable.values(), *declaration.keys)
        return {*declaration.attributes} - {field.attribute for field in fields}

    def names_of(self, names: Set[str]) -> set[str]:
        """Return the model's attributes of the same columns as these of the resource's model."""
        theirs, own = inspect(self.exposure.declaration.model), inspect(self.model)
        columns = {column for prop in theirs.column_attrs if prop.key in names
                   for column in prop.columns}  # fmt: skip
        same = {prop.key for prop in own.column_attrs if not columns.isdisjoint(prop.columns)}
        return {*names, *same}

    def narrow(self, policy: Policy, own: Policy) -> Policy:
        """Return a policy on the model, narrowed by the policy of the resource."""
        hidden = {*policy.hidden, *self.names_of(own.hidden)}
        if own.seen is None:
            return replace(policy, hidden=hidden)
        seen = self._seen(own.seen)
        visible = seen if policy.seen is None else and_(policy.seen, seen)
        return replace(policy, visible=visible, hidden=hidden)

    def _seen(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return the condition that a row of the model is not the resource's, or is visible."""
        theirs = self.exposure.declaration.model
        # In a subquery of its own: the condition may be any SQL on the relative's tables.
        rows = select(*_key(theirs)).select_from(theirs).correlate(None)
        key = _key(self.model)
        one = key[0] if len(key) == 1 else tuple_(*key)
        is_seen = one.in_(rows.where(condition))
        return is_seen if issubclass(self.model, theirs) else or_(one.not_in(rows), is_seen)


def _are_related(one: type[Any], other: type[Any]) -> bool:
    """Tell whether one of two mapped classes may have rows of the other."""
    return _are_of_one_line(one, other) or _are_of_one_table(one, other)


def _are_of_one_line(one: type[Any], other: type[Any]) -> bool:
    """Tell whether one of two classes is derived from the other."""
    return issubclass(one, other) or issubclass(other, one)


def _are_of_one_table(one: type[Any], other: type[Any]) -> bool:
    """Tell whether two classes without a common base are mapped to the same table."""
    first, second = inspect(one), inspect(other)
    is_family = first.base_mapper is second.base_mapper
    return not is_family and not {*first.tables}.isdisjoint(second.tables)


def _are_namesakes(one: type[Any], other: type[Any]) -> bool:
    """Tell whether they have tables of one name in two MetaData, which may be the same table."""
    first, second = inspect(one).tables, inspect(other).tables
    return not {*first}.intersection(second) and bool(_names_of(first) & _names_of(second))


def _may_be_namesake(exposure: _HasDeclaration, model: type[Any]) -> bool:
    """Tell whether a resource may be of the same table as a model in another MetaData."""
    theirs = exposure.declaration.model
    # A resource that no application serves may be of another database.
    is_unserved = exposure.declaration in exposure.registry.unserved
    is_alike = not is_unserved or inspect(theirs).registry is inspect(model).registry
    return is_alike and _are_namesakes(theirs, model)


def _names_of(tables: Iterable[Any]) -> set[str]:
    return {table.fullname for table in tables if isinstance(table, Table)}


def find_between(relation: RelationshipProperty[Any], exposures: Iterable[_HasDeclaration]) -> Any:
    """Return a resource with a policy whose table is the `secondary` one of a relation."""
    if relation.secondary is None:
        return None
    tables = {part for part in visitors.iterate(relation.secondary) if isinstance(part, Table)}
    tables.difference_update(relation.parent.tables, relation.mapper.tables)
    found = [
        each
        for each in exposures
        if each.declaration.policy is not None
        and not tables.isdisjoint(each.declaration.mapper.tables)
    ]
    return min(found, key=lambda each: each.declaration.path, default=None)


def find_guarded(model: type[Any], exposures: Iterable[_E]) -> _E | None:
    """Return the resource of a relative that has a policy, if there is one."""
    with_policy = [each for each in exposures if each.declaration.policy is not None]
    return next(iter(_of_relatives(model, with_policy)), None)


def guards_of(model: type[Any], exposures: Iterable[_E], place: str) -> tuple[Guard[_E], ...]:
    """Return the guards of a model without a resource.

    Args:
        model: Mapped class.
        exposures: The resources that may guard it.
        place: The relation that leads to it, for the error.

    Raises:
        ConfigurationError: That is not certain.
    """
    found: dict[type[Any], list[Guard[_E]]] = {}
    for exposure in _of_relatives(model, exposures):
        guard = Guard(exposure, model)
        if exposure.declaration.policy is not None or guard.concealed:
            found.setdefault(exposure.declaration.model, []).append(guard)
    for relative, guards in found.items():
        _check(model, relative, guards, place)
    return tuple(guards[0] for guards in found.values())


def _check(model: type[Any], relative: type[Any], guards: Sequence[Guard[Any]], place: str) -> None:
    """Check that a relative has one resource, and shares its rows with the model.

    Raises:
        ConfigurationError: It is not so.
    """
    declarations = [guard.exposure.declaration for guard in guards]
    paths = " and ".join(sorted(each.path for each in declarations))
    advice = (
        f"Declare what is to be shown of {model.__name__}, and under which policy: "
        f"resource({model.__name__}, ...), and name it in includes."
    )
    if len(declarations) > 1:
        message = f"{place}, which may be guarded as {paths} guard {relative.__name__}. {advice}"
        raise ConfigurationError(message)
    if _are_namesakes(model, relative):
        message = (
            f"{place}, and {paths} guards {relative.__name__}, which has a table of the same name "
            f"in another MetaData. {advice}"
        )
        raise ConfigurationError(message)
    if declarations[0].policy is not None and not _share_rows(model, relative):
        message = (
            f"{place}, and {paths} has a policy for {relative.__name__}, "
            f"which has tables of its own. {advice}"
        )
        raise ConfigurationError(message)


def _of_relatives(model: type[Any], exposures: Iterable[_E]) -> list[_E]:
    """Return the resources of relatives, in the order of their paths."""
    marks = _marks_of(inspect(model))
    found = [
        each
        for each in exposures
        if each.declaration.model is not model
        # Most have no table in common: with some hundred resources each is asked of all others.
        and (_are_of_one_line(each.declaration.model, model)
             or not marks.isdisjoint(_marks_of(each.declaration.mapper)))
        and (_are_related(each.declaration.model, model) or _may_be_namesake(each, model))
    ]  # fmt: skip
    return sorted(found, key=lambda each: each.declaration.path)


def _marks_of(mapper: Mapper[Any]) -> set[Any]:
    return {*mapper.tables} | _names_of(mapper.tables)


def _share_rows(one: type[Any], other: type[Any]) -> bool:
    """Tell whether a row of one class may be a row of the other: not with concrete inheritance."""
    if _are_of_one_table(one, other):
        first, second = inspect(one).primary_key, inspect(other).primary_key
        return [column.name for column in first] == [column.name for column in second]
    lower, upper = (one, other) if issubclass(one, other) else (other, one)
    between: list[Mapper[Any]] = []
    for mapper in inspect(lower).iterate_to_root():
        if mapper.class_ is upper:
            break
        between.append(mapper)
    return not any(mapper.concrete for mapper in between)


def _key(model: type[Any]) -> list[Any]:
    mapper = inspect(model)
    return [
        getattr(model, mapper.get_property_by_column(column).key) for column in mapper.primary_key
    ]
