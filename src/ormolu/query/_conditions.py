"""Conditions: the meaning of a filter, as a value and in SQL. Knows no HTTP.

They are two-valued, unlike SQL: a comparison with NULL is false, and `not` of it is true. A path
over a relation is an EXISTS, so it never multiplies or drops rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic_core import to_jsonable_python
from sqlalchemy.orm import aliased
from sqlalchemy.types import NullType

from ormolu.backends import backend_of
from ormolu.query._kinds import PATTERNS
from ormolu.query._shown import plain_value
from ormolu.query._text import bounds, equals, is_one_of, literal, matches, ordered
from ormolu.query._unique_keys import leads_down
from ormolu.query._unlimited import unlimited
from ormolu.query._views import Field, Relation, View, refuse

__all__ = [
    "AllOf", "AnyOf", "Condition", "Not", "Quantifier", "Related", "Term", "compile_condition",
    "describe", "reads_relations", "spreads_of", "views_in",
]  # fmt: skip

Quantifier = Literal["any", "none", "every"]

# Classes whose repr tells the whole value.
_PLAIN = frozenset(
    {bool, bytes, date, datetime, Decimal, float, int, str, time, timedelta, type(None), UUID}
)


@dataclass(frozen=True)
class Term:
    """One comparison of a field with a value."""

    field: Field
    operator: str
    value: Any


@dataclass(frozen=True)
class AllOf:
    """All of these conditions hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of these conditions holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """This condition does not hold."""

    part: Condition


@dataclass(frozen=True)
class Related:
    """A condition on the rows that a relation leads to."""

    relation: Relation
    target: View
    quantifier: Quantifier
    part: Condition


Condition = Term | AllOf | AnyOf | Not | Related


def reads_relations(condition: Condition | None) -> bool:
    """Tell whether a condition depends on rows of other models."""
    match condition:
        case Related():
            return True
        case AllOf(parts) | AnyOf(parts):
            return any(reads_relations(part) for part in parts)
        case Not(part):
            return reads_relations(part)
        case _:
            return False


def compile_condition(
    condition: Condition, entity: Any, dialect: sa.Dialect, *, is_negated: bool = False
) -> sa.ColumnElement[bool]:
    """Return the condition in SQL, on a mapped class or an alias of it.

    A negation is passed down to the terms, which handle NULL.
    """

    def inner(part: Condition, *, flip: bool = False) -> sa.ColumnElement[bool]:
        return compile_condition(part, entity, dialect, is_negated=is_negated != flip)

    match condition:
        case Term():
            return _compile_term(condition, entity, dialect, is_negated=is_negated)
        case Not(part):
            return inner(part, flip=True)
        case AllOf(parts):
            listed = [inner(part) for part in parts]
            return sa.or_(sa.false(), *listed) if is_negated else sa.and_(sa.true(), *listed)
        case AnyOf(parts):
            listed = [inner(part) for part in parts]
            return sa.and_(sa.true(), *listed) if is_negated else sa.or_(sa.false(), *listed)
        case _:
            return _compile_related(condition, entity, dialect, is_negated=is_negated)


def views_in(condition: Condition | None) -> Iterator[View]:
    """Yield what a condition sees of the models that it leads to."""
    match condition:
        case None | Term():
            return
        case Not(part):
            yield from views_in(part)
        case AllOf(parts) | AnyOf(parts):
            for each in parts:
                yield from views_in(each)
        case _:
            yield condition.target
            yield from views_in(condition.part)


def spreads_of(
    condition: Condition, model: type[Any], *, is_tree: bool = True, behind: int = 0
) -> Iterator[int]:
    """Yield the spread of each relation in a condition that leads to rows that others share.

    The spread is how many such relations there are up to it, one behind the other. Each multiplies
    the rows that are looked at. Down a tree, from a row to what is its own alone, no row is looked
    at twice.
    """
    match condition:
        case Term():
            return
        case Not(part):
            yield from spreads_of(part, model, is_tree=is_tree, behind=behind)
        case AllOf(parts) | AnyOf(parts):
            for each in parts:
                yield from spreads_of(each, model, is_tree=is_tree, behind=behind)
        case _:
            relation = condition.relation
            is_down = is_tree and leads_down(relation.on(model).property)
            if not (is_down or relation.is_joined):
                behind += 1
                yield behind
            part, target = condition.part, condition.target.model
            yield from spreads_of(part, target, is_tree=is_down, behind=behind)


def _compile_related(
    related: Related, entity: Any, dialect: sa.Dialect, *, is_negated: bool
) -> sa.ColumnElement[bool]:
    alias = aliased(related.target.model)
    is_every = related.quantifier == "every"
    part = compile_condition(related.part, alias, dialect, is_negated=is_every)
    seen = related.target.visible_on(alias)
    link = related.relation.on(entity).of_type(alias)
    # any() and has() would put the discriminator of a subclass into another FROM: a cross product.
    others: Any = sa.select(sa.literal_column("1")).select_from(alias).where(link, part)
    if seen is not None:
        others = others.where(seen)
    found: sa.ColumnElement[bool] = others.correlate(entity).exists()
    is_absence = related.quantifier in {"none", "every"}
    return sa.not_(found) if is_absence != is_negated else found


def _compile_term(
    term: Term, entity: Any, dialect: sa.Dialect, *, is_negated: bool
) -> sa.ColumnElement[bool]:
    expression = term.field.on(entity)
    operator, value = term.operator, term.value
    if operator in {"ne", "not_in"}:
        operator, is_negated = {"ne": "eq", "not_in": "in"}[operator], not is_negated
    if operator == "isnull" or value is None:
        is_null = value is None or value
        # NullType, since a type of one backend may have no operators.
        found: sa.ColumnElement[bool] = sa.type_coerce(expression, NullType()).is_(None)
        return sa.not_(found) if is_null == is_negated else found
    is_contained = operator in {"contains", "overlap"} and term.field.kind.family != "text"
    if is_contained:
        holds = _contain(expression, term, dialect)
    else:
        holds = _compare(expression, operator, value, dialect)
    if not is_negated:
        return holds
    return (
        sa.or_(sa.not_(holds), expression.is_(None)) if term.field.is_nullable else sa.not_(holds)
    )


def _contain(expression: Any, term: Term, dialect: sa.Dialect) -> sa.ColumnElement[bool]:
    """Return whether a list or an object contains or overlaps a value, on PostgreSQL only."""
    if not backend_of(dialect).looks_into_documents:
        message = "Only PostgreSQL looks into documents and lists"
        raise refuse((f"{term.field.name}__{term.operator}",), "unknown_operator", message)
    symbol = "@>" if term.operator == "contains" else "&&"
    part = sa.literal(term.value, unlimited(expression.type))
    return expression.op(symbol, is_comparison=True)(part)  # type: ignore[no-any-return]


def _compare(
    expression: Any, operator: str, value: Any, dialect: sa.Dialect
) -> sa.ColumnElement[bool]:
    if operator == "eq":
        return equals(expression, value, dialect)
    if operator == "in":
        return is_one_of(expression, value, dialect)
    if operator in PATTERNS:
        return _compare_text(expression, operator, value, dialect)
    key = ordered(expression, dialect)
    if operator == "between":
        least, greatest = (bounds(key, each, dialect) for each in value)
        return sa.and_(key >= least[0], key <= greatest[1])
    first, last = bounds(key, value, dialect)
    compared = {"lt": key < first, "le": key <= last, "gt": key > last, "ge": key >= first}
    return compared[operator]


def _compare_text(
    expression: Any, operator: str, value: str, dialect: sa.Dialect
) -> sa.ColumnElement[bool]:
    before = "%" if operator in {"contains", "endswith"} else ""
    after = "%" if operator in {"contains", "startswith"} else ""
    is_pattern = operator in {"like", "ilike"}
    pattern = value if is_pattern else f"{before}{literal(value)}{after}"
    return matches(expression, pattern, dialect, ignore_case=operator == "ilike")


def describe(condition: Condition, text_of: Callable[[Any], str] | None = None) -> str:
    """Return a text that is the same for equal conditions, in whatever form they were sent.

    Args:
        condition: What is described.
        text_of: Returns what stands for a value; None takes a text of the whole value.
    """

    def inner(part: Condition) -> str:
        return describe(part, text_of)

    match condition:
        case Term(field, operator, value):
            return f"{field.name}__{operator}={(text_of or _text_of)(value)}"
        case Not(part):
            return f"not({inner(part)})"
        case AllOf(parts):
            return f"and({','.join(sorted(map(inner, parts)))})"
        case AnyOf(parts):
            return f"or({','.join(sorted(map(inner, parts)))})"
        case _:
            return f"{condition.relation.name}.{condition.quantifier}({inner(condition.part)})"


def _text_of(value: Any) -> str:
    """Return a text that is the same for equal values, in each process: an object's repr is not."""
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if issubclass(kind, (list, tuple)):
        return f"[{','.join(map(_text_of, value))}]"
    if issubclass(kind, (set, frozenset)):
        return f"{{{','.join(sorted(map(_text_of, value)))}}}"
    found = to_jsonable_python(value, bytes_mode="base64", fallback=plain_value)
    return json.dumps(found, sort_keys=True)
