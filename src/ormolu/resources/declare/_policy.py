"""Policies: which rows and columns one request may see and touch, as values and SQL."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import Grouping

from ormolu.backends import ExactText, exact_text, step_by_step
from ormolu.errors import UsageError
from ormolu.query import in_parentheses, nearest
from ormolu.resources.declare._columns import every_name_of
from ormolu.resources.declare._lru import LRUCache
from ormolu.resources.declare._policy_parameters import (
    is_sent_otherwise,
    named_alike,
    send_exactly,
)
from ormolu.resources.declare._policy_tables import columns_of_others
from ormolu.resources.declare._policy_types import (
    Comparison,
    comparisons_in,
    is_taken,
    mismatches_in,
    remedy_for,
)
from ormolu.seams import structure_of
from ormolu.sessions import cached_on_mapper

__all__ = ["EVERYTHING", "Policy", "checked_policy", "isolate_policy"]

_log = logging.getLogger("ormolu")

# A condition may be a column of booleans, too.
Rows = sa.ColumnExpressionArgument[bool] | bool


class Structure(NamedTuple):
    """A policy without its values, and the values.

    Attributes:
        key: Equal for policies that differ only in their values.
        values: The values, in the order of the conditions.
    """

    key: Hashable
    values: Sequence[sa.BindParameter[Any]]


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
    def seen(self) -> sa.ColumnElement[bool] | None:
        """Return the condition of visible rows, None for all."""
        return None if self.visible is True else as_condition(self.visible)

    @property
    def touched(self) -> sa.ColumnElement[bool] | None:
        """Return the condition of rows that may be written, None for all."""
        if self.is_open:
            return None
        return sa.and_(*map(as_condition, self.conditions))

    @property
    def writes_nothing(self) -> bool:
        """Tell whether no row may be written, whatever is in it."""
        return any(rows is False or _is_never(rows) for rows in self.conditions)

    @property
    def structure(self) -> Structure | None:
        """Return the policy and its values apart; None if its SQL has no cache key."""
        conditions = self._conditions_structure
        if conditions is None:
            return None
        # Read each time: the program may change the sets that it has passed.
        names = frozenset(self.hidden), frozenset(self.read_only), (*self.assign,)
        return Structure((names, conditions.key), conditions.values)

    @cached_property
    def _conditions_structure(self) -> Structure | None:
        key: list[Any] = []
        values: list[sa.BindParameter[Any]] = []
        for rows in self.conditions:
            found = None if isinstance(rows, bool) else structure_of(rows)
            if found is None and not isinstance(rows, bool):
                return None
            key.append(rows if found is None else found[0])
            values += () if found is None else found[1]
        return Structure(tuple(key), values)

    @cached_property
    def conditions(self) -> tuple[sa.ColumnElement[bool] | bool, ...]:
        """Return the condition of visible rows, and that of writable ones if it is another."""
        if self.writable is None or self.writable is self.visible:
            return (condition_of(self.visible),)
        return condition_of(self.visible), condition_of(self.writable)

    def identity(self, dialect: sa.Dialect, mapper: Mapper[Any]) -> str:
        """Return a digest that is the same for two requests whose policies allow the same."""
        if self.principal is not None:
            return hashlib.sha256(_exact(self.principal).encode()).hexdigest()[:32]
        parts = [repr(sorted(names)) for names in (self.assign, self.hidden, self.read_only)]
        columns = mapper.columns
        assigned = [
            value
            if isinstance(value, sa.ClauseElement)
            else sa.literal(value, columns[name].type if name in columns else None)
            for name, value in sorted(self.assign.items(), key=lambda item: item[0])
        ]
        for each in (self.seen, self.touched, *assigned):
            parts += [] if each is None else _sent(each, dialect)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _sent(expression: Any, dialect: sa.Dialect) -> Iterator[str]:
    """Yield the text of an expression, and its values as the driver gets them.

    The repr of a value may not tell it: the program's class may mask a secret, say.
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
    """Return a value as text, whatever the repr of a subclass shows."""
    kinds: tuple[Any, ...] = (str, bytes, int, float)
    kind = next((each for each in kinds if isinstance(value, each)), None)
    text: str = repr(value) if kind is None else kind.__repr__(value)
    return text


def condition_of(rows: Rows) -> sa.ColumnElement[bool] | bool:
    """Return the SQL condition of some rows; True for all, False for none."""
    return rows if isinstance(rows, (sa.ColumnElement, bool)) else sa.and_(rows)


def as_condition(rows: Rows) -> sa.ColumnElement[bool]:
    """Return the SQL condition of some rows, also of all or none."""
    if isinstance(rows, bool):
        return sa.true() if rows else sa.false()
    return sa.and_(rows)


def _is_never(rows: Any) -> bool:
    """Tell whether a condition holds of no row at all: false(), or `in_` of an empty list."""
    if isinstance(rows, sa.False_):
        return True
    if isinstance(rows, sa.TypeCoerce):
        return _is_never(rows.typed_expression)
    if isinstance(rows, ExactText):
        return _is_never(rows.condition)
    if isinstance(rows, Grouping) or (
        isinstance(rows, sa.UnaryExpression) and rows.operator is operators.is_true
    ):
        return _is_never(rows.element)
    if isinstance(rows, sa.BooleanClauseList):
        parts = map(_is_never, rows.clauses)
        return any(parts) if rows.operator is operators.and_ else all(parts)
    is_list = isinstance(rows, sa.BinaryExpression) and rows.operator is operators.in_op
    among = rows.right if is_list else None
    return isinstance(among, sa.BindParameter) and among.effective_value == []


def checked_policy(found: Any, model: type[Any]) -> Policy:
    """Return the result of a policy's dependency, checked, and with every name of its columns.

    Raises:
        UsageError: It is no policy, or names what the model does not have.
    """
    if not isinstance(found, Policy):
        message = (
            f"The policy of resource({model.__name__}) must return a Policy, not "
            f"{type(found).__name__}. For everything write Policy(visible=True)."
        )
        raise UsageError(message)
    mapper = sa.inspect(model)
    structure, correct = found.structure, cached_on_mapper(mapper, _correct_structures, mapper)
    compared = None if structure is None else correct.get(structure.key)
    if structure is not None and compared is not None:
        for places, comparison in compared:
            _check_values([structure.values[place] for place in places], comparison, model)
        return found
    checked = _checked(found, model)
    if structure is not None and checked is found:
        numbers = {id(bind): place for place, bind in enumerate(structure.values)}
        known = [([numbers.get(id(bind)) for bind in binds], each)
                 for binds, each in _comparisons(found)]  # fmt: skip
        if not any(None in places for places, _ in known):
            correct.put(structure.key, known)
    return checked


def _correct_structures(_mapper: Mapper[Any]) -> LRUCache[Any]:
    """Return the cache of the structures of a class's policies in which nothing is wrong.

    With each are the places of the values that are compared, and what with.
    """
    return LRUCache(_STRUCTURES)


def _comparisons(
    policy: Policy,
) -> Iterator[tuple[Sequence[sa.BindParameter[Any]], Comparison | None]]:
    """Yield parameters with what they are compared with; those of one name with None."""
    for rows in policy.conditions:
        if not isinstance(rows, bool):
            yield from (([bind], each) for bind, each in comparisons_in(rows))
            yield from ((binds, None) for binds in named_alike(rows))


def _check_values(
    binds: Sequence[sa.BindParameter[Any]], comparison: Comparison | None, model: type[Any]
) -> None:
    """Check that text is compared with text, and that parameters of one name have one value.

    Raises:
        UsageError: It is not so.
    """
    first = binds[0].effective_value
    if comparison is None:
        is_right = all(bind.effective_value == first for bind in binds)
        told = f"has two values for the parameter {binds[0].key!r}. Give each a name of its own."
    else:
        is_right = is_taken(binds[0], comparison)
        told = f"{comparison.words}. {remedy_for(comparison)}"
    if not is_right:
        _refuse(f"The policy of resource({model.__name__}) {told}")


def _refuse(message: str) -> NoReturn:
    _log.error("%s", message)
    raise UsageError(message)


# A program has few: one for each role, say.
_STRUCTURES = 100


def _checked(found: Policy, model: type[Any]) -> Policy:
    name = f"The policy of resource({model.__name__})"
    mapper = sa.inspect(model)
    for told in () if found.touched is None else columns_of_others(found.touched, mapper):
        _refuse(f"{name} {told}")
    # Columns are compared with others of their sort, no text is a truth, and none names a member.
    conditions = [rows for rows in found.conditions if not isinstance(rows, bool)]
    for told in (each for rows in conditions for each in mismatches_in(rows)):
        _refuse(f"{name} {told}")
    for binds, comparison in _comparisons(found):
        _check_values(binds, comparison, model)
    known = mapper.all_orm_descriptors.keys()
    for each in (*found.hidden, *found.read_only, *found.assign):
        # A misspelled name would hide nothing, and nobody would notice.
        if each not in known:
            message = (
                f"{name} names {each!r}, which {model.__name__} does not have"
                f"{nearest(each, map(str, known))}."
            )
            raise UsageError(message)
    return _with_every_name(found, mapper)


def isolate_policy(policy: Policy, place: int) -> Policy:
    """Return a policy whose conditions can be used in one statement with any others.

    To SQLAlchemy two parameters of one name are one: both would get the value of the last, and an
    UPDATE would store one that has the name of a column. Text is written as it is: an OR in it
    would reach as far as the statement does. Values that are called for are those of this moment.
    Texts compare exactly, in whatever case the database would find others.

    Args:
        policy: A checked policy.
        place: Its number among the policies of a request.
    """
    visible = _isolate(policy.visible, f"policy_{place}_visible")
    if policy.writable is policy.visible:
        writable = visible
    else:
        writable = _isolate(policy.writable, f"policy_{place}_writable")
    if visible is policy.visible and writable is policy.writable:
        return policy
    return replace(policy, visible=visible, writable=writable)


def _isolate(rows: Any, prefix: str) -> Any:
    if rows is None or isinstance(rows, bool):
        return rows
    rows = as_condition(rows)

    def isolate(bind: sa.BindParameter[Any]) -> None:
        if not bind.unique:
            bind.key = f"{prefix}_{bind.key}"
        # SQLAlchemy sends NULL if the kept statement has a plain value in the place of a callable.
        send_exactly(bind)

    def nest(cte: sa.CTE) -> None:
        # MariaDB takes no WITH before an UPDATE or DELETE.
        cte.nesting = True

    if any(map(_is_shared, visitors.iterate(rows))):
        rows = visitors.cloned_traverse(rows, {}, {"bindparam": isolate, "cte": nest})
    return exact_text(in_parentheses(step_by_step(rows)))


def _is_shared(part: Any) -> bool:
    if isinstance(part, sa.BindParameter):
        return not part.unique or part.callable is not None or is_sent_otherwise(part)
    return isinstance(part, sa.CTE)


def _with_every_name(policy: Policy, mapper: Mapper[Any]) -> Policy:
    """Return a policy that closes each column under all of its names."""
    assigned = every_name_of(mapper, policy.assign) - policy.assign.keys()
    hidden = every_name_of(mapper, policy.hidden)
    read_only = every_name_of(mapper, policy.read_only) | assigned
    if hidden == policy.hidden and read_only == policy.read_only:
        return policy
    return replace(policy, hidden=hidden, read_only=read_only)


# The policy of a resource that has none, and of Python calls that pass none.
EVERYTHING: Policy = Policy(visible=True)
