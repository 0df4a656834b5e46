"""Which classes can have a resource: those mapped to a table, and what their mapping rules out."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Column, Join, Table, inspect
from sqlalchemy.orm import InstanceState, Mapper, RelationshipProperty
from sqlalchemy.orm.util import AliasedInsp

from ormolu.errors import ConfigurationError
from ormolu.query import keys_of_table
from ormolu.resources.declare._declaration import OPERATIONS

__all__ = [
    "check_columns", "check_relations", "check_table", "is_ambiguous", "mapper_of", "operations_of",
    "path_of_table",
]  # fmt: skip

# The operations that make new rows; a batch makes some only where "create" is among them.
_CREATING = frozenset({"create", "replace"})


def mapper_of(model: Any) -> Mapper[Any]:
    """Return the mapper of a class that is mapped to a table.

    Raises:
        ConfigurationError: It is something else; the message says what to write.
    """
    found = inspect(model, raiseerr=False)
    name = getattr(model, "__name__", None) or getattr(model, "name", None) or type(model).__name__
    if not isinstance(found, Mapper):
        message = f"resource({name}): {_why_not_mapped(found, name)}"
        raise ConfigurationError(message)
    check_table(found, f"resource({name}): {name}")
    return found


def _why_not_mapped(found: Any, name: str) -> str:
    if isinstance(found, Table):
        title = name.title().replace("_", "")
        return f"a Table is no mapped class. Map it: class {title}(Model): __table__ = {name}."
    if isinstance(found, InstanceState):
        return f"it is an object. Give its class, {found.mapper.class_.__name__}."
    if isinstance(found, AliasedInsp):
        return f"it is an alias. Give the class itself, {found.mapper.class_.__name__}."
    return "it is no mapped class."


def check_table(mapper: Mapper[Any], subject: str) -> None:
    """Check that a class is mapped to a table, not to a SELECT.

    Args:
        mapper: Of the class.
        subject: The beginning of the message.

    Raises:
        ConfigurationError: It is not.
    """
    mapped = mapper.local_table
    if not isinstance(mapped, Table):
        kind = "a join" if isinstance(mapped, Join) else "a SELECT"
        message = (
            f"{subject} is mapped to {kind}, not to a table. Make a view of it in the database and "
            "map the view as a table; or declare what it computes on a mapped table, as "
            "column_property or hybrid_property, and its other rows as a relationship."
        )
        raise ConfigurationError(message)
    # `attrs` configures the mappers: only then has a ConcreteBase its union.
    if len(mapper.attrs) and any(each.concrete for each in _heirs_of(mapper)):
        message = (
            f"{subject} reads the rows of several tables, whose keys are not unique together. "
            "Declare resources of the classes that have a table each, and map the base without "
            "ConcreteBase."
        )
        raise ConfigurationError(message)


def check_columns(mapper: Mapper[Any]) -> None:
    """Check that the columns of a class are still those of its tables.

    Raises:
        ConfigurationError: Another class has replaced them, with `extend_existing`.
    """
    for column in mapper.columns:
        table = getattr(column, "table", None)
        if isinstance(table, Table) and table.columns.get(column.key) is not column:
            own = mapper.class_.__name__
            message = (
                f"resource({own}): {column.name!r} of {own} is no longer the column of the table "
                f"{table.name!r}: another class has replaced it (extend_existing=True). Map the "
                f"table once; or write __table__ = {own}.__table__ in the other class."
            )
            raise ConfigurationError(message)


def check_relations(mapper: Mapper[Any], names: Iterable[str]) -> None:
    """Check that relations lead to mapped tables, not to an alias or a SELECT of some rows.

    Raises:
        ConfigurationError: One leads to an alias, whose SELECT our joins would not keep, or to a
            class that is mapped to a SELECT.
    """
    for name in sorted(names):
        target = mapper.relationships[name].entity
        if isinstance(target, AliasedInsp):
            other = target.mapper.class_.__name__
            message = (
                f"resource({mapper.class_.__name__}): {name!r} leads to an alias of {other}, not "
                f"to {other} itself. Say which rows are meant in the relation: "
                f"relationship({other}, primaryjoin=and_(...), viewonly=True)."
            )
            raise ConfigurationError(message)
        check_table(target, f"resource({mapper.class_.__name__}): {target.class_.__name__}")


def _heirs_of(mapper: Mapper[Any]) -> list[Mapper[Any]]:
    """Return the mappers whose rows a class reads together with its own."""
    return [each for each in mapper.with_polymorphic_mappers if each is not mapper]


def path_of_table(mapper: Mapper[Any]) -> str:
    """Return the path of a resource that names none.

    Raises:
        ConfigurationError: It would be the path of another class in the same table.
    """
    mapped = mapper.local_table
    assert isinstance(mapped, Table)
    path = f"/{mapped.name}"
    if mapper.single:
        base, own = mapper.base_mapper.class_.__name__, mapper.class_.__name__
        message = (
            f"resource({own}): its rows are in the table of {base}, whose path is {path}. Give it "
            f"one of its own: resource({own}, path='/{own.lower()}s')."
        )
        raise ConfigurationError(message)
    return path


def operations_of(mapper: Mapper[Any], operations: AbstractSet[str] | None) -> frozenset[str]:
    """Return the operations that are asked for, or else all that a class can have.

    Raises:
        ConfigurationError: One would make rows of an abstract class.
    """
    is_abstract = _is_abstract(mapper)
    if operations is None:
        return frozenset(OPERATIONS) - (_CREATING if is_abstract else set())
    named = ", ".join(sorted(_CREATING & operations))
    if named and is_abstract:
        name = mapper.class_.__name__
        others = [each.class_.__name__ for each in mapper.self_and_descendants
                  if not _is_abstract(each)]  # fmt: skip
        message = (
            f"resource({name}): operations names {named}, but {name} is abstract: a row is of "
            f"{' or '.join(others) or 'a subclass'}. Declare a resource of each, and leave {named} "
            "out here."
        )
        raise ConfigurationError(message)
    return frozenset(operations)


def _is_abstract(mapper: Mapper[Any]) -> bool:
    """Tell whether each row of a class is one of a subclass."""
    kind = mapper.polymorphic_on
    if mapper.polymorphic_abstract or not isinstance(kind, Column):
        return mapper.polymorphic_abstract
    is_given = kind.nullable or kind.default or kind.server_default
    return mapper.polymorphic_identity is None and not is_given


def is_ambiguous(relation: RelationshipProperty[Any]) -> bool:
    """Tell whether a relation to one row may find several, since no unique key rules that out."""
    if relation.uselist or relation.secondary is not None:
        return not relation.uselist
    remote = {column for _, column in relation.local_remote_pairs or ()}
    return not any(
        key and key <= remote for table in relation.mapper.tables for key in keys_of_table(table)
    )
