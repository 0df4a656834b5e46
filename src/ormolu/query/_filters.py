"""Filters: one grammar, `path__operator`, read from a query string, JSON or Python. No HTTP."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Strict, TypeAdapter, ValidationError

from ormolu.query._conditions import AllOf, AnyOf, Condition, Not, Related, Term, spreads_of
from ormolu.query._kinds import ORDER, PATTERNS
from ormolu.query._text import literal
from ormolu.query._views import Field, Location, Relation, View, nearest, refuse

__all__ = ["Filters", "operators_of", "spellings_of"]

_MAX_TERMS = 50
_MAX_DEPTH = 5
# With a hundred friends each, friends of friends are ten thousand rows for each row.
_MAX_SPREAD = 2
# How often a request may do that, since the rows of each add up.
_MAX_SPREADS = 3
_MAX_VALUES = 1000
# Backends take 32,766 parameters in one statement, and some values need two.
_MAX_VALUES_IN_ALL = 10_000
_MAX_WORDS = 10
# The characters that a term and a value add to a statement beside their own.
_TERM_CHARACTERS, _VALUE_CHARACTERS = 50, 10
# Characters of all patterns of a request that are searched for within texts.
_MAX_SEARCHED = 500
# Characters of a pattern, which may have four bytes each: SQLite takes 50,000 bytes.
_MAX_PATTERN = 10_000

_ALIASES = {"lte": "le", "gte": "ge"}
_LISTS = frozenset({"in", "not_in", "between"})
_QUANTIFIERS = frozenset({"any", "none", "every"})


def operators_of(field: Field) -> tuple[str, ...]:
    """Return the operators of a field; the first is the default."""
    operators = field.kind.operators
    return operators if field.has_order else tuple(each for each in operators if each not in ORDER)


def spellings_of(
    fields: Mapping[str, Field], name: str, taken: Collection[str] = ()
) -> dict[str, str]:
    """Return the parameter name for each operator of a field.

    An operator is left out if other columns have all its possible names.

    Args:
        fields: All fields of the model.
        name: The name of the field.
        taken: Names that mean something else in the same place.
    """
    found: dict[str, str] = {}
    for operator in operators_of(fields[name]):
        aliases = [alias for alias, meant in _ALIASES.items() if meant == operator]
        written = [f"{name}__{each}" for each in (operator, *aliases)]
        free = [each for each in written if each not in fields and each not in taken]
        if operator == "eq" and name not in taken:
            free = [name]
        if free:
            found[operator] = free[0]
    return found


class Filters:
    """Reads the filters of one request, and limits their size."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._terms = 0
        self._values = 0
        self._searched = 0
        self._characters = 0
        self._spreads = 0

    def has_name(self, path: str) -> bool:
        """Tell whether a path begins with something that may be filtered."""
        is_hop = path.partition(".")[0] in self._view.relations
        return is_hop or any(name in self._view.fields for name in (path, path.rpartition("__")[0]))

    def read_parameter(self, key: str, values: Sequence[str], location: Location) -> Condition:
        """Read one parameter of a query string, with all values given for it.

        Raises:
            RefusedError: It is no valid filter.
        """

        def read(field: Field, operator: str) -> Any:
            adapter = _adapter(field, operator)
            if operator in _LISTS:
                return [adapter.validate_strings(value) for value in values]
            if field.kind.item is not None and operator != "isnull":
                return _read_items(field, values)
            if len(values) > 1:
                message = f"Is given {len(values)} times; lists of values are for __in"
                raise refuse(location, "repeated", message)
            return adapter.validate_strings(values[0])

        return self._bounded(self._read_path(self._view, key, read, location), location)

    def read_tree(self, tree: Any, location: Location) -> Condition:
        """Read a `where` from JSON or Python.

        Raises:
            RefusedError: It is no valid filter, has too many terms, or is too deep.
        """
        return self._bounded(self._read_object(self._view, tree, location, 1), location)

    def _bounded(self, condition: Condition, location: Location) -> Condition:
        spreads = [*spreads_of(condition, self._view.model)]
        if max(spreads, default=0) > _MAX_SPREAD:
            message = f"Must not lead over more than {_MAX_SPREAD} relations to shared rows"
            raise refuse(location, "where_depth", message)
        self._spreads += spreads.count(_MAX_SPREAD)
        if self._spreads > _MAX_SPREADS:
            message = (
                f"Must not lead over {_MAX_SPREAD} relations to shared rows more than "
                f"{_MAX_SPREADS} times in all; put what is asked of the same rows into one object "
                "of where, as {relation: {any: {relation: {any: {...}}}}}"
            )
            raise refuse(location, "where_spreads", message)
        return condition

    def _read_object(self, view: View, tree: Any, location: Location, depth: int) -> Condition:
        if not isinstance(tree, Mapping):
            raise refuse(location, "where_type", "Must be an object")
        if depth > _MAX_DEPTH:
            raise refuse(location, "where_depth", f"Must not be deeper than {_MAX_DEPTH} levels")
        if not tree:
            self._count(location)
        parts = [
            self._read_member(view, str(key), inner, (*location, str(key)), depth)
            for key, inner in tree.items()
        ]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _read_member(
        self, view: View, key: str, inner: Any, location: Location, depth: int
    ) -> Condition:
        if _is_junction(view, key, inner):
            parts = self._read_list(view, inner, location, depth)
            return AllOf(parts) if key == "and" else AnyOf(parts)
        if key == "not" and (isinstance(inner, Mapping) or key not in view.fields):
            return Not(self._read_object(view, inner, location, depth + 1))
        if key in view.relations:
            return self._read_relation(view.relations[key], inner, location, depth)
        return self._read_path(
            view, key, lambda field, op: _read_json(_adapter(field, op), op, inner), location
        )

    def _read_list(
        self, view: View, inner: Any, location: Location, depth: int
    ) -> tuple[Condition, ...]:
        if not isinstance(inner, (list, tuple)) or not inner:
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
        if not _is_quantified(target, inner):
            part = self._read_object(target, inner, location, depth + 1)
            return Related(relation, target, "any", part)
        parts = tuple(
            Related(
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
        read: Callable[[Field, str], Any],
        location: Location,
    ) -> Condition:
        name, dot, rest = path.partition(".")
        if dot and path not in view.fields:
            relation = view.relation(name, location)
            if path.count(".") >= _MAX_DEPTH:
                raise refuse(location, "where_depth", f"Must not be longer than {_MAX_DEPTH} hops")
            target = relation.target
            return Related(relation, target, "any", self._read_path(target, rest, read, location))
        field, operator = _split(view, path, location)
        self._count(location)
        value = _read_value(field, operator, read, location)
        self._count_values(value, location)
        if operator in PATTERNS and operator != "startswith" and isinstance(value, str):
            self._count_pattern(value, location)
        return Term(field, operator, value)

    def search(self, text: str, location: Location) -> Condition:
        """Return the condition that each word is in some searchable field, in upper or lower case.

        Raises:
            RefusedError: No field is searchable, or there are too many words or characters.
        """
        view = self._view
        fields = [view.fields[name] for name in view.searchable if name in view.fields]
        if not fields:
            message = f"{view.model.__name__} has no searchable field"
            raise refuse(location, "not_searchable", message)
        self._count_pattern(text, location)
        words = text.split()
        if len(words) > _MAX_WORDS:
            raise refuse(location, "too_many_words", f"Must not have more than {_MAX_WORDS} words")
        for field in fields:
            _read_value(
                field, "contains", lambda each, _: each.filtered.validate_strings(text), location
            )
        for _ in fields[1:]:
            self._count_pattern(text, location)
        return AllOf(
            tuple(
                AnyOf(tuple(Term(field, "ilike", f"%{literal(word)}%") for field in fields))
                for word in words
            )
        )

    def _count_pattern(self, pattern: str, location: Location) -> None:
        # In the worst case a search takes the length of the pattern times that of the text.
        self._searched += len(pattern)
        if self._searched > _MAX_SEARCHED:
            message = f"Must not look for more than {_MAX_SEARCHED} characters within texts, in all"
            raise refuse(location[:2], "too_many_characters", message)

    @property
    def weight(self) -> int:
        """Return about how many characters a statement with these filters has."""
        fixed = _TERM_CHARACTERS * self._terms + _VALUE_CHARACTERS * self._values
        return self._characters + fixed

    def _count_values(self, value: Any, location: Location) -> None:
        listed = value if isinstance(value, list) else [value]
        self._values += len(listed)
        self._characters += sum(len(each) for each in listed if isinstance(each, (str, bytes)))
        if self._values > _MAX_VALUES_IN_ALL:
            message = f"Must not have more than {_MAX_VALUES_IN_ALL} values in all"
            raise refuse(location[:2], "too_many_values", message)

    def _count(self, location: Location) -> None:
        self._terms += 1
        if self._terms > _MAX_TERMS:
            raise refuse(location[:2], "where_terms", f"Must not have more than {_MAX_TERMS} terms")


def _is_junction(view: View, key: str, inner: Any) -> bool:
    # A column or relation may have this name, but its filters are no lists.
    is_other = key in view.fields or key in view.relations
    return key in {"and", "or"} and (isinstance(inner, (list, tuple)) or not is_other)


def _is_quantified(target: View, inner: Mapping[Any, Any]) -> bool:
    """Tell whether the keys of a relation's filter are quantifiers, and not columns."""
    return bool(inner) and all(
        key in _QUANTIFIERS and (isinstance(part, Mapping) or key not in target.fields)
        for key, part in inner.items()
    )


def _split(view: View, path: str, location: Location) -> tuple[Field, str]:
    # Look up the whole first: the name of a column may contain two underscores.
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
        message = f"{name!r} has {listed}, and no {operator!r}{nearest(operator, known)}"
        raise refuse(location, "unknown_operator", message)
    return field, written


_BOOLEAN: TypeAdapter[Any] = TypeAdapter(Annotated[bool, Strict()])


def _adapter(field: Field, operator: str) -> TypeAdapter[Any]:
    return _BOOLEAN if operator == "isnull" else field.filtered


def _read_items(field: Field, values: Sequence[str]) -> Any:
    """Read a list from repeated parameters, one for each item, or from one with its JSON."""
    if len(values) == 1 and values[0].startswith("["):
        return field.filtered.validate_strings(values[0])
    item: TypeAdapter[Any] = TypeAdapter(field.kind.item)
    return field.filtered.validate_python([item.validate_strings(value) for value in values])


def _read_value(
    field: Field,
    operator: str,
    read: Callable[[Field, str], Any],
    location: Location,
) -> Any:
    """Read the value of a term.

    Raises:
        RefusedError: It is not of the field's type.
    """
    try:
        value = read(field, operator)
    except ValidationError as error:
        first = error.errors()[0]
        raise refuse(location, first["type"], first["msg"]) from None
    if operator in _LISTS and len(value) > _MAX_VALUES:
        raise refuse(location, "too_many_values", f"Must not have more than {_MAX_VALUES} values")
    if operator == "between" and len(value) != 2:
        raise refuse(location, "between", "Must have two values, the least and the greatest")
    is_pattern = operator in PATTERNS and isinstance(value, str)
    if is_pattern and len(value) > _MAX_PATTERN:
        message = f"Must not have more than {_MAX_PATTERN} characters"
        raise refuse(location, "too_long", message)
    if operator in {"like", "ilike"} and _ends_in_escape(value):
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
