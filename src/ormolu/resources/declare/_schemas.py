"""From a declaration to Pydantic models: of a row, of a new row, and of changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal, LiteralString, Union

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

# Some servers and proxies refuse a path of more than 8 KB.
_MOST_IN_KEY = 1000

_INPUT = ConfigDict(extra="forbid", protected_namespaces=())
_OUTPUT = ConfigDict(protected_namespaces=())


class Schemas:
    """The Pydantic models of a resource: `UserPublic`, `UserCreate`, `UserUpdate`.

    Each is made when it is asked for first: a resource that is only read needs none.
    """

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration

    @cached_property
    def public(self) -> type[BaseModel]:
        """Return the model of a row in answers."""
        declaration = self._declaration
        name = f"{declaration.name}Public"
        return declaration.public_model or _make(name, _OUTPUT, _shown(declaration))

    @cached_property
    def created(self) -> Body:
        """Return the body of a new row."""
        return _body(self._declaration, "create")

    @cached_property
    def changed(self) -> Body:
        """Return the body of changes."""
        return _body(self._declaration, "update")

    @property
    def create(self) -> type[BaseModel]:
        """Return the model of a new row."""
        return self.created.model

    @property
    def update(self) -> type[BaseModel]:
        """Return the model of changes."""
        return self.changed.model


def check_models(declaration: Declaration) -> None:
    """Check that the program's models show and write nothing that the declaration closes.

    Raises:
        ConfigurationError: One does, or has a field that nothing sets.
    """
    check_own_models(declaration)
    check_public_model(declaration)


def schemas_of(declaration: Declaration) -> Schemas:
    """Return the models of the program, and generated ones for the rest."""
    return Schemas(declaration)


def _body(declaration: Declaration, operation: Literal["create", "update"]) -> Body:
    opened = declaration.accepted if operation == "create" else declaration.changeable
    names = {name: each.field.name for name, each in declaration.attributes.items()}
    own: type[BaseModel] | None = getattr(declaration, f"{operation}_model")
    if own is not None:
        # An attribute that has a field has no other name.
        spare = {called: each for called, each in _loose(opened).items()
                 if called not in {names.get(name) for name in own.model_fields}}  # fmt: skip
        others = _make(f"{own.__name__}Others", _INPUT, spare)
        return own_body(own, opened, names, others)
    fields = _whole(opened) if operation == "create" else _loose(opened)
    model = _make(f"{declaration.name}{operation.title()}", _INPUT, fields)
    paths: dict[str, tuple[Path, ...]] = {name: ((names[name],),) for name in opened}
    return Body(
        model=model, is_own=False, paths=paths, open=opened.keys(), names=names, others=model
    )


def _whole(opened: Mapping[str, Attribute]) -> dict[str, Any]:
    """Return the fields of a whole row; a column with several names needs no single one."""
    count = Counter(each.column for each in opened.values() if each.column is not None)
    shared = {column for column, times in count.items() if times > 1}
    return {
        each.field.name: _written(
            each, {} if each.is_required and each.column not in shared else _default_of(each)
        )
        for each in opened.values()
    }


def _loose(opened: Mapping[str, Attribute]) -> dict[str, Any]:
    """Return the fields of a part of a row."""
    # Without the column's default: what is left out of a change stays.
    return {each.field.name: _written(each, {"default": None}) for each in opened.values()}


def _make(name: str, config: ConfigDict, fields: dict[str, Any]) -> type[BaseModel]:
    # Fields have aliases, since a column may have the name of a method of BaseModel.
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
    # Before Python 3.14 Annotated does not support `|`.
    return Union[type_, None]  # noqa: UP007


def _description(attribute: Attribute) -> dict[str, Any]:
    # `doc` and not `comment`, which is for those who run the database.
    text = None if attribute.column is None else attribute.column.doc
    return {"description": text} if text else {}


def _default_of(attribute: Attribute) -> dict[str, Any]:
    default: Any = attribute.column.default if attribute.column is not None else None
    # Only a constant default is documented; the column sets it, too, where it is left out.
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
