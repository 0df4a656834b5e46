"""Conditions: what a filter means, as a value and in SQL.

Two-valued, unlike SQL: a comparison with NULL is false, and `not` is everything else. A path over
a relation means EXISTS, so it never multiplies or drops rows. Knows no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Dialect,
    and_,
    false,
    literal_column,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy import literal as sa_literal
from sqlalchemy.orm import aliased
from sqlalchemy.types import NullType

from ormolu.backends import backend_of
from ormolu.query._kinds import PATTERNS
from ormolu.query._text import bounds, equals, is_one_of, literal, matches, ordered
from ormolu.query._views import Field, Relation, View, refuse

__all__ = [
    "AllOf", "AnyOf", "Condition", "Not", "Over", "Quantifier", "Term", "compile_condition",
    "describe", "reads_relations",
]  # fmt: skip

Quantifier = Literal["any", "none", "every"]


@dataclass(frozen=True)
class Term:
    """One comparison of a field with a value."""

    field: Field
    operator: str
    value: Any


@dataclass(frozen=True)
class AllOf:
    """Every one of these holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of these holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """This does not hold."""

    part: Condition


@dataclass(frozen=True)
class Over:
    """A condition on the rows at the other end of a relation."""

    relation: Relation
    target: View
    quantifier: Quantifier
    part: Condition


Condition = Term | AllOf | AnyOf | Not | Over


def reads_relations(condition: Condition | None) -> bool:
    """Tell whether a condition looks at rows of other models."""
    match condition:
        case Over():
            return True
        case AllOf(parts) | AnyOf(parts):
            return any(reads_relations(part) for part in parts)
        case Not(part):
            return reads_relations(part)
        case _:
            return False


def compile_condition(
    condition: Condition, entity: Any, dialect: Dialect, *, is_negated: bool = False
) -> ColumnElement[bool]:
    """Return the condition in SQL, on a mapped class or an alias of it.

    A negation goes down to the terms, where NULL is known of.
    """

    def inner(part: Condition, *, flip: bool = False) -> ColumnElement[bool]:
        return compile_condition(part, entity, dialect, is_negated=is_negated != flip)

    match condition:
        case Term():
            return _compile_term(condition, entity, dialect, is_negated=is_negated)
        case Not(part):
            return inner(part, flip=True)
        case AllOf(parts):
            listed = [inner(part) for part in parts]
            return or_(false(), *listed) if is_negated else and_(true(), *listed)
        case AnyOf(parts):
            listed = [inner(part) for part in parts]
            return and_(true(), *listed) if is_negated else or_(false(), *listed)
        case _:
            return _compile_over(condition, entity, dialect, is_negated=is_negated)


def _compile_over(
    over: Over, entity: Any, dialect: Dialect, *, is_negated: bool
) -> ColumnElement[bool]:
    alias = aliased(over.target.model)
    is_every = over.quantifier == "every"
    part = compile_condition(over.part, alias, dialect, is_negated=is_every)
    seen = over.target.seen_through(alias)
    link = over.relation.on(entity).of_type(alias)
    # Not any() or has(), which ask for the kind of a subclass in another FROM: a product of rows.
    others: Any = select(literal_column("1")).select_from(alias).where(link, part)
    if seen is not None:
        others = others.where(seen)
    found: ColumnElement[bool] = others.correlate(entity).exists()
    is_absence = over.quantifier in {"none", "every"}
    return not_(found) if is_absence != is_negated else found


def _compile_term(
    term: Term, entity: Any, dialect: Dialect, *, is_negated: bool
) -> ColumnElement[bool]:
    expression = term.field.on(entity)
    operator, value = term.operator, term.value
    if operator in {"ne", "not_in"}:
        operator, is_negated = {"ne": "eq", "not_in": "in"}[operator], not is_negated
    if operator == "isnull" or value is None:
        is_null = value is None or value
        # Of a type without operators, too, as one of a single backend may be.
        found: ColumnElement[bool] = type_coerce(expression, NullType()).is_(None)
        return not_(found) if is_null == is_negated else found
    is_contained = operator in {"contains", "overlap"} and term.field.kind.family != "text"
    if is_contained:
        holds = _contain(expression, term, dialect)
    else:
        holds = _compare(expression, operator, value, dialect)
    if not is_negated:
        return holds
    return or_(not_(holds), expression.is_(None)) if term.field.is_nullable else not_(holds)


def _contain(expression: Any, term: Term, dialect: Dialect) -> ColumnElement[bool]:
    """Return whether a list or an object has all of a value, or any of it: PostgreSQL's alone."""
    if not backend_of(dialect).looks_into_documents:
        message = "Only PostgreSQL looks into documents and lists"
        raise refuse((f"{term.field.name}__{term.operator}",), "unknown_operator", message)
    symbol = "@>" if term.operator == "contains" else "&&"
    part = sa_literal(term.value, expression.type)
    return expression.op(symbol, is_comparison=True)(part)  # type: ignore[no-any-return]


def _compare(expression: Any, operator: str, value: Any, dialect: Dialect) -> ColumnElement[bool]:
    if operator == "eq":
        return equals(expression, value, dialect)
    if operator == "in":
        return is_one_of(expression, value, dialect)
    if operator in PATTERNS:
        return _compare_text(expression, operator, value, dialect)
    key = ordered(expression, dialect)
    if operator == "between":
        least, greatest = (bounds(key, each, dialect) for each in value)
        return and_(key >= least[0], key <= greatest[1])
    first, last = bounds(key, value, dialect)
    compared = {"lt": key < first, "le": key <= last, "gt": key > last, "ge": key >= first}
    return compared[operator]


def _compare_text(
    expression: Any, operator: str, value: str, dialect: Dialect
) -> ColumnElement[bool]:
    before = "%" if operator in {"contains", "endswith"} else ""
    after = "%" if operator in {"contains", "startswith"} else ""
    is_pattern = operator in {"like", "ilike"}
    pattern = value if is_pattern else f"{before}{literal(value)}{after}"
    return matches(expression, pattern, dialect, ignore_case=operator == "ilike")


def describe(condition: Condition) -> str:
    """Write a condition down, the same for the same condition, whatever carried it."""
    match condition:
        case Term(field, operator, value):
            return f"{field.name}__{operator}={value!r}"
        case Not(part):
            return f"not({describe(part)})"
        case AllOf(parts):
            return f"and({','.join(sorted(describe(part) for part in parts))})"
        case AnyOf(parts):
            return f"or({','.join(sorted(describe(part) for part in parts))})"
        case _:
            inner = describe(condition.part)
            return f"{condition.relation.name}.{condition.quantifier}({inner})"
