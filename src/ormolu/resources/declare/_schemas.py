"""From a declaration to Pydantic models: what is shown, what creates and what changes a row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, LiteralString, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, create_model
from pydantic import Field as PydanticField
from pydantic_core import PydanticCustomError

from ormolu.resources.declare._bodies import Body, Path, check_own_models, own_body
from ormolu.resources.declare._columns import Attribute
from ormolu.resources.declare._declaration import Declaration
from ormolu.resources.declare._rules import with_rules
from ormolu.resources.declare._secrets import may_be_shown
from ormolu.resources.declare._shaping import check_public_model

__all__ = ["Schemas", "check_models", "schemas_of"]

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


def check_models(declaration: Declaration) -> None:
    """Check that the models which a declaration brings open nothing that it closes.

    Raises:
        ConfigurationError: One does, or has a field that nothing fills.
    """
    check_own_models(declaration)
    check_public_model(declaration)


def schemas_of(declaration: Declaration) -> Schemas:
    """Make the models that the declaration does not bring itself."""
    name, accepted = declaration.name, declaration.accepted.values()
    created = {
        each.field.name: _written(each, {} if each.is_required else _default_of(each))
        for each in accepted
    }
    # Not the column's default: what is left out stays.
    loose = {each.field.name: _written(each, {"default": None}) for each in accepted}
    changed = {each.field.name: loose[each.field.name] for each in declaration.changeable.values()}
    return Schemas(
        declaration.public_model or _make(f"{name}Public", _OUTPUT, _shown(declaration)),
        _body(declaration, "create", (created, loose)),
        _body(declaration, "update", (changed, changed)),
    )


def _body(
    declaration: Declaration, operation: str, fields: tuple[dict[str, Any], dict[str, Any]]
) -> Body:
    """Return what reads a body; `fields` are those of a row, and of one that may be a part."""
    opened = declaration.accepted if operation == "create" else declaration.changeable
    names = {name: each.field.name for name, each in declaration.attributes.items()}
    own: type[BaseModel] | None = getattr(declaration, f"{operation}_model")
    if own is not None:
        # What has a field is not to be named otherwise.
        spare = {called: each for called, each in fields[1].items()
                 if called not in {names.get(name) for name in own.model_fields}}  # fmt: skip
        others = _make(f"{own.__name__}Others", _INPUT, spare)
        return own_body(own, opened, names, others)
    model = _make(f"{declaration.name}{operation.title()}", _INPUT, fields[0])
    paths: dict[str, tuple[Path, ...]] = {name: ((names[name],),) for name in opened}
    return Body(
        model=model, is_own=False, paths=paths, open=opened.keys(), names=names, others=model
    )


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
        attribute, type_ = declaration.attributes[field.attribute], field.kind.shown
        shown[name] = (_optional(type_) if field.is_nullable else type_, _description(attribute))
    return shown


def _written(attribute: Attribute, default: dict[str, Any]) -> Any:
    kind = attribute.field.kind
    annotation = attribute.field.annotation
    type_ = with_rules(
        attribute.name, attribute.field.type, kind.written, annotation, attribute.rules
    )
    if attribute.is_key:
        check = _check_key if kind.family == "text" else _check_not_empty
        type_ = Annotated[type_, AfterValidator(check)]
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
    is_secret = attribute.is_secret or attribute.field.kind.family == "secret"
    if default is None or is_secret or not (default.is_scalar and may_be_shown(default.arg)):
        return {"default": None}
    return {"default": default.arg}


def _check_not_empty(value: Any) -> Any:
    if (value.value if isinstance(value, Enum) else value) in ("", b""):
        raise PydanticCustomError("key", "Must be usable in a URL: not empty")
    return value


def _check_key(value: str) -> str:
    if not value or "/" in value or value in {".", ".."} or len(value) > _MOST_IN_KEY:
        message: LiteralString = "Must be usable in a URL: 1 to {most} characters, without a slash"
        raise PydanticCustomError("key", message, {"most": _MOST_IN_KEY})
    return value
