"""What SQLAlchemy keeps to itself of statements, mappers, loading and types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NoReturn

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Column,
    Connection,
    Dialect,
    Result,
    Select,
    inspect,
)
from sqlalchemy.engine import result as results
from sqlalchemy.ext.mutable import Mutable
from sqlalchemy.orm import InstanceState, Mapper, RelationshipProperty, Session, strategies
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeEngine

from ormolu.seams._missing import tell_missing

__all__ = [
    "DefaultContext",
    "add_strategy",
    "adder_of",
    "cache_key_of",
    "column_in_making",
    "compiled_parameters",
    "count_attributes",
    "expired_names",
    "has_criteria",
    "initializer_below",
    "is_clean",
    "is_invalidated",
    "is_making_default",
    "knows_schema_time",
    "mapper_asked_for",
    "note_owner",
    "owner_path",
    "relation_in_loading",
    "result_columns",
    "result_maker",
    "select_parts",
    "selectin_columns",
    "session_key",
    "structure_of",
    "tell_schema_time",
    "variants_of",
]

_LOADED = "it loads all objects itself, which takes longer"
_UNLOCATED = "an error does not name the column whose value was not sent"
_SENT = "it sends all statements itself, which takes longer"

_read_select = attrgetter("_raw_columns", "_with_options", "_for_update_arg")
_read_key = attrgetter("_generate_cache_key")
_read_annotations = attrgetter("_annotations")
_read_criteria = attrgetter("_extra_criteria")
_read_path = attrgetter("_path_registry")

# What an object's state is told of how it was loaded.
_STATE = ("key", "load_options", "load_path", "session_id")

_Add = Callable[[InstanceState[Any], Any], object]


def select_parts(statement: Select[Any]) -> tuple[Sequence[Any], Sequence[Any], Any] | None:
    """Return a statement's columns, loader options and lock; None if they cannot be read."""
    # No public accessor is there; `column_descriptions` costs as much as all the rest.
    try:
        parts: tuple[Sequence[Any], Sequence[Any], Any] = _read_select(statement)
    except AttributeError as error:
        return tell_missing("SQLAlchemy", error.name, _LOADED)
    return parts


def structure_of(element: ClauseElement) -> tuple[Any, Sequence[BindParameter[Any]]] | None:
    """Return what an SQL expression is apart from its values, and these; None if nobody can tell.

    Two expressions of the same structure have the same text, for whatever values.
    """
    try:
        key = _read_key(element)()
    except AttributeError as error:
        return tell_missing("SQLAlchemy", error.name, "policies are compiled for each request")
    return None if key is None else (key.key, key.bindparams)


def mapper_asked_for(column: Any) -> Mapper[Any] | None:
    """Return whose objects are asked for by what stands in a statement's columns."""
    try:
        mapper = _read_annotations(column).get("parententity")
    except AttributeError as error:
        return tell_missing("SQLAlchemy", error.name, _LOADED)
    return mapper if isinstance(mapper, Mapper) else None


def cache_key_of(statement: Any) -> Any:
    """Return the key by which SQLAlchemy caches a statement and the parameters apart from it.

    Returns:
        A tuple of the key, which can be hashed, the parameters, and values given to
        `statement.params()` or None; None instead if the statement cannot be cached.
    """
    make = getattr(statement, "_generate_cache_key", None)
    if make is None:
        return tell_missing("SQLAlchemy", "_generate_cache_key", _SENT)
    return make()


def is_invalidated(record: ConnectionPoolEntry) -> bool:
    """Tell whether a connection of a pool has to be opened anew before it is used."""
    asked: Callable[[], bool] | None = getattr(record, "_is_hard_or_soft_invalidated", None)
    if asked is None:
        tell_missing("SQLAlchemy", "_is_hard_or_soft_invalidated", _SENT)
        return True
    return asked()


def knows_schema_time(dialect: Dialect) -> bool:
    """Tell whether `tell_schema_time` does all that there is to do."""
    if dialect.driver != "asyncpg" or hasattr(dialect, "_invalidate_schema_cache_asof"):
        return True
    tell_missing("SQLAlchemy", "_invalidate_schema_cache_asof", _SENT)
    return False


def tell_schema_time(dialect: Dialect, cursor: Any) -> None:
    """Tell a cursor of asyncpg since when what it knows of the schema may be wrong."""
    since = getattr(dialect, "_invalidate_schema_cache_asof", None)
    if since is not None:
        cursor._invalidate_schema_cache_asof = since  # noqa: SLF001 -- as its own context does


def is_clean(session: Session) -> bool:
    """Tell whether nothing would be flushed."""
    asked: Callable[[], bool] | None = getattr(session, "_is_clean", None)
    if asked is not None:
        return asked()
    tell_missing("SQLAlchemy", "_is_clean", "what would be flushed is looked at one by one")
    return not (session.new or session.deleted or session.identity_map.check_modified())


def session_key(session: Session) -> int | None:
    """Return by what the states of a session's objects know it."""
    key: int | None = getattr(session, "hash_key", None)
    if key is None:
        tell_missing("SQLAlchemy", "hash_key", _LOADED)
    return key


def adder_of(session: Session) -> _Add:
    """Return what adds the state of an object to those of a session, which has none of its key."""
    present = session.identity_map
    add: _Add | None = getattr(present, "_add_unpresent", None)
    if add is not None:
        return add
    tell_missing("SQLAlchemy", "_add_unpresent", "objects are looked for before they are added")
    return lambda state, _key: present.add(state)


def result_maker(mapper: Mapper[Any]) -> Callable[[Iterable[Any]], Result[Any]] | None:
    """Return what makes objects of a class the result of a statement; None if nothing can."""
    if not all(hasattr(InstanceState, name) for name in _STATE):
        return tell_missing("SQLAlchemy", f"all of {', '.join(_STATE)} in a state", _LOADED)
    try:
        description = results.SimpleResultMetaData(
            [mapper.class_.__name__],
            [(mapper.class_, mapper)],
            _create_unique_filters=lambda _result: [id],
        )
        results.IteratorResult(description, iter(()), _source_supports_scalars=True)
    except (AttributeError, TypeError) as error:
        return tell_missing("SQLAlchemy", f"result of objects ({error})", _LOADED)

    def make(objects: Iterable[Any]) -> Result[Any]:
        return results.IteratorResult(description, iter(objects), _source_supports_scalars=True)

    return make


def result_columns(compiled: Any) -> list[Column[Any] | None] | None:
    """Return of which column each value in a compiled query's rows is, None for an expression."""
    entries = getattr(compiled, "_result_columns", None)
    if entries is None:
        return tell_missing("SQLAlchemy", "_result_columns", _SENT)
    return [next((each for each in told[2] if isinstance(each, Column)), None) for told in entries]


def has_criteria(element: Any) -> bool:
    """Tell whether a loader option has criteria of its own, or may have some."""
    try:
        return bool(_read_criteria(element))
    except AttributeError as error:
        tell_missing("SQLAlchemy", error.name, _LOADED)
        return True


def owner_path(mapper: Mapper[Any]) -> Any:
    """Return the path at which objects of a class are loaded; None if it cannot be read."""
    try:
        return _read_path(mapper)
    except AttributeError as error:
        return tell_missing("SQLAlchemy", error.name, _LOADED)


def selectin_columns(property_: RelationshipProperty[Any], key: Any) -> tuple[Any, Any] | None:
    """Return by which columns `selectinload` finds what is related, if it does so by one.

    Args:
        property_: The relation.
        key: Of the strategy.

    Returns:
        The column of the related table, and of a relation to one the owner's that holds its value.
    """
    try:
        strategy: Any = property_._get_strategy(key)  # noqa: SLF001 -- SQLAlchemy's own answer
        found: Any = strategy._query_info if strategy.omit_join else None  # noqa: SLF001
        columns: Any = () if found is None else found.pk_cols
        held: Any = None if found is None else found.child_lookup_cols
    except AttributeError as error:
        return tell_missing("SQLAlchemy", error.name, _LOADED)
    return (columns[0], held[0] if held else None) if len(columns) == 1 else None


def count_attributes(mapper: Mapper[Any]) -> int:
    """Return how many attributes a class has by now."""
    attributes = getattr(mapper, "_props", None)
    if attributes is not None:
        return len(attributes)
    tell_missing("SQLAlchemy", "_props", "its public copy of them is counted")
    return len(mapper.attrs)


def expired_names(statement: object) -> list[str]:
    """Return the attributes that SQLAlchemy was about to load again, as far as it says so."""
    options: Any = getattr(statement, "_compile_options", None)
    if not hasattr(options, "_only_load_props"):
        name = "_compile_options._only_load_props"
        tell_missing("SQLAlchemy", name, "an error does not name the column that is not loaded")
        return []
    return sorted(map(str, options._only_load_props or ()))  # noqa: SLF001


def relation_in_loading(statement: object) -> RelationshipProperty[Any] | None:
    """Return the relation that SQLAlchemy was about to load by itself, if it was one."""
    path: Any = getattr(getattr(statement, "_compile_options", None), "_current_path", None)
    if path is None:
        name = "_compile_options._current_path"
        tell_missing("SQLAlchemy", name, "an error does not name the relation that is not loaded")
    last = path.path[-1] if path is not None and path.path else None
    return last if isinstance(last, RelationshipProperty) else None


def is_making_default(context: Any) -> bool:
    """Tell whether the context of a statement is just making the defaults of its columns."""
    if not hasattr(type(context), "current_parameters"):
        tell_missing("SQLAlchemy", "current_parameters", _UNLOCATED)
        return False
    return context.current_parameters is not None


def column_in_making(context: Any) -> Column[Any] | None:
    """Return the column whose default is being made; None if it is not known."""
    return getattr(context, "current_column", None)


def compiled_parameters(context: Any) -> Sequence[Mapping[str, Any]]:
    """Return the values of a statement by their names, before types have made others of them."""
    parameters: Sequence[Mapping[str, Any]] | None = getattr(context, "compiled_parameters", None)
    if parameters is None:
        tell_missing("SQLAlchemy", "compiled_parameters", _UNLOCATED)
        return ()
    return parameters


class DefaultContext:
    """What a column's default is given, where no INSERT does it: what concerns a row of that.

    Attributes:
        current_parameters: The values of the row so far, by the keys of their columns.
        current_column: The column whose default is computed.
    """

    def __init__(self, given: Mapping[str, Any], connect: Callable[[], Connection] | None) -> None:
        """Begin a row.

        Args:
            given: Its values, by the keys of their columns.
            connect: Returns the connection for what a default sends; None without one.
        """
        self.current_parameters: dict[str, Any] = {}
        self.current_column: Column[Any] | None = None
        self._connect = connect
        self._is_cut_off = False
        for key, value in given.items():
            self._note(key, value)

    def get_current_parameters(
        self,
        isolate_multiinsert_groups: bool = True,
    ) -> dict[str, Any]:
        """Return the values of the row so far."""
        return self.current_parameters

    @property
    def connection(self) -> Connection:
        """Return the connection.

        Raises:
            AttributeError: There is none.
        """
        if self._connect is None:
            self._is_cut_off = True
            message = "there is no connection here"
            raise AttributeError(message)
        return self._connect()

    @property
    def root_connection(self) -> Connection:
        """Return the connection."""
        return self.connection

    @property
    def dialect(self) -> Dialect:
        """Return the dialect of the connection."""
        return self.connection.dialect

    def compute(self, column: Column[Any], default: Any) -> Any:
        """Return what a column's default makes.

        Raises:
            LookupError: It needs the connection, and there is none.
        """
        self.current_column = column
        value = default.arg(self) if default.is_callable else default.arg
        if self._is_cut_off:
            message = "a default sends a statement"
            raise LookupError(message)
        if value is not None:
            self._note(column.key, value)
        return value

    def _note(self, key: str, value: Any) -> None:
        # As in an INSERT, whose parameters do not have what is SQL.
        if not isinstance(value, ClauseElement):
            self.current_parameters[key] = value


def initializer_below(function: Any) -> Any:
    """Return the `__init__` that SQLAlchemy has wrapped; None if it has not."""
    return getattr(function, "_sa_original_init", None)


def add_strategy(name: str, refuse: Callable[..., NoReturn]) -> bool:
    """Add a strategy of relations that are not loaded when they are read.

    Args:
        name: Asks for it, beside `lazy="raise"`.
        refuse: Is called with the strategy when one is read.

    Returns:
        Whether there is such a strategy now.
    """
    lazy: Any = getattr(strategies, "_LazyLoader", None)
    if not hasattr(lazy, "_invoke_raise_load"):
        told = "_LazyLoader._invoke_raise_load"
        tell_missing("SQLAlchemy", told, "its own error says which relation is not loaded")
        return False
    loader = type("RaiseLoader", (lazy,), {"_invoke_raise_load": refuse})
    RelationshipProperty.strategy_for(lazy="raise", **{name: True})(loader)
    return True


def note_owner(value: Mutable, owner: object, key: str) -> None:
    """Let a value report its changes to the object that holds it.

    The contract of SQLAlchemy's `Mutable`, which documents it.
    """
    owners = getattr(value, "_parents", None)
    if owners is None:
        tell_missing("SQLAlchemy", "_parents", "what is changed within a JSON value is not stored")
    else:
        owners[inspect(owner)] = key


def variants_of(type_: TypeEngine[Any]) -> Mapping[str, TypeEngine[Any]]:
    """Return the types that some backends have instead of a plain one, by the dialect's name."""
    variants: Mapping[str, TypeEngine[Any]] | None = getattr(type_, "_variant_mapping", None)
    if variants is None:
        tell_missing("SQLAlchemy", "_variant_mapping", "a type of one backend is taken for plain")
        return {}
    return variants
