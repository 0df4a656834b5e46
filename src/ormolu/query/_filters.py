"""Filters: one grammar, `path__operator`, from a request to an SQL condition.

Two-valued, unlike SQL: a comparison with NULL is false, and `not` is everything else. A path over
a relation means EXISTS, so it never multiplies or drops rows. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Strict, TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Dialect, and_, false, not_, or_, true
from sqlalchemy.orm import aliased

from ormolu.query._text import bound, equals, is_one_of, literal, matches, ordered
from ormolu.query._types import is_compared, is_json, is_text
from ormolu.query._views import Field, Location, Relation, View, nearest, refuse

__all__ = [
    "AllOf", "Condition", "Filters", "compile_condition", "describe", "operators_of", "search",
]  # fmt: skip

_MAX_TERMS = 50
_MAX_DEPTH = 5
_MAX_VALUES = 1000
_MAX_WORDS = 10

_ALIASES = {"lte": "le", "gte": "ge"}
_LISTS = frozenset({"in", "not_in", "between"})
_ORDER = ("lt", "le", "gt", "ge", "between")
_PATTERNS = ("like", "ilike", "startswith", "endswith", "contains")

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


def operators_of(field: Field) -> tuple[str, ...]:
    """Return the operators that a field's type has; the first needs not be written."""
    if is_json(field.type):
        return ("isnull",)
    found = ["eq", "ne", "in", "not_in", "isnull"]
    if is_compared(field.type):
        found += _ORDER
    if is_text(field.type):
        found += _PATTERNS
    return tuple(found)


class Filters:
    """Reads the filters of one request; counts their terms."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._terms = 0

    def read_parameter(self, key: str, values: Sequence[str], location: Location) -> Condition:
        """Read one parameter of a query string, with all values given for it.

        Raises:
            RefusedError: It is none of the grammar's.
        """

        def read(adapter: TypeAdapter[Any], operator: str) -> Any:
            if operator in _LISTS:
                return [adapter.validate_strings(value) for value in values]
            if len(values) > 1:
                message = f"Is given {len(values)} times; a list of values is {key}__in"
                raise refuse(location, "repeated", message)
            return adapter.validate_strings(values[0])

        return self._read_path(self._view, key, read, location)

    def read_tree(self, tree: Any, location: Location) -> Condition:
        """Read a `where` from JSON or Python.

        Raises:
            RefusedError: It is none of the grammar's, or has too many terms, or is too deep.
        """
        return self._read_object(self._view, tree, location, 1)

    def _read_object(self, view: View, tree: Any, location: Location, depth: int) -> Condition:
        if not isinstance(tree, Mapping):
            raise refuse(location, "where_type", "Must be an object")
        if depth > _MAX_DEPTH:
            raise refuse(location, "where_depth", f"Must not be deeper than {_MAX_DEPTH} levels")
        parts = [
            self._read_member(view, key, inner, (*location, str(key)), depth)
            for key, inner in tree.items()
        ]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _read_member(
        self, view: View, key: str, inner: Any, location: Location, depth: int
    ) -> Condition:
        if key in {"and", "or"} and key not in view.fields:
            parts = self._read_list(view, inner, location, depth)
            return AllOf(parts) if key == "and" else AnyOf(parts)
        if key == "not" and key not in view.fields:
            return Not(self._read_object(view, inner, location, depth + 1))
        if key in view.relations:
            return self._read_relation(view.relations[key], inner, location, depth)
        return self._read_path(
            view, key, lambda adapter, op: _read_json(adapter, op, inner), location
        )

    def _read_list(
        self, view: View, inner: Any, location: Location, depth: int
    ) -> tuple[Condition, ...]:
        if not isinstance(inner, list) or not inner:
            raise refuse(location, "where_type", "Must be a list of at least one object")
        return tuple(
            self._read_object(view, part, (*location, index), depth + 1)
            for index, part in enumerate(inner)
        )

    def _read_relation(
        self, relation: Relation, inner: Any, location: Location, depth: int
    ) -> Condition:
        if not isinstance(inner, Mapping):
            raise refuse(location, "where_type", 'Must be an object, as {"any": {...}}')
        target = relation.target
        self._count(location)
        if not inner or set(inner) - {"any", "none", "every"}:
            part = self._read_object(target, inner, location, depth + 1)
            return Over(relation, target, "any", part)
        parts = tuple(
            Over(
                relation, target, quantifier,
                self._read_object(target, tree, (*location, quantifier), depth + 1),
            )
            for quantifier, tree in inner.items()
        )  # fmt: skip
        return AllOf(parts)

    def _read_path(
        self,
        view: View,
        path: str,
        read: Callable[[TypeAdapter[Any], str], Any],
        location: Location,
    ) -> Condition:
        name, dot, rest = path.partition(".")
        if dot:
            relation = view.relation(name, location)
            if path.count(".") >= _MAX_DEPTH:
                raise refuse(location, "where_depth", f"Must not be longer than {_MAX_DEPTH} hops")
            target = relation.target
            return Over(relation, target, "any", self._read_path(target, rest, read, location))
        field, operator = _split(view, path, location)
        self._count(location)
        value = _read_value(_adapter(field, operator), operator, read, location)
        return Term(field, operator, value)

    def _count(self, location: Location) -> None:
        self._terms += 1
        if self._terms > _MAX_TERMS:
            raise refuse(location[:2], "where_terms", f"Must not have more than {_MAX_TERMS} terms")


def _split(view: View, path: str, location: Location) -> tuple[Field, str]:
    # The whole first: a column's name may hold two underscores.
    if path in view.fields:
        name, operator = path, operators_of(view.fields[path])[0]
        if operator == "eq":
            return view.fields[name], operator
        message = f"{path!r} has no equality; write {path}__isnull"
        raise refuse(location, "unknown_operator", message)
    name, mark, operator = path.rpartition("__")
    field = view.field(name if mark else path, location)
    known = operators_of(field)
    written = _ALIASES.get(operator, operator)
    if written not in known:
        listed = ", ".join(known)
        message = (
            f"{name!r} has no operator {operator!r}{nearest(operator, known)}. It has {listed}"
        )
        raise refuse(location, "unknown_operator", message)
    return field, written


_BOOLEAN: TypeAdapter[Any] = TypeAdapter(Annotated[bool, Strict()])


def _adapter(field: Field, operator: str) -> TypeAdapter[Any]:
    return _BOOLEAN if operator == "isnull" else field.filtered


def _read_value(
    adapter: TypeAdapter[Any],
    operator: str,
    read: Callable[[TypeAdapter[Any], str], Any],
    location: Location,
) -> Any:
    """Read the value of a term.

    Raises:
        RefusedError: It is not of the field's type.
    """
    try:
        value = read(adapter, operator)
    except ValidationError as error:
        first = error.errors()[0]
        raise refuse(location, first["type"], first["msg"]) from None
    if operator in _LISTS and len(value) > _MAX_VALUES:
        raise refuse(location, "too_many_values", f"Must not have more than {_MAX_VALUES} values")
    if operator == "between" and len(value) != 2:
        raise refuse(location, "between", "Must have two values, the least and the greatest")
    if operator == "like" and _ends_in_escape(value):
        raise refuse(location, "pattern", "Must not end with a single backslash")
    return value


def _ends_in_escape(pattern: Any) -> bool:
    return (len(pattern) - len(pattern.rstrip("\\"))) % 2 == 1


def _read_json(adapter: TypeAdapter[Any], operator: str, value: Any) -> Any:
    if operator in {"eq", "ne"} and value is None:
        return None
    if operator not in _LISTS:
        return adapter.validate_python(value)
    if not isinstance(value, (list, tuple, set, frozenset)):
        value = [value]
    return [adapter.validate_python(item) for item in value]


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
    criterion = part if seen is None else and_(part, seen)
    comparator = getattr(entity, over.relation.name).of_type(alias)
    is_many = over.relation.is_many
    found: ColumnElement[bool]
    found = comparator.any(criterion) if is_many else comparator.has(criterion)
    is_absence = over.quantifier in {"none", "every"}
    return not_(found) if is_absence != is_negated else found


def _compile_term(
    term: Term, entity: Any, dialect: Dialect, *, is_negated: bool
) -> ColumnElement[bool]:
    expression = getattr(entity, term.field.name)
    operator, value = term.operator, term.value
    if operator in {"ne", "not_in"}:
        operator, is_negated = {"ne": "eq", "not_in": "in"}[operator], not is_negated
    if operator == "isnull" or value is None:
        is_null = value is None or value
        found: ColumnElement[bool] = expression.is_(None)
        return not_(found) if is_null == is_negated else found
    holds = _compare(expression, operator, value, dialect)
    if not is_negated:
        return holds
    return or_(not_(holds), expression.is_(None)) if term.field.is_nullable else not_(holds)


def _compare(expression: Any, operator: str, value: Any, dialect: Dialect) -> ColumnElement[bool]:
    if operator == "eq":
        return equals(expression, value, dialect)
    if operator == "in":
        return is_one_of(expression, value, dialect)
    if operator in _PATTERNS:
        return _compare_text(expression, operator, value, dialect)
    least = ordered(expression, dialect)
    if operator == "between":
        return and_(least >= bound(least, value[0]), least <= bound(least, value[1]))
    compare = {"lt": least.__lt__, "le": least.__le__, "gt": least.__gt__, "ge": least.__ge__}
    return compare[operator](bound(least, value))


def _compare_text(
    expression: Any, operator: str, value: str, dialect: Dialect
) -> ColumnElement[bool]:
    before = "%" if operator in {"contains", "endswith"} else ""
    after = "%" if operator in {"contains", "startswith"} else ""
    is_pattern = operator in {"like", "ilike"}
    pattern = value if is_pattern else f"{before}{literal(value)}{after}"
    return matches(expression, pattern, dialect, ignore_case=operator == "ilike")


def search(view: View, text: str, location: Location) -> Condition:
    """Return that each word is somewhere in the searchable fields, in either case.

    Raises:
        RefusedError: No field is searchable, or there are too many words.
    """
    fields = [view.fields[name] for name in view.searchable if name in view.fields]
    if not fields:
        raise refuse(location, "not_searchable", f"{view.model.__name__} has no searchable field")
    words = text.split()
    if len(words) > _MAX_WORDS:
        raise refuse(location, "too_many_words", f"Must not have more than {_MAX_WORDS} words")
    for field in fields:
        _read_value(
            field.filtered, "eq", lambda adapter, _: adapter.validate_strings(text), location
        )
    return AllOf(
        tuple(
            AnyOf(tuple(Term(field, "ilike", f"%{literal(word)}%") for field in fields))
            for word in words
        )
    )


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
