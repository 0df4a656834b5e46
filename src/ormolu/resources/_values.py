"""What a client sends for a row, checked by the schemas and the policy. Sends no statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import literal_column

from ormolu.errors import RefusedError
from ormolu.query import Location, View, entry_of, refuse
from ormolu.resources._columns import Attribute
from ormolu.resources._declaration import Declaration, Names
from ormolu.resources._exposures import Exposure
from ormolu.resources._policy import Policy

__all__ = ["Values"]


class Values:
    """Reads the bodies of one request."""

    def __init__(self, view: View, exposure: Exposure, policy: Policy) -> None:
        self._view = view
        self._declaration: Declaration = exposure.declaration
        self._schemas = exposure.schemas
        self._policy = policy
        self._sealed = {*policy.read_only, *policy.hidden, *policy.assign}

    def read_new(self, values: Mapping[str, Any], location: Location) -> dict[str, Any]:
        """Return the checked values of a new row, those that the policy assigns among them.

        Raises:
            RefusedError: A value is wrong, unknown, not writable or missing.
        """
        assigned, called = self._policy.assign, self._schemas.created
        settled = {called.get(name, name): name for name in assigned}
        for name in settled.keys() & values.keys():
            if not self._is_same(settled[name], values[name], assigned[settled[name]]):
                message = f"{name} is not yours to choose."
                raise RefusedError(
                    "forbidden", message, [entry_of((*location, name), "assigned", message)]
                )
        offered = {called[name]: value for name, value in assigned.items() if name in called}
        own = {name: each for name, each in values.items() if name not in settled}
        self._check_sealed(own, called, location)
        is_own = self._declaration.create_model is not None
        # What a model of the program's own fills in counts; ours leaves it to the columns.
        checked = _validated(self._schemas.create, {**own, **offered}, location).model_dump(
            by_alias=not is_own, exclude_unset=not is_own
        )
        return {**checked, **assigned}

    def read_whole(self, place: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the checked values of a row that is put where its key says.

        Raises:
            RefusedError: As `read_new`; or the body has another key.
        """
        called = self._schemas.created
        for name, value in place.items():
            sent = called.get(name, name)
            if sent in values and not self._is_same(name, values[sent], value):
                raise refuse(("body", sent), "key", "Must be the key in the path")
        known = {called[name]: part for name, part in place.items() if name in called}
        return {**self.read_new({**values, **known}, ("body",)), **place}

    def read_changes(self, values: Mapping[str, Any], location: Location) -> dict[str, Any]:
        """Return the checked changes.

        Raises:
            RefusedError: A value is wrong, unknown or not writable.
        """
        self._check_sealed(values, self._schemas.changed, location)
        is_own = self._declaration.update_model is not None
        return _validated(self._schemas.update, values, location).model_dump(
            by_alias=not is_own, exclude_unset=True
        )

    def replacing(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes that make another row of one that is there."""
        open_columns = self._declaration.changeable.items()
        return {
            name: row.get(name, _default(attribute))
            for name, attribute in open_columns
            if name not in self._sealed
        }

    def matching(
        self, row: Mapping[str, Any], group: Names, sent: Collection[str]
    ) -> dict[str, Any]:
        """Return the changes of a row that an upsert found: what was sent, but for its keys."""
        called, changeable = self._schemas.created, self._declaration.changeable
        kept = {*group, *self._policy.assign}
        return {
            name: value
            for name, value in row.items()
            if called.get(name, name) in sent and name in changeable and name not in kept
        }

    def named(self, row: Mapping[str, Any], group: Names) -> dict[str, Any]:
        """Return what a row has in the fields of a unique key."""
        attributes = self._declaration.attributes
        return {
            name: row[name] if name in row else _default(attributes[name])
            for name in sorted(group)
        }  # fmt: skip

    def find_unique(self, unique: Sequence[str]) -> Names:
        """Return the fields of the unique key that is meant; the policy's own may be left out.

        Raises:
            RefusedError: There is none, or it is not to be written.
        """
        assigned = frozenset(self._policy.assign)
        known = {}
        for group in self._declaration.unique_keys:
            chosen = group - assigned
            if all(name in self._declaration.accepted and name in self._view.fields
                   for name in chosen):  # fmt: skip
                known[chosen] = group
        found = known.get(frozenset(unique) - assigned)
        if found is None:
            listed = " or ".join(",".join(sorted(group)) for group in known.values()) or "none"
            message = f"Must be a unique key: {listed}"
            raise refuse(("query", "on_conflict"), "on_conflict", message)
        return found

    def _is_same(self, name: str, sent: Any, value: Any) -> bool:
        """Tell whether a client sent the value that is settled already."""
        try:
            read = self._declaration.attributes[name].field.filtered.validate_python(sent)
        except ValidationError:
            return False
        return bool(read == value)

    def _check_sealed(
        self, values: Mapping[str, Any], called: Mapping[str, str], location: Location
    ) -> None:
        sealed = {called.get(name, name) for name in self._sealed}
        for name in values:
            if name in sealed:
                raise refuse((*location, name), "extra_forbidden", "Extra inputs are not permitted")


def _default(attribute: Attribute) -> Any:
    """Return what a column gets that is left out: a value, or SQL for one."""
    column = attribute.column
    assert column is not None
    default: Any = column.default
    if default is not None:
        return default.arg(None) if default.is_callable else default.arg
    server: Any = column.server_default
    if server is None:
        return None
    text = str(server.arg).replace("'", "''")
    return literal_column(f"'{text}'") if isinstance(server.arg, str) else server.arg


def _validated(schema: type[BaseModel], values: Any, location: Location) -> BaseModel:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        entries = [
            entry_of((*location, *item["loc"]), item["type"], item["msg"])
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        place = ".".join(str(part) for part in entries[0]["loc"])
        detail = f"{place}: {entries[0]['msg']}"
        raise RefusedError("validation_error", detail, entries) from None
