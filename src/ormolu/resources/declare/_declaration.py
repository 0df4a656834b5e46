"""The declaration of a resource: one frozen value, checked when it is made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar, get_args

from pydantic import BaseModel
from sqlalchemy import MetaData, Table, inspect
from sqlalchemy.orm import Mapper

from ormolu.engines import check_deadline
from ormolu.errors import ConfigurationError
from ormolu.query import Field, nearest, sqlite_digit_check
from ormolu.resources.declare._columns import (
    Attribute,
    Traits,
    attributes_of,
    every_name_of,
    traits_of,
)
from ormolu.resources.declare._hooks import HookName
from ormolu.resources.declare._names import (
    Generate,
    check_names,
    client_names,
    generator_of,
    is_withheld,
)
from ormolu.resources.declare._opaque import check_opaque_keys, log_opaque
from ormolu.resources.declare._unique_keys import unique_keys_of

__all__ = ["OPERATIONS", "Declaration", "Names", "declare"]

_log = logging.getLogger("ormolu")

OPERATIONS = ("list", "read", "create", "update", "replace", "delete", "batch")

Names = AbstractSet[str]

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Declaration:
    """What of a model is shown, and to whom; `resource` tells the meaning of each field."""

    model: type[Any]
    path: str
    hidden: Names = frozenset()
    read_only: Names = frozenset()
    writable: Names = frozenset()
    searchable: Names = frozenset()
    includes: Mapping[str, Declaration | None] = field(default_factory=dict)
    operations: Names = frozenset(OPERATIONS)
    undocumented: Names = frozenset()
    policy: Callable[..., Any] | None = None
    require_if_match: bool = False
    idempotency: bool = False
    max_limit: int = 1000
    max_offset: int = 0
    document_operators: bool = False
    max_rows: int = 20_000
    max_bytes: int = 16 * 1024 * 1024
    deadline: float | None = None
    hooks: Mapping[HookName, Callable[..., Any]] = field(default_factory=dict)
    public_model: type[BaseModel] | None = None
    create_model: type[BaseModel] | None = None
    update_model: type[BaseModel] | None = None
    alias_generator: Generate | None = None
    _cache: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def cached(self, make: Callable[[Declaration], _T]) -> _T:
        """Return the result of a function of the declaration, which is called once."""
        if make not in self._cache:
            self._cache[make] = make(self)
        found: _T = self._cache[make]
        return found

    @property
    def name(self) -> str:
        """Return the model's name, which its schemas and answers begin with."""
        return self.model.__name__

    @cached_property
    def mapper(self) -> Mapper[Any]:
        """Return the model's mapper."""
        return inspect(self.model)  # type: ignore[no-any-return]

    @property
    def limits(self) -> tuple[int, int]:
        """Return how many rows and bytes one answer may have at most."""
        return self.max_rows, self.max_bytes

    @property
    def metadata(self) -> MetaData:
        """Return the metadata that the model's table is in."""
        table = self.mapper.local_table
        assert isinstance(table, Table)
        return table.metadata

    @cached_property
    def traits(self) -> Traits:
        """Return how rows can be written."""
        return traits_of(self.mapper)

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """Return the attributes of the model by name; their fields have the clients' names."""
        found = attributes_of(self.model)
        names = client_names(found, self.public_model, self.generate)
        return {
            name: replace(each, field=replace(each.field, name=names[name]))
            for name, each in found.items()
        }

    @cached_property
    def generate(self) -> Generate:
        """Return what names the attributes that have no alias."""
        return generator_of(self.alias_generator, self.public_model)

    @cached_property
    def names(self) -> dict[str, str]:
        """Return what clients call each attribute and each relation."""
        names = client_names(self.mapper.relationships.keys(), self.public_model, self.generate)
        return names | {name: each.field.name for name, each in self.attributes.items()}

    @cached_property
    def concealed(self) -> Names:
        """Return the attributes that nobody sees: `hidden`, and `secrets`."""
        return {*self.hidden, *self.secrets}

    @cached_property
    def secrets(self) -> Names:
        """Return what is hidden by its name or its class's own word: no option names it."""
        named = {*self.read_only, *self.writable, *self.searchable, *self.hidden}
        found = self.attributes.items()
        return {name for name, each in found if each.is_secret or each.is_withheld} - named

    @cached_property
    def keys(self) -> tuple[Field, ...]:
        """Return the fields of the primary key, in the order of a path."""
        properties = [
            self.mapper.get_property_by_column(column).key for column in self.mapper.primary_key
        ]
        return tuple(self.attributes[name].field for name in properties)

    @cached_property
    def path_parameters(self) -> tuple[str, ...]:
        """Return the name of the path parameter for each field of the key."""
        names = [field.name for field in self.keys]
        # Starlette takes no other names, and would match them as text.
        if all(name.isascii() and name.isidentifier() for name in names):
            return tuple(names)
        return tuple(f"key_{number}" for number in range(1, len(names) + 1))

    @cached_property
    def readable(self) -> dict[str, Field]:
        """Return the fields of an answer by name: no more than the public model has."""
        names = list(self.attributes)
        if self.public_model is not None:
            fields = self.public_model.model_fields
            names = [name for name in fields if name in names and not is_withheld(fields[name])]
        shown = [self.attributes[name].field for name in names if name not in self.concealed]
        return {field.name: field for field in shown if field.kind.family != "secret"}

    @cached_property
    def accepted(self) -> dict[str, Attribute]:
        """Return the attributes that a client may send to create a row."""
        return {
            name: attribute
            for name, attribute in self.attributes.items()
            if attribute.column is not None and self._is_accepted(attribute)
        }

    @cached_property
    def changeable(self) -> dict[str, Attribute]:
        """Return the attributes that a client may send to change a row: keys stay."""
        return {
            name: attribute for name, attribute in self.accepted.items() if not attribute.is_key
        }

    @cached_property
    def factories(self) -> dict[str, Callable[[], Any]]:
        """Return by attribute what makes its value where none is given."""
        return {
            name: each.factory for name, each in self.attributes.items() if each.factory is not None
        }

    @cached_property
    def digit_checks(self) -> dict[str, Callable[[Any], bool]]:
        """Return by attribute the check that SQLite keeps a decimal as it is."""
        checks = {
            name: sqlite_digit_check(each.field.type) for name, each in self.attributes.items()
        }
        return {name: check for name, check in checks.items() if check is not None}

    @cached_property
    def init_only(self) -> Names:
        """Return the parameters of the model's own constructor that are no attributes."""
        constructor = self.traits.constructor
        return constructor.named.union(constructor.positional).difference(self.attributes)

    @cached_property
    def has_client_keys(self) -> bool:
        """Tell whether clients choose the primary key, so that PUT can create a row."""
        return all(key.attribute in self.accepted for key in self.keys)

    @cached_property
    def on_match(self) -> tuple[str, ...]:
        """Return what an upsert may do with an existing row: nothing that is not offered alone."""
        shown = "create" in self.operations and {"list", "read", "update"} & self.operations
        offered = ("update", "ignore") if "update" in self.operations else ("ignore",)
        return offered if shown else ()

    @cached_property
    def unique_keys(self) -> list[frozenset[str]]:
        """Return the sets of attributes that are unique together."""
        return unique_keys_of(self.mapper)

    def _is_accepted(self, attribute: Attribute) -> bool:
        name = attribute.name
        if name in self.concealed or name in self.read_only:
            return False
        # These two kinds are accepted only where `writable` names them.
        is_known = attribute.field.kind.family not in {"opaque", "secret"}
        return name in self.writable or (is_known and not attribute.is_generated)


def declare(**options: Any) -> Declaration:
    """Make a declaration, and check every name in it.

    Raises:
        ConfigurationError: A name or a value is wrong.
    """
    mapper = inspect(options["model"])
    for name in {"hidden", "read_only"} & options.keys():
        # A column is closed under each of its names.
        options[name] = every_name_of(mapper, options[name])
    declaration = Declaration(**options)
    _check_names(declaration)
    _check_values(declaration)
    _check_keys(declaration)
    check_opaque_keys(declaration.name, declaration.keys)
    _check_required(declaration)
    _check_constructor(declaration)
    _check_aliases(declaration)
    secrets = sorted(declaration.secrets)
    if secrets:
        listed, attributes = _written(secrets), declaration.attributes
        by = "names" if all(attributes[each].is_secret for each in secrets) else "class or names"
        _log.warning(
            "%s: hidden by their %s: %s. Write read_only=%s or writable=%s to show them, "
            "hidden=%s to keep them hidden.",
            _call(declaration), by, ", ".join(secrets), listed, listed, listed,
        )  # fmt: skip
    named = declaration.read_only | declaration.writable
    log_opaque(declaration.name, declaration.readable.values(), named)
    return declaration


def _check_names(declaration: Declaration) -> None:
    known = set(declaration.attributes)
    columns = {name for name, attribute in declaration.attributes.items()
               if attribute.column is not None}  # fmt: skip
    for option in ("hidden", "read_only", "searchable"):
        _check_known(declaration, option, getattr(declaration, option), known)
    _check_known(declaration, "writable", declaration.writable, columns)
    relations = set(declaration.mapper.relationships.keys())
    _check_known(declaration, "includes", declaration.includes, relations)
    _check_known(declaration, "operations", declaration.operations, OPERATIONS)
    _check_known(declaration, "undocumented", declaration.undocumented, OPERATIONS)
    _check_known(declaration, "hooks", declaration.hooks, get_args(HookName))
    for one, other in (("hidden", "writable"), ("hidden", "searchable"), ("read_only", "writable")):
        both = getattr(declaration, one) & getattr(declaration, other)
        if both:
            message = f"{_call(declaration)}: {sorted(both)} cannot be both {one} and {other}."
            raise ConfigurationError(message)


def _check_known(
    declaration: Declaration, option: str, names: Iterable[str], known: Iterable[str]
) -> None:
    for name in sorted(names):
        if name not in set(known):
            message = (
                f"{_call(declaration)}: {option} names {name!r}, which {declaration.name} does not "
                f"have{nearest(name, known)}."
            )
            raise ConfigurationError(message)


def _check_values(declaration: Declaration) -> None:
    for name in declaration.searchable:
        if "ilike" not in declaration.attributes[name].field.kind.operators:
            message = f"{_call(declaration)}: searchable names {name!r}, which holds no text."
            raise ConfigurationError(message)
    if not declaration.path.startswith("/") or declaration.path.endswith("/"):
        message = (
            f"{_call(declaration)}: path must begin with / and not end with it, "
            f"not {declaration.path!r}."
        )
        raise ConfigurationError(message)
    for name in ("max_limit", "max_rows", "max_bytes"):
        if getattr(declaration, name) >= 1:
            continue
        message = f"{_call(declaration)}: {name} must be at least 1."
        raise ConfigurationError(message)
    check_deadline(declaration.deadline)
    if declaration.require_if_match and declaration.traits.version is None:
        message = (
            f"{_call(declaration)}: require_if_match needs a version column: write "
            '__mapper_args__ = {"version_id_col": version} in the model.'
        )
        raise ConfigurationError(message)


def _check_aliases(declaration: Declaration) -> None:
    used = {field.attribute for field in (*declaration.readable.values(), *declaration.keys)}
    used |= declaration.accepted.keys() | declaration.includes.keys()
    names = {name: alias for name, alias in declaration.names.items() if name in used}
    check_names(declaration.name, names)


def _check_keys(declaration: Declaration) -> None:
    for key in declaration.keys:
        if key.attribute in declaration.concealed:
            is_secret = declaration.attributes[key.attribute].is_secret
            message = (
                f"{_call(declaration)}: {key.attribute!r} is hidden"
                f"{' because of its name' if is_secret else ''}, and it is of the primary key, "
                "which stands in each path and cursor. Show it: write "
                f"read_only={_written([key.attribute])}."
            )
            raise ConfigurationError(message)


def _check_required(declaration: Declaration) -> None:
    may_be_set = declaration.policy is not None or "before_create" in declaration.hooks
    if "create" not in declaration.operations or may_be_set:
        return
    constructor = declaration.traits.constructor
    missing = [
        name
        for name, attribute in declaration.attributes.items()
        if attribute.is_required
        and name not in declaration.accepted
        # The program's own constructor may compute what it has no parameter for.
        and (not constructor.is_own or name in constructor.required)
    ]
    if missing:
        message = (
            f"{_call(declaration)}: no row could be created, since {', '.join(missing)} is "
            "required and cannot be sent. Give it a default, name it in writable, make it in "
            "hooks={'before_create': ...} or a policy's assign, or leave 'create' out of "
            f"operations.{_why_secret(declaration, missing)}"
        )
        raise ConfigurationError(message)


def _check_constructor(declaration: Declaration) -> None:
    constructor = declaration.traits.constructor
    is_creating = {"create", "replace"} & declaration.operations
    has_more = declaration.create_model is not None or "before_create" in declaration.hooks
    spare = constructor.spare(declaration.attributes)
    if spare and is_creating and not has_more:
        message = (
            f"{_call(declaration)}: {declaration.name}.__init__ asks for {', '.join(spare)}, which "
            "is no column. Give it a default, make it in hooks={'before_create': ...}, or leave "
            "'create', 'replace' and 'batch' out of operations."
        )
        raise ConfigurationError(message)


def _why_secret(declaration: Declaration, names: Iterable[str]) -> str:
    """Return a sentence on those of the names that are secrets, and how to open them."""
    found = sorted(declaration.secrets & set(names))
    if not found:
        return ""
    them = "their names" if len(found) > 1 else "its name"
    are = "are" if len(found) > 1 else "is"
    return (
        f" {' and '.join(found)} {are} hidden because of {them}: write "
        f"writable={_written(found)} to let clients send it."
    )


def _written(names: Sequence[str]) -> str:
    return "{" + ", ".join(map(repr, names)) + "}"


def _call(declaration: Declaration) -> str:
    return f"resource({declaration.name})"
