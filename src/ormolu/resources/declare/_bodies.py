"""Models of bodies: the attribute of each field, and every name by which a body may set it.

It knows Pydantic and declarations, but no request and no policy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from ormolu.errors import ConfigurationError
from ormolu.query import Field, nearest
from ormolu.resources.declare._columns import Attribute
from ormolu.resources.declare._declaration import Declaration, Names

__all__ = ["Body", "Path", "check_own_models", "own_body"]

# Where a value is in a body: one name, or the steps of an AliasPath.
Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Body:
    """A Pydantic model of what a client sends for a row.

    Attributes:
        model: The model.
        is_own: Whether the program wrote it, with any validators and names.
        paths: By attribute, every place in a body that sets it, the documented one first.
        open: The attributes that a client may write.
        names: The client's name of each attribute of the mapped class.
        computed: Names of its computed fields.
        unstored: Names of fields that are no column: a hook reads them.
        converted: By attribute, the fields that code of a TypeDecorator converts.
        others: Model of the extra values that `model` takes without a field for them.
    """

    model: type[BaseModel]
    is_own: bool
    paths: Mapping[str, tuple[Path, ...]]
    open: Names
    names: Mapping[str, str]
    others: type[BaseModel]
    computed: frozenset[str] = frozenset()
    unstored: frozenset[str] = frozenset()
    converted: Mapping[str, Field] = dataclasses.field(default_factory=dict)

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Return the attribute that clients write by each name: a closed one may share it."""
        return {self.names[attribute]: attribute for attribute in self.open}

    @cached_property
    def written(self) -> Names:
        """Return the attributes that it writes: a model of the program's, those of its fields."""
        takes_others = not self.is_own or self.model.model_config.get("extra") == "allow"
        return self.open if takes_others else self.open & {*self.paths, *self.computed}

    @cached_property
    def _taken(self) -> frozenset[Path]:
        return frozenset(path for paths in self.paths.values() for path in paths)

    def places(self, attribute: str) -> tuple[Path, ...]:
        """Return where a body may set an attribute: its client's name if it has no field."""
        return self.paths.get(attribute, ((self.names.get(attribute, attribute),),))

    def pointer(self, attribute: str) -> str:
        """Return the name of an attribute in the pointer of an error."""
        first, *rest = self.places(attribute)[0]
        return self.names[attribute] if rest else str(first)

    def find(self, attribute: str, values: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
        """Yield each value that a body has for an attribute, with its place."""
        if attribute not in self.paths and self._is_of_another(attribute):
            return
        for path in self.places(attribute):
            found: Any = values
            for step in path:
                found = _step(found, step)
            if found is not _MISSING:
                yield path, found

    def _is_of_another(self, attribute: str) -> bool:
        """Tell whether the name of an attribute without a field means another one."""
        name = self.names.get(attribute, attribute)
        return (name,) in self._taken or self.attributes.get(name, attribute) != attribute

    def offer(self, attribute: str, value: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body with this value for an attribute added, if a field can take it."""
        path = next(iter(self.paths.get(attribute, ())), ())
        if not path or any(isinstance(step, int) for step in path):
            return dict(values)
        return _put(values, path, value)


_MISSING = object()


def _step(found: Any, step: str | int) -> Any:
    kind: Any = list if isinstance(step, int) else Mapping
    if isinstance(found, kind):
        with suppress(IndexError, KeyError):
            return found[step]
    return _MISSING


def _put(values: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    first, *rest = path
    inner = values.get(str(first))
    known = inner if isinstance(inner, Mapping) else {}
    return {**values, str(first): _put(known, tuple(rest), value) if rest else value}


def own_body(
    model: type[BaseModel],
    opened: Mapping[str, Attribute],
    names: Mapping[str, str],
    others: type[BaseModel],
) -> Body:
    """Return the `Body` of a model that the program wrote; its fields are named as attributes.

    Args:
        model: The model.
        opened: The attributes that a client may write.
        names: The client's name of each attribute.
        others: Model of the extra values that it takes without a field for them.
    """
    stored = {name: info for name, info in model.model_fields.items() if not info.exclude}
    return Body(
        model=model,
        is_own=True,
        paths={name: _paths_of(model, name, info) for name, info in stored.items()},
        open=opened.keys(),
        names=names,
        others=others,
        computed=frozenset(model.model_computed_fields),
        unstored=frozenset({*stored, *model.model_computed_fields} - opened.keys()),
        converted={
            name: each.field for name, each in opened.items() if each.field.kind.is_converted
        },
    )


def _paths_of(model: type[BaseModel], name: str, info: FieldInfo) -> tuple[Path, ...]:
    config = model.model_config
    by_alias = config.get("validate_by_alias", True)
    by_name = config.get("validate_by_name") or config.get("populate_by_name") or not by_alias
    paths = list(_alias_paths(info.validation_alias)) if by_alias else []
    if by_name or not paths:
        paths.append((name,))
    return tuple(dict.fromkeys(paths))


def _alias_paths(alias: str | AliasPath | AliasChoices | None) -> Iterator[Path]:
    match alias:
        case str():
            yield (alias,)
        case AliasPath():
            yield tuple(alias.path)
        case AliasChoices():
            for each in alias.choices:
                yield from _alias_paths(each)


def check_own_models(declaration: Declaration) -> None:
    """Check that `create_model` and `update_model` write no column that is closed to clients.

    Raises:
        ConfigurationError: A field is of a column that no client may write, or is no column.
    """
    opened = {"create": declaration.accepted, "update": declaration.changeable}
    for operation, columns in opened.items():
        model: type[BaseModel] | None = getattr(declaration, f"{operation}_model")
        fields = [] if model is None else _written_by(model)
        closed = [name for name in fields if name not in columns]
        if operation == "create":
            closed = [name for name in closed if name not in declaration.init_only]
        if f"before_{operation}" in declaration.hooks:
            # The hook may use a field that is no column: to hash a password, say.
            closed = [name for name in closed if name in declaration.attributes]
        if closed:
            reasons = "".join(
                f"\n  - {_why_closed(declaration, operation, name)}" for name in closed
            )
            message = f"resource({declaration.name}): {operation}_model must not have:{reasons}"
            raise ConfigurationError(message)


def _written_by(model: type[BaseModel]) -> list[str]:
    """Return the names of the fields whose values are stored, or passed to a hook."""
    included = [name for name, info in model.model_fields.items() if not info.exclude]
    return [*included, *model.model_computed_fields]


def _why_closed(declaration: Declaration, operation: str, name: str) -> str:
    attribute = declaration.attributes.get(name)
    leave = "Leave it out of the model"
    if attribute is None or attribute.column is None:
        known = nearest(name, declaration.accepted)
        hook = (
            "" if attribute else f", or make a column of it in hooks={{'before_{operation}': ...}}"
        )
        return (
            f"{name!r}, which is no column of {declaration.name}{known}. {leave}, or write "
            f"Field(exclude=True){hook}."
        )
    for option in ("hidden", "read_only"):
        if name in getattr(declaration, option):
            return f"{name!r}, which {option} closes. {leave}, or out of {option}."
    if name in declaration.concealed:
        return (
            f"{name!r}, which is hidden, since it is called like a secret. {leave}, or write "
            f"writable={{{name!r}}}; a public_model without it does not show it then."
        )
    if attribute.is_key and operation == "update":
        return f"{name!r}, which is of the primary key: a row keeps its key. {leave}."
    if attribute.is_version:
        return f"{name!r}, which is the version: each write counts it. {leave}."
    return f"{name!r}, whose values the server makes. {leave}, or write writable={{{name!r}}}."
