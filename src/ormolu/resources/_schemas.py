"""From a declaration to Pydantic models: what is shown, what creates and what changes a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, create_model
from pydantic import Field as PydanticField
from pydantic_core import PydanticCustomError

from ormolu.query import is_text, written_type
from ormolu.resources._bodies import Body, Path, own_body
from ormolu.resources._columns import Attribute
from ormolu.resources._declaration import Declaration
from ormolu.resources._rules import with_rules
from ormolu.resources._secrets import may_be_shown

__all__ = ["Schemas", "body_names", "schemas_of"]

# A path has to be taken by servers and proxies, some of which stop at 8 KB.
_MOST_IN_KEY = 1000

_INPUT = ConfigDict(extra="forbid", protected_namespaces=())
_OUTPUT = ConfigDict(protected_namespaces=())


@dataclass(frozen=True)
class Schemas:
    """The Pydantic models of a resource: `UserPublic`, `UserCreate`, `UserUpdate`.

    Attributes:
        created: How the body of a new row is read.
        changed: The same, of changes.
    """

    public: type[BaseModel]
    created: Body
    changed: Body

    @property
    def create(self) -> type[BaseModel]:
        """Return the model of a new row."""
        return self.created.model

    @property
    def update(self) -> type[BaseModel]:
        """Return the model of changes."""
        return self.changed.model


def schemas_of(declaration: Declaration) -> Schemas:
    """Make the models that the declaration does not bring itself."""
    name, accepted, changeable = declaration.name, declaration.accepted, declaration.changeable
    created = {
        key: _written(attribute, {} if attribute.is_required else _default_of(attribute))
        for key, attribute in accepted.items()
    }
    # Not the column's default: what is left out stays.
    loose = {key: _written(attribute, {"default": None}) for key, attribute in accepted.items()}
    changed = {key: loose[key] for key in changeable}
    return Schemas(
        declaration.public_model or _make(f"{name}Public", _OUTPUT, _shown(declaration)),
        _own_body(declaration.create_model, accepted, loose)
        or _our_body(f"{name}Create", accepted, created),
        _own_body(declaration.update_model, changeable, changed)
        or _our_body(f"{name}Update", changeable, changed),
    )


def _own_body(
    model: type[BaseModel] | None, opened: Mapping[str, Attribute], fields: dict[str, Any]
) -> Body | None:
    if model is None:
        return None
    return own_body(model, opened, _make(f"{model.__name__}Others", _INPUT, fields))


def _our_body(name: str, opened: Mapping[str, Attribute], fields: dict[str, Any]) -> Body:
    model = _make(name, _INPUT, fields)
    paths: dict[str, tuple[Path, ...]] = {key: ((key,),) for key in fields}
    return Body(model=model, is_own=False, paths=paths, open=opened, others=model)


def body_names(model: type[BaseModel] | None) -> dict[str, str]:
    """Return what a model of the program's own calls each column in JSON: an alias, or alike."""
    fields = {} if model is None else model.model_fields
    aliases = {name: info.validation_alias for name, info in fields.items()}
    return {name: alias if isinstance(alias, str) else name for name, alias in aliases.items()}


def _make(name: str, config: ConfigDict, fields: dict[str, Any]) -> type[BaseModel]:
    # Through aliases: a column may be called as a method of BaseModel is.
    named = {
        f"field_{index}": (type_, _aliased(info, key))
        for index, (key, (type_, info)) in enumerate(fields.items())
    }
    return create_model(name, __config__=config, **named)  # type: ignore[call-overload,no-any-return]


def _aliased(options: dict[str, Any], name: str) -> Any:
    return PydanticField(alias=name, title=name.replace("_", " ").title(), **options)


def _shown(declaration: Declaration) -> dict[str, Any]:
    shown = {}
    for name, field in declaration.readable.items():
        attribute = declaration.attributes[name]
        type_ = written_type(field.type, attribute.annotation)
        shown[name] = (_optional(type_) if field.is_nullable else type_, _description(attribute))
    return shown


def _written(attribute: Attribute, default: dict[str, Any]) -> Any:
    sql, annotation = attribute.field.type, attribute.annotation
    type_ = with_rules(
        attribute.name, sql, written_type(sql, annotation), annotation, attribute.rules
    )
    if attribute.is_key and is_text(sql):
        type_ = Annotated[type_, AfterValidator(_check_key)]
    if attribute.field.is_nullable:
        type_ = _optional(type_)
    return type_, {**_description(attribute), **default}


def _optional(type_: Any) -> Any:
    # An Annotated has no `|` before Python 3.14.
    return Union[type_, None]  # noqa: UP007


def _description(attribute: Attribute) -> dict[str, Any]:
    # Not its comment in the database, which is for those who run that.
    text = None if attribute.column is None else attribute.column.doc
    return {"description": text} if text else {}


def _default_of(attribute: Attribute) -> dict[str, Any]:
    default: Any = attribute.column.default if attribute.column is not None else None
    # A function's value is of its moment; what is left out is the column's to fill.
    is_shown = default is not None and default.is_scalar and may_be_shown(default.arg)
    return {"default": default.arg if is_shown and not attribute.is_secret else None}


def _check_key(value: str) -> str:
    if not value or "/" in value or value in {".", ".."} or len(value) > _MOST_IN_KEY:
        message = f"Must be usable in a URL: 1 to {_MOST_IN_KEY} characters, without a slash"
        raise PydanticCustomError("key", message)
    return value
