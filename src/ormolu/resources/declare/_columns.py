"""The attributes of a mapped class, and how its rows can be written.

It reads mappers, and knows no request and no declaration.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, get_type_hints

import sqlalchemy as sa
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from sqlalchemy import Column, inspect
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.hybrid import HybridExtensionType, hybrid_property
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import BindParameter, ClauseElement, False_, Null, TextClause, True_

from ormolu.models import UTCDateTime
from ormolu.query import Field, computes_now, is_json, undecorated
from ormolu.resources.declare._annotations import Hint, hints_of
from ormolu.resources.declare._constructors import Constructor, constructor_of
from ormolu.resources.declare._secrets import is_secret
from ormolu.sessions import cached_on_mapper

__all__ = [
    "Attribute", "Traits", "attributes_of", "every_name_of", "has_model_listeners",
    "model_listener_check", "traits_of",
]  # fmt: skip

_log = logging.getLogger("ormolu")

_CONSTANTS = (BindParameter, False_, Null, True_)
_CALL = re.compile(r"\(*[a-z_.]+\(", re.IGNORECASE)

_MAPPER_EVENTS = (
    "before_insert", "after_insert", "before_update", "after_update", "before_delete",
    "after_delete",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute of a mapped class: a column, a column property or a hybrid property.

    Attributes:
        field: How it is read, filtered and sorted.
        column: Its column; None where it is computed.
        rules: Other constraints of its annotation.
        factory: Makes the value of a new row that is given none, as a dataclass does; or None.
        is_key: Whether it is of the primary key.
        is_version: Whether it is the version that an ETag shows.
        is_generated: Whether the database or the program makes its values, not a client.
        is_required: Whether a new row needs a value for it.
        is_secret: Whether its name says that nobody should see it.
        is_withheld: Whether its class says so: SQLModel's `Field(exclude=True)`.
    """

    field: Field
    column: Column[Any] | None = None
    rules: tuple[Any, ...] = ()
    factory: Callable[[], Any] | None = None
    is_key: bool = False
    is_version: bool = False
    is_generated: bool = True
    is_required: bool = False
    is_secret: bool = False
    is_withheld: bool = False

    @property
    def name(self) -> str:
        """Return the name of the mapped attribute."""
        return self.field.attribute


@dataclass(frozen=True, kw_only=True)
class Traits:
    """How a model's rows can be written.

    Attributes:
        version: Name of the version attribute, None without one.
        constructor: How its objects are made.
        is_one_row: Whether an object is one row: one table, and no inheritance.
        is_plain: Whether one statement can also store it: it has no validators.
        has_cascades: Whether a DELETE has to look for other rows first.
        has_class_attributes: Whether each attribute can be read from the class.
    """

    version: str | None
    constructor: Constructor
    is_one_row: bool
    is_plain: bool
    has_cascades: bool
    has_class_attributes: bool


def attributes_of(model: type[Any]) -> dict[str, Attribute]:
    """Return the attributes of a model by name: columns, column properties, hybrid properties."""
    mapper = inspect(model)
    hints = hints_of(mapper)
    found: dict[str, Attribute] = {}
    constructor = constructor_of(mapper)
    for prop in _properties_of(mapper):
        plain = _of_property(mapper, prop, hints[prop.key])
        is_required = constructor.needs(prop.key, is_needed=plain.is_required)
        found[prop.key] = replace(plain, is_required=is_required)
    for name, descriptor in _hybrids_of(mapper):
        computed = _of_hybrid(model, name, descriptor)
        if computed is not None:
            found.setdefault(name, computed)
    return found


def _properties_of(mapper: Mapper[Any]) -> list[Any]:
    """Return the column attributes that objects have: a discriminator may be on none."""
    return [each for each in mapper.column_attrs if each.key in mapper.all_orm_descriptors]


def every_name_of(mapper: Mapper[Any], names: Collection[str]) -> frozenset[str]:
    """Return attributes with all others of the same columns: synonyms, composites, second names."""
    others: Mapping[str, frozenset[str]] = cached_on_mapper(mapper, _other_names, mapper)
    found = frozenset(names)
    if not others:
        return found
    return found.union(*(others[name] for name in names if name in others))


def _other_names(mapper: Mapper[Any]) -> dict[str, frozenset[str]]:
    """Return the attributes of the same columns, for each name that has several or means others."""
    by_column: dict[Any, set[str]] = {}
    for prop in mapper.column_attrs:
        for column in prop.columns:
            by_column.setdefault(column, set()).add(prop.key)
    found: dict[str, set[str]] = {}
    for names in by_column.values():
        for name in names if len(names) > 1 else ():
            found.setdefault(name, set()).update(names)
    for name, composite in mapper.composites.items():
        parts = [found.get(prop.key, {prop.key}) for prop in composite.props]
        found[str(name)] = set[str]().union(*parts)
    for name, synonym in mapper.synonyms.items():
        meant = synonym.name
        while meant in mapper.synonyms:
            meant = mapper.synonyms[meant].name
        found[str(name)] = found.get(meant, {meant})
    return {name: frozenset(each) for name, each in found.items()}


def traits_of(mapper: Mapper[Any]) -> Traits:
    """Return how a model's rows can be written."""
    version = mapper.version_id_col
    generator = mapper.version_id_generator
    is_number = version is not None and isinstance(version.type, sa.Integer)
    is_counted = is_number and callable(generator) and generator(41) == 42
    is_one_row = (
        len(mapper.tables) == 1
        and mapper.polymorphic_on is None
        and (version is None or is_counted)
    )
    return Traits(
        version=None if version is None else mapper.get_property_by_column(version).key,
        constructor=constructor_of(mapper),
        is_one_row=is_one_row,
        is_plain=is_one_row and not mapper.validators,
        has_cascades=any(
            relation.secondary is not None
            or (relation.cascade.delete and not relation.passive_deletes)
            for relation in mapper.relationships
            if not relation.viewonly
        ),
        has_class_attributes=_has_class_attributes(mapper),
    )  # fmt: skip


def _has_class_attributes(mapper: Mapper[Any]) -> bool:
    """Tell whether each attribute can be read from the class: a hybrid may need an object."""
    try:
        for name in mapper.all_orm_descriptors.keys():  # noqa: SIM118 -- no mapping of its own
            getattr(mapper.class_, str(name))
    except Exception:
        return False
    return True


def has_model_listeners(mapper: Mapper[Any], *, is_delete: bool = False) -> bool:
    """Tell whether the program listens to events of a model, which only the ORM fires.

    Args:
        mapper: Of the model.
        is_delete: Whether a row is deleted, which makes no object and sets no value.
    """
    return model_listener_check(mapper, is_delete=is_delete)()


def model_listener_check(mapper: Mapper[Any], *, is_delete: bool = False) -> Callable[[], bool]:
    """Return a function that does what `has_model_listeners` does, whenever it is called."""
    flushes: Any = mapper.dispatch
    objects = mapper.class_manager.dispatch
    # SQLAlchemy's Mutable listens to loads, and once to each JSON attribute.
    is_tracked = len(objects.load) > 0
    values: list[tuple[Any, int]] = [
        (each.class_attribute.dispatch, int(is_tracked and is_json(each.columns[0].type)))
        for each in _properties_of(mapper)
    ]

    def check() -> bool:
        if any(len(getattr(flushes, name)) for name in _MAPPER_EVENTS):
            return True
        # SQLAlchemy itself listens to `init` once.
        has_listeners = len(objects.init) > 1 or any(len(each.set) > own for each, own in values)
        return has_listeners and not is_delete

    return check


def _of_property(mapper: Mapper[Any], prop: Any, hint: Hint) -> Attribute:
    column = prop.columns[0]
    if not isinstance(column, Column):
        field = Field(prop.key, column.type, is_computed=True)
        return Attribute(field=field, is_secret=is_secret(prop.key, column.type))
    # With joined inheritance the key is in both tables; the first has the default.
    columns = [each for each in prop.columns if isinstance(each, Column)]
    is_key = any(each in set(mapper.primary_key) for each in columns)
    is_version = mapper.version_id_col is not None and mapper.version_id_col in columns
    is_discriminator = mapper.polymorphic_on is not None and mapper.polymorphic_on in columns
    has_factory = hint.factory is not None
    is_generated = (
        is_version
        or is_discriminator
        or any(_is_generated(each, has_factory=has_factory) for each in columns)
    )
    return Attribute(
        field=Field(
            prop.key,
            _shown_as(column, hint.annotation),
            bool(column.nullable) and not is_key,
            has_order=not column.system,
            annotation=hint.annotation,
        ),
        column=column,
        rules=(*hint.rules, _discriminator_rule(mapper)) if is_discriminator else hint.rules,
        factory=None if _has_default(column) else hint.factory,
        is_key=is_key,
        is_version=is_version,
        is_generated=is_generated,
        is_required=not (column.nullable or is_generated or has_factory or _has_default(column)),
        is_secret=_is_secret(prop.key, column, is_key=is_key),
        is_withheld=hint.is_withheld,
    )


def _shown_as(column: Column[Any], annotation: Any) -> Any:
    """Return the type that clients see of a column: MySQL's doubles are numbers, not decimals."""
    type_: Any = column.type
    if column.system and isinstance(type_, sa.Integer):
        return sa.BigInteger()
    is_double = isinstance(type_, (mysql.DOUBLE, mysql.REAL))
    if is_double and type_.asdecimal and annotation is not Decimal:
        digits = (type_.precision, type_.scale)
        return mysql.DOUBLE(*digits, asdecimal=False, unsigned=type_.unsigned)
    return type_


def _discriminator_rule(mapper: Mapper[Any]) -> AfterValidator:
    """Return the rule that a row is of a class which the table of this one can store."""
    heirs = [each for each in mapper.self_and_descendants if each.local_table is mapper.local_table]
    kinds = {each.polymorphic_identity for each in heirs if not each.polymorphic_abstract}

    def check(value: Any) -> Any:
        if value not in kinds:
            listed = ", ".join(sorted(str(getattr(kind, "value", kind)) for kind in kinds))
            raise PydanticCustomError("kind", "Must be one of {kinds}", {"kinds": listed})
        return value

    return AfterValidator(check)


def _hybrids_of(mapper: Mapper[Any]) -> Iterator[tuple[str, hybrid_property[Any]]]:
    """Yield the hybrid properties, without those that `inplace` adds for their functions."""
    hybrids: dict[str, hybrid_property[Any]] = {}
    for name, descriptor in mapper.all_orm_descriptors.items():
        if descriptor.extension_type is HybridExtensionType.HYBRID_PROPERTY:
            assert isinstance(descriptor, hybrid_property)
            hybrids[str(name)] = descriptor
    for name, descriptor in hybrids.items():
        own = descriptor.__name__
        if own == name or own not in hybrids:
            yield name, descriptor


def _of_hybrid(model: type[Any], name: str, descriptor: hybrid_property[Any]) -> Attribute | None:
    try:
        expression = getattr(model, name)
        type_ = sa.type_coerce(expression, _hybrid_type(descriptor, expression)).type
        is_of_now = computes_now(model, name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        _log.warning(
            "%s.%s is not shown: it makes no SQL of the class (%s). Write what does: "
            "@%s.inplace.expression, above a class method.",
            model.__name__, name, reason, name,
        )  # fmt: skip
        return None
    field = Field(name, type_, is_computed=True, is_of_now=is_of_now)
    return Attribute(field=field, is_secret=is_secret(name, type_))


def _hybrid_type(descriptor: hybrid_property[Any], expression: Any) -> Any:
    type_ = expression.type
    if not isinstance(type_, sa.types.NullType):
        return type_
    hints: dict[Any, Any]
    hints = {int: sa.Integer(), str: sa.String(), float: sa.Float(), bool: sa.Boolean()}
    try:
        returned = get_type_hints(descriptor.fget).get("return")
    except NameError:
        # Only type checkers import its name.
        return type_
    return hints.get(returned, type_)


def _is_secret(name: str, column: Column[Any], *, is_key: bool) -> bool:
    """Tell whether a column is hidden because of its name, here or in the database."""
    has_number = isinstance(undecorated(column.type), (sa.Integer, sa.Uuid))
    if has_number and (is_key or column.foreign_keys):
        # The number of a token's row is no secret; text may be the token itself.
        return False
    return is_secret(name, column.type) or is_secret(column.name, column.type)


def _has_default(column: Column[Any]) -> bool:
    return column.default is not None or column.server_default is not None


def _is_generated(column: Column[Any], *, has_factory: bool = False) -> bool:
    """Tell whether the database or the program makes a column's values, rather than a client.

    Args:
        column: The column.
        has_factory: Whether the class makes values for it.
    """
    if column.computed is not None or column.identity is not None:
        return True
    if column.onupdate is not None or column.server_onupdate is not None:
        return True
    has_default = has_factory or _has_default(column)
    if column.primary_key:
        table = column.table
        is_counted = isinstance(table, sa.Table) and table.autoincrement_column is column
        return is_counted or has_default
    if any(_is_computed(each) for each in (column.default, column.server_default) if each):
        return True
    # A timestamp with a default is recorded, not sent.
    return isinstance(column.type, (sa.DateTime, UTCDateTime)) and has_default


def _is_computed(default: Any) -> bool:
    """Tell whether the database computes a default: it is no constant and no Python function."""
    if not hasattr(default, "arg"):
        # A FetchedValue or a Sequence.
        return True
    argument = default.arg
    if isinstance(argument, TextClause):
        return _CALL.match(argument.text) is not None
    return isinstance(argument, ClauseElement) and not isinstance(argument, _CONSTANTS)
