"""What a class says of its columns: annotations, constraints, and defaults of its own.

It reads `Mapped[...]` and the fields of dataclasses and SQLModel. An annotation that cannot be
resolved, since only type checkers import its names say, is left out alone.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from annotated_types import BaseMetadata, GroupedMetadata
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    PlainValidator,
    StringConstraints,
    WrapValidator,
)
from pydantic.fields import FieldInfo
from sqlalchemy.orm import LoaderCallableStatus, Mapped, Mapper, declared_attr
from typing_extensions import Format, get_annotations

from ormolu.resources.declare._names import is_left_out
from ormolu.seams import old_pattern

__all__ = ["Hint", "hints_of"]

_RULES = (
    AfterValidator, BaseMetadata, BeforeValidator, GroupedMetadata, PlainValidator, WrapValidator,
)  # fmt: skip


@dataclass(frozen=True)
class Hint:
    """What a class says of one of its columns.

    Attributes:
        annotation: The Python type of its values, without None; None where that is not known.
        rules: Other constraints, for Pydantic to check.
        factory: Makes the value of a new object that is given none; None without one.
        is_withheld: Whether dumps of the object leave it out.
    """

    annotation: Any = None
    rules: tuple[Any, ...] = ()
    factory: Callable[[], Any] | None = None
    is_withheld: bool = False


def hints_of(mapper: Mapper[Any]) -> dict[str, Hint]:
    """Return what a class says of its columns, by the attributes' names."""
    annotations, fields = _annotations_of(mapper.class_), _fields_of(mapper.class_)
    return {
        prop.key: _hint_of(annotations.get(prop.key), fields.get(prop.key))
        for prop in mapper.column_attrs
    }


def _hint_of(annotation: Any, field: Any) -> Hint:
    stripped, rules = _stripped(annotation)
    is_withheld = isinstance(field, FieldInfo) and is_left_out(field)
    if isinstance(field, FieldInfo):
        # Pydantic has moved the constraints from the annotation to the field's metadata.
        stripped, inner = _stripped(field.annotation)
        rules = (*inner, *_rules_in(field.metadata), *_regex_of(field))
    return Hint(stripped, rules, None if field is None else _factory_of(field), is_withheld)


def _fields_of(model: type[Any]) -> Mapping[str, Any]:
    if issubclass(model, BaseModel):
        return model.model_fields
    if dataclasses.is_dataclass(model):
        return {field.name: field for field in dataclasses.fields(model)}
    return {}


def _factory_of(field: Any) -> Callable[[], Any] | None:
    """Return what makes the value of a dataclass's or Pydantic's field that is left out."""
    if isinstance(field, FieldInfo):
        has_default = not field.is_required() and field.get_default() is not None
        make_default = partial(field.get_default, call_default_factory=True, validated_data={})
        return make_default if field.default_factory or has_default else None
    make = field.default_factory
    if make is not dataclasses.MISSING:
        # A field with init=False has a factory of SQLAlchemy's, which returns its marker.
        is_own = str(make.__module__).startswith("sqlalchemy.")
        return None if is_own and _is_marker(make()) else make
    is_none = field.default is dataclasses.MISSING or field.default is None
    return None if is_none or _is_marker(field.default) else lambda: field.default


def _is_marker(value: Any) -> bool:
    """Tell whether a value is SQLAlchemy's marker: any default is the column's."""
    return isinstance(value, LoaderCallableStatus)


def _annotations_of(model: type[Any]) -> dict[str, Any]:
    """Return the annotations of a class and its bases that can be resolved."""
    found: dict[str, Any] = {}
    for owner in reversed(model.__mro__):
        for name, written in _written_in(owner):
            try:
                found[name] = _resolved(written, owner)
            except Exception:
                # A name is missing at run time, or an expression fails.
                found.pop(name, None)
    return found


def _written_in(owner: type[Any]) -> Iterator[tuple[str, Any]]:
    yield from get_annotations(owner, format=Format.FORWARDREF).items()
    for name, value in vars(owner).items():
        if isinstance(value, declared_attr):
            annotations = get_annotations(value.fget, format=Format.FORWARDREF)
            if "return" in annotations:
                yield name, annotations["return"]


def _resolved(written: Any, owner: type[Any]) -> Any:
    holder: Any = SimpleNamespace(__annotations__={"it": written})
    module = vars(sys.modules[owner.__module__])
    # The module's names win over the class's: a column may have the name of its type.
    return get_type_hints(holder, dict(vars(owner)), module, include_extras=True)["it"]


def _stripped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without Mapped, None and Annotated, and the rules in its Annotated."""
    rules: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        some = [part for part in get_args(annotation) if part is not type(None)]
        if origin is Annotated:
            annotation, *metadata = get_args(annotation)
            rules = (*_rules_in(metadata), *rules)
        elif _is_mapped(origin) or (type(None) in get_args(annotation) and len(some) == 1):
            annotation = some[0]
        elif hasattr(annotation, "__value__"):
            # An alias of a `type` statement.
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation, rules


def _regex_of(field: FieldInfo) -> tuple[Any, ...]:
    pattern = old_pattern(field)
    return () if pattern is None else (StringConstraints(pattern=pattern),)


def _is_mapped(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapped)


def _rules_in(metadata: Any) -> tuple[Any, ...]:
    """Return the metadata that Pydantic understands; SQLAlchemy's columns may be among it."""
    found: list[Any] = []
    for each in metadata:
        if isinstance(each, FieldInfo):
            found += _rules_in(each.metadata)
        elif isinstance(each, _RULES):
            found.append(each)
    return tuple(found)
