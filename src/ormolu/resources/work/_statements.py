"""The statements that write and read single rows, within one policy. Sends nothing.

The conditions of the policy and the version are in the statement itself, so nothing can change
between the check and the write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ormolu.backends import backend_of
from ormolu.query import (
    Field,
    Part,
    Selection,
    View,
    as_shown,
    equals,
    is_json,
    is_one_of,
    prepare,
    stored_type,
)
from ormolu.resources.declare import Declaration, Policy
from ormolu.resources.work._parameter_names import Clause, name_apart
from ormolu.resources.work._returning import as_returned, can_return

__all__ = ["ANY_VERSION", "Key", "Statements", "Versions", "read_statement"]

Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What a write expects of the row that it finds.

    Attributes:
        among: Versions of which it must have one; None for any.
        besides: Versions that it must not have.
        is_there: Whether there must be a row.
        is_absent: Whether there must be none.
    """

    among: Sequence[Any] | None = None
    besides: Sequence[Any] = ()
    is_there: bool = False
    is_absent: bool = False

    @property
    def need_a_row(self) -> bool:
        """Tell whether they require that there is a row."""
        return self.is_there or self.among is not None


ANY_VERSION = Versions()


def read_statement(
    declaration: Declaration, view: View, is_row: sa.ColumnElement[bool], selection: Selection
) -> tuple[sa.Select[Any], Part]:
    """Return the statement that reads a row; its first column is the version, if there is one."""
    model, version = view.model, declaration.traits.version
    columns: list[Any] = [as_shown(getattr(model, version)).label("version")] if version else []
    statement: Any = sa.select(*columns).select_from(model).where(*view.conditions(is_row))
    return prepare(statement, selection, model)


class Statements:
    """Makes the statements that write rows of one model for one caller.

    Attributes:
        fields: What is read of a written row, in order: the fields of its answer, then those that
            only hooks see.
    """

    def __init__(
        self,
        dialect: sa.Dialect,
        declaration: Declaration,
        view: View,
        policy: Policy,
        *,
        has_hooks: bool = False,
    ) -> None:
        self.fields = list(Selection(view, view.members).fields)
        if has_hooks:
            self.fields += _hook_fields(declaration, view, policy)
        self._dialect = dialect
        self._declaration = declaration
        self._model = declaration.model
        self._view = view
        self._policy = policy
        self._version = declaration.traits.version

    def insert(self, values: Mapping[str, Any]) -> sa.Insert:
        """Return the INSERT of one row."""
        return sa.insert(self._model).values(self.stored(values, is_new=True))

    def update(self, key: Key, stored: Mapping[str, Any], versions: Versions) -> sa.Update:
        """Return the UPDATE of one row."""
        found = self.name_apart(self.target(key, versions), "where")
        statement = sa.update(self._model).where(*found).values(stored)
        return statement.execution_options(synchronize_session=False)

    def delete(self, key: Key, versions: Versions) -> sa.Delete:
        """Return the DELETE of one row."""
        statement = sa.delete(self._model).where(*self.target(key, versions))
        return statement.execution_options(synchronize_session=False)

    def row(self, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """Return the SELECT of rows as they are read after a write."""
        # Without select_from a column of a base class's table would be selected from that alone.
        statement: Any = sa.select(*self.returned()).select_from(self._model)
        return statement.where(*conditions)  # type: ignore[no-any-return]

    def rows(self, keys: Sequence[Key]) -> sa.Select[Any]:
        """Return the SELECT of the rows with these keys."""
        columns = self.key_columns()
        if len(columns) == 1:
            return self.row(columns[0].in_([key[0] for key in keys]))
        return self.row(sa.tuple_(*columns).in_(keys))

    def target(self, key: Key, versions: Versions) -> list[sa.ColumnElement[bool]]:
        """Return the conditions of a row that may be written."""
        conditions = [self.is_key(key)]
        touched = self._policy.touched
        if touched is not None:
            conditions.append(touched)
        return [*conditions, *self._version_conditions(versions)]

    def _version_conditions(self, versions: Versions) -> list[sa.ColumnElement[bool]]:
        """Return the conditions that a row has a version that a write expects."""
        conditions: list[sa.ColumnElement[bool]] = [sa.false()] if versions.is_absent else []
        if self._version is None:
            return conditions
        column = self._declaration.attributes[self._version].field.on(self._model)
        if versions.among is not None and len(versions.among) == 1:
            conditions.append(equals(column, versions.among[0], self._dialect))
        elif versions.among is not None:
            conditions.append(is_one_of(column, list(versions.among), self._dialect))
        if versions.besides:
            is_known = is_one_of(column, list(versions.besides), self._dialect)
            conditions.append(sa.or_(column.is_(None), ~is_known))
        return conditions

    def is_key(self, key: Key) -> sa.ColumnElement[bool]:
        """Return the condition that a row has this key."""
        return self._view.is_row(key, self._dialect)

    def key_columns(self) -> list[Any]:
        """Return the columns of the key."""
        return [key.on(self._model) for key in self._view.keys]

    def keys(self) -> list[Any]:
        """Return the columns of the key as they are shown, also in a path."""
        return [as_shown(column) for column in self.key_columns()]

    def allowed(self) -> sa.ColumnElement[Any]:
        """Return 1 for a row that may be written, else 0."""
        touched = self._policy.touched
        if touched is None:
            return sa.literal_column("1")
        return sa.case((sa.and_(sa.true(), touched), 1), else_=0)

    def allowed_or_error(self) -> sa.ColumnElement[Any]:
        """Return 1 for a row that may be written, for a lane.

        For any other row PostgreSQL fails, since a batch is committed with its last statement. On
        SQLite it is 0, and the lane takes the row back.
        """
        allowed = self.allowed()
        is_checked = backend_of(self._dialect).checks_rows_of_a_batch
        return sa.literal_column("1") // allowed if is_checked else allowed

    def shown(self) -> list[Any]:
        """Return the values of the fields."""
        return [
            as_shown(field.on(self._model)).label(f"v{place}")
            for place, field in enumerate(self.fields)
        ]

    def returned(self) -> list[Any]:
        """Return the columns that are read of a written row."""
        columns = self.shown()
        columns += [column.label(f"k{index}") for index, column in enumerate(self.keys())]
        columns.append(self.allowed().label("allowed"))
        if self._version is not None:
            columns.append(as_shown(getattr(self._model, self._version)).label("version"))
        return columns

    def can_return(self, *, is_insert: bool) -> bool:
        """Tell whether the statement itself can return the row."""
        can = self._dialect.insert_returning if is_insert else self._dialect.update_returning
        return can and can_return(self.returned(), self._dialect)

    def returning(self, columns: Sequence[Any]) -> list[Any]:
        """Return columns in the form that is right in RETURNING."""
        mapper = self._declaration.mapper
        right = [as_returned(column, mapper, self._dialect) for column in columns]
        return self.name_apart(right, "returning")

    def name_apart(self, parts: Iterable[Any], clause: Clause) -> list[Any]:
        """Return parts of a write whose parameters have other names than those of its values."""
        return name_apart(parts, self._declaration.mapper, clause)

    def stored(self, values: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
        """Return the values of a statement, with the next version of the row."""
        stored = {name: self.sql_value(name, value) for name, value in values.items()}
        if self._version is not None and (is_new or stored):
            following = getattr(self._model, self._version) + 1
            stored[self._version] = 1 if is_new else self.name_apart([following], "set")[0]
        return stored

    def is_json(self, name: str) -> bool:
        """Tell whether the backend stores an attribute as JSON, which has its own null."""
        return is_json(stored_type(self._declaration.attributes[name].field.type, self._dialect))

    def sql_value(self, name: str, value: Any) -> Any:
        """Return NULL for None in a JSON column too, where SQLAlchemy would store JSON's null."""
        return sa.null() if value is None and self.is_json(name) else value


def _hook_fields(declaration: Declaration, view: View, policy: Policy) -> list[Field]:
    """Return the fields that hooks see of a row, and its answer does not have."""
    known = {field.attribute for field in Selection(view, view.members).fields}
    closed = {*declaration.concealed, *policy.hidden, *known}
    return [each.field for name, each in declaration.attributes.items() if name not in closed]
