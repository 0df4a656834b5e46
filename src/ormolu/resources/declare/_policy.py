"""Policies: which rows and columns one request may see and touch, as values and SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    ColumnExpressionArgument,
    Dialect,
    and_,
    false,
    inspect,
    literal,
    true,
)
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.selectable import FromClause, SelectBase

from ormolu.errors import UsageError
from ormolu.query import in_parentheses, nearest
from ormolu.resources.declare._columns import every_name_of
from ormolu.resources.declare._recent import Recent
from ormolu.seams import structure_of
from ormolu.sessions import cached_on_mapper

__all__ = ["EVERYTHING", "Policy", "checked_policy", "kept_apart"]

# A column of booleans is a condition too.
Rows = ColumnExpressionArgument[bool] | bool


class Structure(NamedTuple):
    """What a policy is but for the values in it, and these.

    Attributes:
        key: Equal for policies that differ in values alone.
        values: In the order in which its conditions have them.
    """

    key: Hashable
    values: Sequence[BindParameter[Any]]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What one request may see and touch of a resource; what it does not name is denied.

    `Policy()` sees no row and writes none. The conditions go into every statement: of lists,
    counts, includes, filters over relations and batches too. A row that is not visible is 404,
    one that is visible and not writable is 403, and so is a write that would leave the policy.

    Attributes:
        visible: Rows that exist for this request: an SQL condition, or all or none.
        writable: Rows that it may create, change and delete, before and after; None for those
            that are visible.
        assign: Values that each created row gets; a client that sends another is answered 403.
        hidden: Names of columns that do not exist for this request.
        read_only: Names of columns that it may not write.
        principal: Who asks; tells apart the idempotency keys of different clients. None takes
            all else that is here.
    """

    visible: Rows = False
    writable: Rows | None = None
    assign: Mapping[str, Any] = field(default_factory=dict)
    hidden: AbstractSet[str] = frozenset()
    read_only: AbstractSet[str] = frozenset()
    principal: str | int | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether every row is visible and writable."""
        return self.visible is True and self.writable in {None, True}

    @property
    def seen(self) -> ColumnElement[bool] | None:
        """Return the condition of visible rows, None for all."""
        return None if self.visible is True else as_condition(self.visible)

    @property
    def touched(self) -> ColumnElement[bool] | None:
        """Return the condition of rows that may be written, None for all."""
        if self.is_open:
            return None
        return and_(*map(as_condition, self.conditions))

    @property
    def structure(self) -> Structure | None:
        """Return what it is but for the values in its conditions; None if nobody can tell."""
        compared = self._compared
        if compared is None:
            return None
        # Read each time: a program that keeps a policy may change the sets that it gave to it.
        names = frozenset(self.hidden), frozenset(self.read_only), (*self.assign,)
        return Structure((names, compared.key), compared.values)

    @cached_property
    def _compared(self) -> Structure | None:
        """Return what its conditions are but for the values in them; None if nobody can tell."""
        key: list[Any] = []
        values: list[BindParameter[Any]] = []
        for rows in self.conditions:
            found = None if isinstance(rows, bool) else structure_of(rows)
            if found is None and not isinstance(rows, bool):
                return None
            key.append(rows if found is None else found[0])
            values += () if found is None else found[1]
        return Structure(tuple(key), values)

    @cached_property
    def conditions(self) -> tuple[ColumnElement[bool] | bool, ...]:
        """Return which rows are visible; and which of them writable, if that is not the same."""
        if self.writable is None or self.writable is self.visible:
            return (condition_of(self.visible),)
        return condition_of(self.visible), condition_of(self.writable)

    def identity(self, dialect: Dialect, mapper: Mapper[Any]) -> str:
        """Return a digest that two requests share if their policies allow the same."""
        if self.principal is not None:
            return hashlib.sha256(_exact(self.principal).encode()).hexdigest()[:32]
        parts = [repr(sorted(names)) for names in (self.assign, self.hidden, self.read_only)]
        columns = mapper.columns
        assigned = [
            value
            if isinstance(value, ClauseElement)
            else literal(value, columns[name].type if name in columns else None)
            for name, value in sorted(self.assign.items(), key=lambda item: item[0])
        ]
        for each in (self.seen, self.touched, *assigned):
            parts += [] if each is None else _sent(each, dialect)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _sent(expression: Any, dialect: Dialect) -> Iterator[str]:
    """Yield the text of an expression, and its values as the driver gets them.

    A value of the program's own may not tell what it is: it hides a secret, say.
    """
    compiled = expression.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    yield str(compiled)
    for bind, name in sorted(compiled.bind_names.items(), key=lambda item: item[1]):
        write = bind.type.dialect_impl(dialect).bind_processor(dialect)
        values = bind.effective_value if bind.expanding else [bind.effective_value]
        yield name
        yield from (_exact(value if write is None else write(value)) for value in values or ())


def _exact(value: Any) -> str:
    """Return a value as text, past what a class of the program's own shows of it."""
    for kind in (str, bytes, int, float):
        if isinstance(value, kind):
            return kind.__repr__(value)
    return repr(value)


def condition_of(rows: Rows) -> ColumnElement[bool] | bool:
    """Return which rows are meant: an SQL condition, or all or none."""
    return rows if isinstance(rows, (ColumnElement, bool)) else and_(rows)


def as_condition(rows: Rows) -> ColumnElement[bool]:
    """Return which rows are meant as an SQL condition."""
    if isinstance(rows, bool):
        return true() if rows else false()
    return and_(rows)


def checked_policy(found: Any, model: type[Any]) -> Policy:
    """Return what a policy's dependency returned.

    Raises:
        UsageError: It is no policy, or names what the model does not have.
    """
    if not isinstance(found, Policy):
        message = (
            f"The policy of resource({model.__name__}) must return a Policy, not "
            f"{type(found).__name__}. For everything write Policy(visible=True)."
        )
        raise UsageError(message)
    mapper = inspect(model)
    structure, right_ones = found.structure, cached_on_mapper(mapper, _right_ones_of, mapper)
    if structure is not None and right_ones.get(structure.key) is not None:
        return found
    checked = _checked(found, model)
    if structure is not None and checked is found:
        right_ones.put(structure.key, True)
    return checked


def _right_ones_of(_mapper: Mapper[Any]) -> Recent[bool]:
    """Return the structures of policies of a class in which nothing is wrong."""
    return Recent(_STRUCTURES)


# A program has a few: one for each role, say.
_STRUCTURES = 100


def _checked(found: Policy, model: type[Any]) -> Policy:
    _check_tables(found, inspect(model))
    known = inspect(model).all_orm_descriptors.keys()
    for name in (*found.hidden, *found.read_only, *found.assign):
        # A name that is only nearly right would hide nothing, and nobody would see it.
        if name not in known:
            message = (
                f"The policy of resource({model.__name__}) names {name!r}, which "
                f"{model.__name__} does not have{nearest(name, map(str, known))}."
            )
            raise UsageError(message)
    return _of_columns(found, inspect(model))


def kept_apart(policy: Policy, place: int) -> Policy:
    """Return a policy whose conditions stand beside any others, and mean the same there.

    Two parameters of one name are one to SQLAlchemy: in a statement of two policies both would have
    the value of the last, and an UPDATE takes one that is called like a column for its new value.
    And it writes text as it is: an OR in it would reach as far as the statement does.

    Args:
        policy: A policy, checked.
        place: Of it among those of a request.
    """
    visible = _apart(policy.visible, f"policy_{place}_visible")
    if policy.writable is policy.visible:
        writable = visible
    else:
        writable = _apart(policy.writable, f"policy_{place}_writable")
    if visible is policy.visible and writable is policy.writable:
        return policy
    return replace(policy, visible=visible, writable=writable)


def _apart(rows: Any, prefix: str) -> Any:
    if rows is None or isinstance(rows, bool):
        return rows
    rows = as_condition(rows)

    def rename(bind: BindParameter[Any]) -> None:
        if _has_name(bind):
            bind.key = f"{prefix}_{bind.key}"

    if any(map(_has_name, visitors.iterate(rows))):
        rows = visitors.cloned_traverse(rows, {}, {"bindparam": rename})
    return in_parentheses(rows)


def _has_name(part: Any) -> bool:
    return isinstance(part, BindParameter) and not part.unique


def _of_columns(policy: Policy, mapper: Mapper[Any]) -> Policy:
    """Return a policy that closes a column by whatever name it has."""
    assigned = every_name_of(mapper, policy.assign) - policy.assign.keys()
    hidden = every_name_of(mapper, policy.hidden)
    read_only = every_name_of(mapper, policy.read_only) | assigned
    if hidden == policy.hidden and read_only == policy.read_only:
        return policy
    return replace(policy, hidden=hidden, read_only=read_only)


def _check_tables(policy: Policy, mapper: Mapper[Any]) -> None:
    """Check that a condition is on the rows of the model: of others it would make a product.

    Raises:
        UsageError: It names columns of another table.
    """
    condition = policy.touched
    known = cached_on_mapper(mapper, _tables_of, mapper)
    for column in [] if condition is None else _columns_of(condition):
        if column.table is not None and column.table not in known:
            name = mapper.class_.__name__
            message = (
                f"The policy of resource({name}) compares {column}, and {column.table} is no "
                f"table of {name}. Write that as exists(), any() or has()."
            )
            raise UsageError(message)


def _tables_of(mapper: Mapper[Any]) -> frozenset[Any]:
    joined = [part for part in visitors.iterate(mapper.selectable) if isinstance(part, FromClause)]
    return frozenset([*mapper.tables, *joined])


def _columns_of(condition: ColumnElement[bool]) -> Iterator[ColumnClause[Any]]:
    """Yield the columns of a condition, but for those in subqueries."""
    waiting: list[Any] = [condition]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ColumnClause):
            yield part
        elif not isinstance(part, SelectBase):
            waiting += part.get_children()


# What a resource without a policy allows, and Python code that names none.
EVERYTHING: Policy = Policy(visible=True)
