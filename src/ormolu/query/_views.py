"""What may be seen of a model and of those that its relations lead to: fields, relations and rows.

Every name in a request is looked up in a view, so what is not in it cannot be read, filtered,
sorted or inferred. Knows no resource and no HTTP.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Dialect, and_, literal_column, select, tuple_
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from ormolu.errors import RefusedError
from ormolu.query._kinds import Kind, kind_of
from ormolu.query._now import with_values_of_now
from ormolu.query._parentheses import in_parentheses
from ormolu.query._stored import undecorated
from ormolu.query._text import equals
from ormolu.query._uncached import unkept

__all__ = ["Field", "Location", "Relation", "Shape", "View", "entry_of", "nearest", "refuse"]

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Field:
    """One value of a row: a column, a hybrid property or a column property.

    Attributes:
        name: The clients' name for it, in JSON and in parameters.
        type: SQL type of its values.
        is_nullable: Whether it may be NULL.
        is_computed: Whether SQL computes it when it is read.
        attribute: Name of the mapped attribute; by default `name`.
        is_of_now: Whether values in its SQL depend on the clock.
        has_order: Whether the backend can order its values: PostgreSQL's xmin has only equality.
        annotation: The type in `Mapped[...]`, None where it is not known.
    """

    name: str
    type: TypeEngine[Any]
    is_nullable: bool = True
    is_computed: bool = False
    attribute: str = ""
    is_of_now: bool = False
    has_order: bool = True
    annotation: Any = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Set the default of `attribute`."""
        object.__setattr__(self, "attribute", self.attribute or self.name)

    def on(self, entity: Any) -> Any:
        """Return it in SQL, on the mapped class or an alias of it."""
        attribute = getattr(entity, self.attribute)
        if self.is_of_now:
            attribute = with_values_of_now(attribute, entity, self.attribute)
        if not self.has_order:
            # An xid has 32 bits without a sign, and PostgreSQL would compare it with an INTEGER.
            return sa.cast(sa.cast(attribute, sa.Text()), sa.BigInteger())
        if isinstance(self.type, mysql.DOUBLE) and attribute.type is not self.type:
            # SQLAlchemy would read decimals, rounded to ten places.
            return sa.type_coerce(attribute, self.type)
        return in_parentheses(attribute) if self.is_computed else attribute

    @cached_property
    def kind(self) -> Kind:
        """Return the kind of its values."""
        return kind_of(self.type, self.annotation)

    @cached_property
    def written(self) -> TypeAdapter[Any]:
        """Return the adapter of a value to store."""
        return TypeAdapter(self.kind.written)

    @cached_property
    def filtered(self) -> TypeAdapter[Any]:
        """Return the adapter of a value to compare with."""
        return TypeAdapter(self.kind.filtered)

    @cached_property
    def key(self) -> TypeAdapter[Any]:
        """Return the adapter of a key in a path; no row has a number that is out of range."""
        is_number = isinstance(undecorated(self.type), sa.Integer) and not self.kind.is_converted
        return TypeAdapter(int) if is_number else self.filtered


@dataclass(frozen=True)
class Relation:
    """A relation to another model.

    Attributes:
        name: The clients' name for it.
        attribute: Name of the mapped relationship.
        is_many: Whether it leads to any number of rows.
        find_target: Returns the view of the other model.
        is_first: Whether there may be several rows, of which it shows only the first.
    """

    name: str
    attribute: str
    is_many: bool
    find_target: Callable[[], View]
    is_first: bool = False

    @property
    def is_joined(self) -> bool:
        """Tell whether a join finds at most one row."""
        return not (self.is_many or self.is_first)

    @property
    def target(self) -> View:
        """Return the view of the other model."""
        return self.find_target()

    def on(self, entity: Any) -> Any:
        """Return it in SQL, on the mapped class or an alias of it."""
        return unkept(getattr(entity, self.attribute))


@dataclass(frozen=True)
class Shape:
    """How a public model makes the members of an answer.

    Attributes:
        fields: The fields that are read for it.
        members: Names of the members, in the order of the answer.
        make: From the values of the fields, by name, to the members.
    """

    fields: tuple[Field, ...]
    members: tuple[str, ...]
    make: Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class View:
    """What may be seen of one model.

    Attributes:
        model: The mapped class.
        fields: Readable fields by their clients' names, in the order of the answer.
        keys: Fields of the primary key, which sort even where they are not readable.
        relations: Relations by their clients' names.
        searchable: Clients' names of the fields that `q` searches.
        visible: The condition of visible rows; None for all.
        shape: Makes the members of an answer; None for the fields as they are read.
    """

    model: type[Any]
    fields: Mapping[str, Field]
    keys: tuple[Field, ...]
    relations: Mapping[str, Relation]
    searchable: tuple[str, ...] = ()
    visible: ColumnElement[bool] | None = None
    shape: Shape | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """Return the names of the members of an answer, in order, without relations."""
        return tuple(self.fields) if self.shape is None else self.shape.members

    def check_member(self, name: str, location: Location) -> None:
        """Check that an answer has a member.

        Raises:
            RefusedError: There is none of this name to be seen.
        """
        if name not in self.members:
            raise refuse(location, "unknown_field", self._unknown(name, self.members))

    def field(self, name: str, location: Location) -> Field:
        """Return a field.

        Raises:
            RefusedError: There is none of this name to be seen.
        """
        if name not in self.fields:
            raise refuse(location, "unknown_field", self._unknown(name, self.fields))
        return self.fields[name]

    def relation(self, name: str, location: Location) -> Relation:
        """Return a relation.

        Raises:
            RefusedError: There is none of this name to be seen.
        """
        if name not in self.relations:
            raise refuse(location, "unknown_relation", self._unknown(name, self.relations))
        return self.relations[name]

    def is_row(self, key: tuple[Any, ...], dialect: Dialect) -> ColumnElement[bool]:
        """Return the condition that a row is the one with exactly this key."""
        columns = [field.on(self.model) for field in self.keys]
        pairs = zip(columns, key, strict=True)
        return and_(*[equals(column, value, dialect) for column, value in pairs])

    def conditions(self, *asked: ColumnElement[bool]) -> list[ColumnElement[bool]]:
        """Return these conditions, and that of visible rows."""
        return [*asked] if self.visible is None else [self.visible, *asked]

    def visible_on(self, entity: Any) -> ColumnElement[bool] | None:
        """Return the condition that a row of an alias of the model is visible; None for all."""
        if self.visible is None:
            return None
        # Do not adapt the policy to the alias: it may be any SQL, with other tables and names.
        keys = [key.on(self.model) for key in self.keys]
        if entity is self.model:
            one = keys[0] if len(keys) == 1 else tuple_(*keys)
            return one.in_(select(*keys).where(self.visible).correlate(None))
        # Not IN: with one in an ON and one in an EXISTS beside it, MariaDB finds no rows.
        same = [key == column.on(entity) for key, column in zip(keys, self.keys, strict=True)]
        seen: Any = select(literal_column("1")).select_from(self.model)
        return seen.where(*same, self.visible).correlate(entity).exists()  # type: ignore[no-any-return]

    def _unknown(self, name: str, known: Iterable[str]) -> str:
        if name in self.relations:
            field = next(iter(self.relations[name].target.fields), "...")
            return f"{name!r} is a relation; name a field of it, as {name}.{field}"
        if name in self.members:
            return f"{name!r} is made for answers, and is no column to filter or sort by"
        return f"{self.model.__name__} has no {name!r}{nearest(name, known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that suggests a similar name; empty if there is none."""
    near = difflib.get_close_matches(name[:100], list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def entry_of(location: Location, kind: str, message: str) -> dict[str, Any]:
    """Return one entry of `errors`."""
    return {"loc": list(location), "type": kind, "msg": message}


def refuse(location: Location, kind: str, message: str) -> RefusedError:
    """Return the error for one wrong parameter or field."""
    place = ".".join(str(part) for part in location[:1] + location[-1:]) or "request"
    if len(location) == 1:
        place = str(location[0])
    return RefusedError(
        "validation_error", f"{place}: {message}", [entry_of(location, kind, message)]
    )
