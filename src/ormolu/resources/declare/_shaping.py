"""What a program's `public_model` makes of a row: the members of an answer.

A model that only names columns changes no value, and is never called. Any other one is called with
whole rows. Where a policy hides some columns, a model of the remaining fields is called instead,
without those that the class's own code has a part in. It knows no request.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, Union, get_args, get_origin

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo
from sqlalchemy.engine.default import DefaultDialect

from ormolu.errors import ConfigurationError, UsageError
from ormolu.models import UTCDateTime
from ormolu.query import Shape, nearest, plain_type
from ormolu.resources.declare._columns import Attribute
from ormolu.resources.declare._declaration import Declaration, Names

__all__ = ["Public", "check_public_model", "public_of"]

# Settings of a model that do not change the values of an answer.
_HARMLESS = frozenset(
    {
        "alias_generator", "extra", "from_attributes", "frozen", "json_schema_extra",
        "loc_by_alias", "orm_mode", "populate_by_name", "protected_namespaces",
        "read_from_attributes", "read_with_orm_mode", "registry", "serialize_by_alias", "table",
        "title", "use_attribute_docstrings", "validate_by_alias", "validate_by_name",
    }
)  # fmt: skip
# The methods of Pydantic and SQLModel change no value.
_KNOWN_MODULES = ("pydantic.", "sqlmodel.")
_METHODS = ("__get_pydantic_core_schema__", "__init__", "__new__", "model_dump", "model_post_init",
            "model_validate")  # fmt: skip

_VALUES = (
    (sa.Boolean, bool), (sa.Integer, int), (sa.String, str), (sa.DateTime, datetime),
    (sa.Date, date), (sa.Time, time), (sa.Uuid, uuid.UUID), (UTCDateTime, datetime),
)  # fmt: skip
_DIALECT = DefaultDialect()
# Sets of hidden columns for which models are kept.
_PARTS = 64


@dataclass(frozen=True)
class Public:
    """The program's public model of a resource.

    Attributes:
        declaration: The declaration of the resource.
        model: The model.
    """

    declaration: Declaration
    model: type[BaseModel]

    @cached_property
    def columns(self) -> dict[str, FieldInfo]:
        """Return its fields that are attributes of the mapped class."""
        known = self.declaration.attributes
        return {name: info for name, info in self.model.model_fields.items() if name in known}

    @cached_property
    def coded(self) -> Names:
        """Return its fields that validators and serializers of its class see."""
        code = self.model.__pydantic_decorators__
        parts: list[Any] = [*code.field_validators.values(), *code.field_serializers.values(),
                            *code.validators.values()]  # fmt: skip
        touched = {name for part in parts for name in part.info.fields}
        has_model_code = (
            code.model_validators or code.model_serializers or code.root_validators
            or any(_is_own(self.model, name) for name in _METHODS)
        )  # fmt: skip
        return frozenset(self.columns if has_model_code or "*" in touched else touched)

    @cached_property
    def is_plain(self) -> bool:
        """Tell whether it only names columns."""
        return (
            not self.coded
            and not self.model.model_computed_fields
            and self.columns.keys() == self.model.model_fields.keys()
            and self.model.model_config.keys() <= _HARMLESS
            and all(map(self._is_as_read, self.columns))
        )

    def shape(self, hidden: Names) -> Shape | None:
        """Return what makes the members of an answer, None if they are the values as read.

        Args:
            hidden: Attributes that a policy hides.
        """
        if self.is_plain:
            return None
        known = frozenset(hidden & self.columns.keys())
        return self._parts(known) if known else self._whole

    @cached_property
    def _whole(self) -> Shape:
        return self._shape_of(self.model, self.columns, self.members)

    @cached_property
    def _parts(self) -> Callable[[frozenset[str]], Shape]:
        """Return the cached function from hidden columns to the shape of the others."""
        return lru_cache(maxsize=_PARTS)(self._part)

    def _part(self, hidden: frozenset[str]) -> Shape:
        left = {name: info for name, info in self.columns.items()
                if name not in hidden | self.coded and not info.exclude}  # fmt: skip
        config: Any = {key: value for key, value in self.model.model_config.items()
                  if key in ConfigDict.__annotations__}  # fmt: skip
        fields: dict[str, Any] = {name: (info.annotation, info) for name, info in left.items()}
        with warnings.catch_warnings():
            # The class has raised them already.
            warnings.simplefilter("ignore")
            # The fields keep the settings of the class, and their own.
            model: type[BaseModel] = create_model(self.model.__name__, __config__=config, **fields)
        members = {info.serialization_alias or name: self._called(name, info.serialization_alias)
                   for name, info in left.items()}  # fmt: skip
        return self._shape_of(model, left, members)

    def _shape_of(
        self,
        model: type[BaseModel],
        columns: Mapping[str, FieldInfo],
        members: Mapping[str, str | None],
    ) -> Shape:
        names = self.declaration.names
        inputs = {names[name]: _input_of(name, info) for name, info in columns.items()}
        adapter: TypeAdapter[Any] = TypeAdapter(model)

        def make(row: Mapping[str, Any]) -> dict[str, Any]:
            given = {inputs[name]: value for name, value in row.items() if name in inputs}
            try:
                read = adapter.validate_python(given, by_alias=True, by_name=True)
            except ValidationError as error:
                raise self._unfit(error) from None
            dumped = adapter.dump_python(read, mode="json", by_alias=True)
            # Relations are left out: if included, they are shown as their own resources declare.
            return {members.get(key) or key: value for key, value in dumped.items()
                    if members.get(key, key) is not None}  # fmt: skip

        shown = [name for name in members.values() if name is not None]
        fields = tuple(self.declaration.attributes[name].field for name in columns)
        return Shape(fields, tuple(shown), make)

    @cached_property
    def members(self) -> dict[str, str | None]:
        """Return the client's name of each member that the model writes; None for a relation."""
        fields, computed = self.model.model_fields, self.model.model_computed_fields
        aliases = {name: info.serialization_alias
                   for name, info in fields.items() if not info.exclude}  # fmt: skip
        aliases |= {name: info.alias for name, info in computed.items()}
        relations = self.declaration.mapper.relationships
        return {
            alias or name: None if name in relations and name in fields
            else self._called(name, alias)
            for name, alias in aliases.items()
        }  # fmt: skip

    def _called(self, name: str, alias: str | None) -> str:
        return self.declaration.names.get(name) or alias or self.declaration.generate(name)

    def _is_as_read(self, name: str) -> bool:
        """Tell whether a field shows a column's values as they are."""
        info, attribute = self.columns[name], self.declaration.attributes[name]
        packages = {type(each).__module__.partition(".")[0] for each in info.metadata}
        # These constraints change no value; Pydantic's own may strip text or lower it.
        is_unchanged = packages <= {"annotated_types", "sqlmodel"}
        is_shown = not info.exclude and not getattr(info, "exclude_if", None)
        return is_shown and is_unchanged and _plain_type(info.annotation) is _value_type(attribute)

    def _unfit(self, error: ValidationError) -> UsageError:
        """Return an error without the row's values, which must not be logged."""
        wrong = "; ".join(
            f"{item['loc'][0] if item['loc'] else 'the row'}: {item['type']}"
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        )
        message = (
            f"public_model {self.model.__name__} does not take a row of "
            f"{self.declaration.name}: {wrong}. Declare what the columns may hold."
        )
        return UsageError(message)


def public_of(declaration: Declaration) -> Public | None:
    """Return the program's public model of a declaration, None if there is none."""
    model = declaration.public_model
    return None if model is None else Public(declaration, model)


def check_public_model(declaration: Declaration) -> None:
    """Check that a public model can be made from the columns that may be seen.

    Raises:
        ConfigurationError: It shows what is hidden, or has a field that nothing sets.
    """
    public = public_of(declaration)
    if public is None:
        return
    code = public.model.__pydantic_decorators__
    modes = {part.info.mode for part in code.model_validators.values()}
    is_filled = bool(modes & {"before", "wrap"} or code.root_validators)
    found = [
        reason
        for name, info in public.model.model_fields.items()
        if (reason := _why_not_shown(declaration, name, is_needed=info.is_required(),
                                     is_filled=is_filled))
    ]  # fmt: skip
    left_out = declaration.searchable - public.columns.keys()
    found += [f"{name!r} left out: it is searchable. Add it, or take it out of searchable."
              for name in sorted(left_out)]  # fmt: skip
    if found:
        reasons = "".join(f"\n  - {reason}" for reason in found)
        message = f"resource({declaration.name}): public_model must not have:{reasons}"
        raise ConfigurationError(message)


def _why_not_shown(
    declaration: Declaration, name: str, *, is_needed: bool, is_filled: bool
) -> str | None:
    if name in declaration.hidden:
        return f"{name!r}, which hidden closes. Leave it out of the model, or out of hidden."
    if name in declaration.concealed:
        return (
            f"{name!r}, which is hidden, since it is called like a secret. Leave it out of the "
            f"model, or write read_only={{{name!r}}}."
        )
    if name in declaration.attributes or not is_needed:
        return None
    if name in declaration.mapper.relationships:
        return (
            f"{name!r} without a default: it is a relation, which include={name} shows as its own "
            "resource declares it. Leave it out of the model, or give it a default."
        )
    if is_filled:
        return None
    known = nearest(name, declaration.attributes)
    return (
        f"{name!r}, which is no column of {declaration.name}{known}. Leave it out of the model, "
        "give it a default, or write a computed_field."
    )


def _is_own(model: type[BaseModel], name: str) -> bool:
    """Tell whether a method is the program's own, and not Pydantic's or SQLModel's."""
    method = getattr(model, name, None)
    module: str = getattr(method, "__module__", None) or "pydantic."
    return not f"{module}.".startswith(_KNOWN_MODULES)


def _input_of(name: str, info: FieldInfo) -> str:
    return info.validation_alias if isinstance(info.validation_alias, str) else name


def _plain_type(annotation: Any) -> Any:
    is_union = get_origin(annotation) in {Union, type(int | None)}
    parts = [each for each in get_args(annotation) if each is not type(None)]
    return parts[0] if is_union and len(parts) == 1 else annotation


def _value_type(attribute: Attribute) -> Any:
    """Return the Python type of a column's values, None where it is not certain."""
    if attribute.column is None:
        return None
    type_: Any = plain_type(attribute.field.type, _DIALECT)
    if isinstance(type_, sa.Enum):
        return type_.enum_class
    if isinstance(type_, (sa.Float, sa.Numeric)):
        return Decimal if type_.asdecimal else float
    if not getattr(type_, "as_uuid", True):
        return str
    return next((value for kind, value in _VALUES if isinstance(type_, kind)), None)
