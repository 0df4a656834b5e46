"""The values that a client sends for a row, checked by schemas and policy. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic.fields import FieldInfo

from ormolu.errors import RefusedError, UsageError
from ormolu.query import Location, View, entry_of, refuse, revealed
from ormolu.resources.declare import Attribute, Body, Declaration, Exposure, Names, Policy
from ormolu.resources.work._defaults import Connect, fill_in
from ormolu.resources.work._instances import RejectedError
from ormolu.resources.work._second_names import SecondNames

__all__ = ["NewRow", "Values"]

# More than the columns of any table: each unknown member would be an error of its own.
_MOST_MEMBERS = 2000
# The entries of a problem.
_MOST_ERRORS = 100

# These run the program's own code, which may look at other fields.
_VALIDATORS = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator)


@dataclass(frozen=True)
class NewRow:
    """The checked values of a new row.

    Attributes:
        values: By attribute, with those that the policy assigns.
        sent: The attributes that the body has set, by any name.
    """

    values: dict[str, Any]
    sent: Names


class Values:
    """Reads the bodies of one request."""

    def __init__(self, view: View, exposure: Exposure, policy: Policy) -> None:
        self._view = view
        self._declaration: Declaration = exposure.declaration
        self._schemas = exposure.schemas
        self._names = SecondNames(exposure.declaration)
        self._policy = policy
        self._closed = {*policy.read_only, *policy.hidden}
        self._sealed = {*self._closed, *policy.assign}

    def read_new(self, values: Mapping[str, Any], location: Location) -> NewRow:
        """Return the checked values of a new row.

        Raises:
            RefusedError: A value is wrong, unknown, not writable or missing.
            UsageError: The policy assigns a value that its column does not take.
        """
        body, assigned = self._schemas.created, self._policy.assign
        given = dict(values)
        for name, value in assigned.items():
            for path, sent in list(body.find(name, given)):
                self._check_assigned(name, sent, (*location, *path))
                if len(path) == 1:
                    del given[str(path[0])]
            given = body.offer(name, value, given)
        sealed = self._closed - assigned.keys()
        with self._assigning(body, location):
            checked, sent = _read(body, given, sealed, location, is_new=True)
        row = {**self._names.merge(checked, sent, location), **assigned}
        if not body.is_own:
            self._names.check_complete(row, body, location)
        made = {} if self._declaration.traits.constructor.is_own else self._declaration.factories
        # The program's own `__init__` makes them itself.
        for name in made.keys() - self._names.others(row):
            if name not in row:
                row[name] = made[name]()
        return NewRow(row, (sent - assigned.keys()) & row.keys())

    @contextmanager
    def _assigning(self, body: Body, location: Location) -> Iterator[None]:
        """Blame the program for a value that its policy assigns.

        In a model of the program's own, validators may have found a mistake elsewhere.

        Raises:
            UsageError: The policy assigns a value that its column does not take.
        """
        try:
            yield
        except RefusedError as error:
            for name in () if body.is_own else self._policy.assign:
                place = (*location, *body.places(name)[0])
                if any(tuple(entry["loc"])[: len(place)] == place for entry in error.entries):
                    message = (
                        f"The policy of resource({self._declaration.name}) assigns a value to "
                        f"{name!r} that its column does not take. Check it where the policy is "
                        "made."
                    )
                    raise UsageError(message) from None
            raise

    @contextmanager
    def refusing(self, locations: Sequence[Location], *, is_new: bool) -> Iterator[None]:
        """Turn a refusal of the model's own code into an error with the client's name.

        Args:
            locations: Where the values of each row are in the request.
            is_new: Whether they were read as those of new rows.

        Raises:
            RefusedError: The model refused a value.
        """
        try:
            yield
        except RejectedError as error:
            body = self._schemas.created if is_new else self._schemas.changed
            known = [name for name in error.names if name in body.open]
            place = body.places(known[0])[0] if known else ()
            refusal = refuse((*locations[error.index], *place), error.kind, str(error))
            raise refusal from error

    def read_whole(self, key: Mapping[str, Any], values: Mapping[str, Any]) -> NewRow:
        """Return the checked values of a row whose key is in the path.

        Raises:
            RefusedError: As `read_new`; or the body or the policy sets another key.
        """
        body, known = self._schemas.created, dict(values)
        for name, value in key.items():
            sent = list(body.find(name, values))
            for path, each in sent:
                if not self._is_same(name, each, value):
                    raise refuse(("body", *path), "key", "Must be the key in the path")
            if name in self._closed:
                raise _sealed(("body", *body.places(name)[0]))
            self._check_assigned(name, value, ("body", *body.places(name)[0]))
            known = known if sent else body.offer(name, value, known)
        row = self.read_new(known, ("body",))
        return NewRow({**row.values, **key}, row.sent | key.keys())

    def read_changes(self, values: Mapping[str, Any], location: Location) -> dict[str, Any]:
        """Return the checked changes.

        Raises:
            RefusedError: A value is wrong, unknown or not writable.
        """
        found, _ = _read(self._schemas.changed, values, self._sealed, location, is_new=False)
        return self._names.merge(found, found.keys(), location)

    def replacing(self, row: Mapping[str, Any], connect: Connect | None) -> dict[str, Any]:
        """Return the changes that turn an existing row into this one.

        Args:
            row: The values that are given.
            connect: See `fill_in`.

        Raises:
            LookupError: A default needs the connection.
        """
        names = self._declaration.changeable.keys() - self._sealed - self._names.others(row)
        return fill_in(self._declaration.attributes, names, row, connect)

    def as_given(self, group: Names, row: NewRow) -> Names:
        """Return the attributes of a unique key by those names that a new row has for them."""
        return self._names.as_given(group, row.values)

    def matching(self, row: NewRow, group: Names) -> dict[str, Any]:
        """Return the changes of a row that an upsert found: what was sent, without its key."""
        changed = (row.sent & self._schemas.changed.written) - group
        return {name: value for name, value in row.values.items() if name in changed}

    def stored(self, values: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
        """Return values without those that only a hook uses, and with secrets revealed."""
        spare = self._schemas.created.unstored | self._schemas.changed.unstored
        if is_new:
            spare -= self._declaration.init_only
        kept = {name: value for name, value in values.items() if name not in spare}
        # A Pydantic secret is stored as its value, unless a TypeDecorator takes the secret.
        attributes = self._declaration.attributes
        return {
            name: value
            if name in attributes and _takes_secret(attributes[name])
            else revealed(value)
            for name, value in kept.items()
        }

    def named(
        self, row: Mapping[str, Any], group: Names, connect: Connect | None
    ) -> dict[str, Any]:
        """Return the values of a row in a unique key; None where only the database knows one."""
        found = fill_in(self._declaration.attributes, group, row, connect)
        return {name: found.get(name) for name in sorted(group)}

    def find_unique(self, unique: Sequence[str]) -> Names:
        """Return the attributes of a unique key; clients may leave out what the policy assigns.

        Raises:
            RefusedError: There is no such key, or the caller may not write it.
        """
        assigned = frozenset(self._policy.assign)
        names = self._declaration.names
        seen = {field.attribute for field in self._view.fields.values()}
        writable = seen & self._declaration.accepted.keys()
        known = {
            frozenset(names[name] for name in group - assigned): group
            for group in self._declaration.unique_keys
            if group - assigned <= writable
        }
        found = known.get(frozenset(unique) - {names[name] for name in assigned})
        if found is None:
            groups = [sorted(names[name] for name in each) for each in known.values()]
            listed = " or ".join(map(",".join, groups)) or "none"
            message = f"Must be a unique key: {listed}"
            raise refuse(("query", "on_conflict"), "on_conflict", message)
        return found

    def _is_same(self, name: str, sent: Any, value: Any) -> bool:
        """Tell whether a client sent the value that the path or the policy sets."""
        try:
            read = self._declaration.attributes[name].field.filtered.validate_python(sent)
        except ValidationError:
            return False
        return bool(read == value)

    def _check_assigned(self, name: str, sent: Any, location: Location) -> None:
        assigned = self._policy.assign
        if name in assigned and not self._is_same(name, sent, assigned[name]):
            message = f"{location[-1]} is not yours to choose."
            raise RefusedError("forbidden", message, [entry_of(location, "assigned", message)])


def _read(
    body: Body, values: Mapping[str, Any], sealed: Names, location: Location, *, is_new: bool
) -> tuple[dict[str, Any], Names]:
    """Return the checked values by attribute, and which of them the body has set.

    Raises:
        RefusedError: A value is wrong, or the policy closes its attribute.
    """
    for name in sealed:
        for path, _ in body.find(name, values):
            raise _sealed((*location, *path))
    read = _validated(body.model, values, location)
    if not body.is_own:
        # What is left out gets the column's default.
        checked = _as_read(body, read)
        return checked, frozenset(checked)
    # The defaults of the program's own model are part of a new row.
    dumped = read.model_dump(by_alias=False, exclude_unset=not is_new)
    known = (body.paths.keys() | body.computed) - (read.model_extra or {}).keys()
    fields = {name: value for name, value in dumped.items() if name in known}
    made = read.model_fields_set | body.computed
    # A validator or serializer may have moved a value here from another name.
    for name in sealed & fields.keys():
        if name in made or not (is_new and _is_filled_in(read, name, fields[name])):
            raise _sealed((*location, *body.places(name)[0]))
    named = {name: value for name, value in dumped.items() if name not in known}
    for name in named:
        if body.attributes.get(name) in sealed:
            raise _sealed((*location, name))
    fields |= _read_converted(body, read, fields, location)
    others = _read_others(body, named, location)
    return {**fields, **others}, (made & fields.keys()) | others.keys()


def _is_filled_in(read: BaseModel, name: str, dumped: Any) -> bool:
    """Tell whether a field that was not sent has its default, whatever was sent for others.

    Code that sees other fields could copy what a client has sent there.
    """
    model = type(read)
    info, decorators = model.model_fields[name], model.__pydantic_decorators__
    if _is_rewritten(info, getattr(read, name), dumped):
        return False
    if getattr(read, name) == info.default:
        return True
    is_checked = info.validate_default or model.model_config.get("validate_default")
    if is_checked and (_validators_of(info) or _has_validators(decorators, name)):
        return False
    is_plain = info.default_factory is not None and not info.default_factory_takes_validated_data
    return bool(is_checked and info.default_factory is None) or is_plain


def _is_rewritten(info: FieldInfo, value: Any, dumped: Any) -> bool:
    """Tell whether a serializer of the class, which sees all values, has changed this one."""
    if dumped == value:
        return False
    # The serializers of an annotation see only this value.
    kind: Any = info.annotation
    hint: Any = Annotated[(kind, *info.metadata)] if info.metadata else kind
    plain: TypeAdapter[Any] = TypeAdapter(hint)
    return dumped not in (plain.dump_python(value), plain.dump_python(value, mode="json"))


def _validators_of(info: FieldInfo) -> list[Any]:
    return [each for each in info.metadata if isinstance(each, _VALIDATORS)]


def _has_validators(decorators: Any, name: str) -> bool:
    named = (each.info.fields for each in decorators.field_validators.values())
    return any({name, "*"} & set(fields) for fields in named)


def _read_others(body: Body, values: Mapping[str, Any], location: Location) -> dict[str, Any]:
    """Return the extra values of a model, checked as values of columns."""
    if not values:
        return {}
    return _as_read(body, _validated(body.others, values, location))


def _as_read(body: Body, read: BaseModel) -> dict[str, Any]:
    """Return the values of a generated model by attribute; `model_dump` would convert them."""
    fields = type(read).model_fields
    return {
        body.attributes[str(fields[name].alias)]: getattr(read, name)
        for name in read.model_fields_set
    }


def _read_converted(
    body: Body, read: BaseModel, fields: Mapping[str, Any], location: Location
) -> dict[str, Any]:
    """Return the values of columns that a TypeDecorator's code converts, as it takes them.

    Raises:
        RefusedError: The decorator refuses one.
    """
    found = {}
    for name in body.converted.keys() & fields.keys():
        if fields[name] is None:
            continue
        try:
            found[name] = body.converted[name].written.validate_python(getattr(read, name))
        except ValidationError as error:
            first = error.errors()[0]
            place = (*location, *body.places(name)[0])
            raise refuse(place, first["type"], first["msg"]) from None
    return found


def _sealed(location: Location) -> RefusedError:
    return refuse(location, "extra_forbidden", "Extra inputs are not permitted")


def _takes_secret(attribute: Attribute) -> bool:
    kind = attribute.field.kind
    return kind.is_converted and kind.family == "secret"


def _validated(schema: type[BaseModel], values: Any, location: Location) -> BaseModel:
    if len(values) > _MOST_MEMBERS:
        raise refuse(location, "too_long", f"Must not have more than {_MOST_MEMBERS} members")
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        # Each item of a list may be wrong, so there may be many errors.
        entries = [
            entry_of((*location, *item["loc"]), item["type"], item["msg"])
            for item in found[:_MOST_ERRORS]
        ]
        place = ".".join(str(part) for part in entries[0]["loc"])
        detail = f"{place}: {entries[0]['msg']}"
        raise RefusedError("validation_error", detail, entries) from None
