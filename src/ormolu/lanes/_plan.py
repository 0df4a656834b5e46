"""Plans: statements that are compiled once, and only get other values from then on.

Knows SQLAlchemy's compiler and types; no connection, no request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Dialect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from ormolu.lanes._columns import reader_of
from ormolu.lanes._together import Together, together

__all__ = [
    "NO_VALUES", "Plan", "PointPlan", "Read", "Slot", "UnplannableError", "Values", "numbered",
]  # fmt: skip

# Values by the names of their slots.
Values = Mapping[str, Any]
NO_VALUES: Values = MappingProxyType({})

# Bytes that the rows of a read have at most: what has more is the session's.
_ROOM = 16 * 1024 * 1024


class UnplannableError(Exception):
    """A statement is not the same text for all values, or needs what only a session gives."""


class _NoValueError(UnplannableError, AttributeError):
    """A slot has nothing of a value; SQLAlchemy may ask with `hasattr`."""


class Slot:
    """Stands in a statement for a value that comes later; to SQLAlchemy it is a value.

    Attributes:
        name: What the value is called.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: str = name

    def __getattr__(self, name: str) -> Any:
        """Refuse to be taken for the value, as a type does that has to look into it.

        Raises:
            _NoValueError: Always: this is asked for what a slot has not.
        """
        message = f"its statement needs its values: something asks for their {name!r}"
        raise _NoValueError(message)


class Plan:
    """One statement: its text, and how values become parameters and columns become values.

    Attributes:
        text: SQL, in the form that the driver takes.
        key: Where, in a row that it returns, the key is by which it was asked for or changed; None
            if that is not by a key.
        reread: Reads the row that a write of SQLite's stored, by the key that this one returns;
            None if it returns the row itself.
        most: How many rows it returns when it was cut off: so many are too many; None for any.
        most_bytes: What the last column of its rows may be, if that tells how long they are, or
            whether they are too long; None without such a column.
        room: How many bytes its rows may have where the lane itself can count them.
        allowed: Where, in the row of a write, 1 tells that the policy allows what is stored now; a
            lane takes back what it does not. None where everything is allowed.
        is_alone: Whether no two writes may be one statement: their rows would not be told apart.
        finish: What a write's lane makes of a row before it is stored; None for nothing.
        has_clock: Whether some parameters are computed anew each time.
    """

    def __init__(
        self,
        statement: Executable,
        types: Sequence[TypeEngine[Any]],
        dialect: Dialect,
        *,
        key: slice | None = None,
        reread: Plan | None = None,
        most: int | None = None,
        most_bytes: int | None = None,
        allowed: int | None = None,
    ) -> None:
        """Compile a statement.

        Args:
            statement: With a `Slot` wherever a value comes later.
            types: Types of the columns that it returns, or that `reread` does.
            dialect: Of the engine.
            key: See the attribute.
            reread: See the attribute; its slots are for a key as it is stored.
            most: See the attribute.
            most_bytes: See the attribute.
            allowed: See the attribute.

        Raises:
            UnplannableError: Its text depends on its values.
        """
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        text, parameters = _written(compiled)
        self.text: str = text
        self.key: slice | None = key
        self.reread: Plan | None = reread
        self.most: int | None = most
        self.most_bytes: int | None = most_bytes
        self.room: int = _ROOM
        self.allowed: int | None = allowed
        self.is_alone: bool = False
        defaults = _defaults_of(compiled)
        self._sources = [_source_of(each, defaults, dialect) for each in parameters]
        self._names = [each.slot for each in parameters]
        self.has_clock: bool = any(each.bind.callable is not None for each in parameters)
        self._is_key = _takes_key(parameters, dialect)
        self._readers = [_reader_of(type_, dialect) for type_ in types]
        self._is_read_as_is = not any(self._readers)
        self.finish: Callable[[Sequence[Any]], Sequence[Any]] | None = None

    def finish_with(self, make: Callable[[Sequence[Any]], Any]) -> None:
        """Have the values in a row read, and something made of them, before they are stored.

        For code of the program's own, which may fail or look at the request.

        Args:
            make: From these values to what stands behind them in the row that the lane returns.
        """
        readers = self._readers

        def finish(row: Sequence[Any]) -> Sequence[Any]:
            values = _read(readers, row)
            return [*values, make(values)]

        self.finish, self._is_read_as_is = finish, True

    def arguments(self, values: Values) -> list[Any]:
        """Return the parameters for some values.

        Raises:
            Exception: A value cannot be stored, or a default needs more than itself.
        """
        return [source(values) for source in self._sources]

    @cached_property
    def together(self) -> Together | None:
        """Return PostgreSQL's statement for any number of reads by it; None if there is none."""
        return together(self.text)

    @property
    def takes_only_keys(self) -> bool:
        """Tell whether it is the same for all callers, but for the keys."""
        return not self.has_clock and all(name is None or name in _KEYS for name in self._names)

    def arguments_but_keys(self, values: Values) -> list[Any]:
        """Return the parameters for some values, without the list of keys that comes later."""
        return [None if name == "keys" else source(values)
                for name, source in zip(self._names, self._sources, strict=True)]  # fmt: skip

    def with_keys(self, arguments: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
        """Return such parameters with the keys in their place."""
        made, given = [*arguments], {"keys": keys}
        for place, name in enumerate(self._names):
            if name == "keys":
                made[place] = self._sources[place](given)
        return made

    def arguments_around(self, values: Values) -> Callable[[Sequence[Any]], list[Any]]:
        """Return what makes the parameters of a key that comes later, of values that are here."""
        made = [None if name in _KEYS else source(values)
                for name, source in zip(self._names, self._sources, strict=True)]  # fmt: skip
        places = [(place, _KEYS[name]) for place, name in enumerate(self._names) if name in _KEYS]

        def complete(key: Sequence[Any]) -> list[Any]:
            for place, part in places:
                made[place] = key[part]
            return made

        return complete

    def key_arguments(self, key: Sequence[Any], values: Values = NO_VALUES) -> Sequence[Any]:
        """Return the parameters for a key, and for other values if there are any."""
        return key if self._is_key else self.arguments({**values, **numbered(key)})

    def is_cut_off(self, rows: Sequence[Any]) -> bool:
        """Tell whether there are more rows than these, or they lack what is too long."""
        if self.most is not None and len(rows) >= self.most:
            return True
        return self.most_bytes is not None and any(row[-1] > self.most_bytes for row in rows)

    def read(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return the values in a row that the driver returned."""
        return row if self._is_read_as_is else _read(self._readers, row)

    def read_all(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Return the values in all rows."""
        return rows if self._is_read_as_is else [self.read(row) for row in rows]


def _read(readers: Sequence[Callable[[Any], Any] | None], row: Sequence[Any]) -> Sequence[Any]:
    return [value if read is None else read(value)
            for read, value in zip(readers, row, strict=True)]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PointPlan:
    """A read of one row by its key.

    Attributes:
        one: For one key; its parameters are the key's parts.
        many: For any number of them, with a slot for `keys`; None where there is no such form.
    """

    one: Plan
    many: Plan | None = None


# Which part of a key stands in a slot.
_KEYS: dict[str | None, int] = {f"key {number}": number for number in range(64)}

# A plan and its parameters.
Read = tuple[Plan, Sequence[Any]]


def numbered(key: Sequence[Any]) -> dict[str, Any]:
    """Return the parts of a key by the names of their slots."""
    return {f"key {index}": part for index, part in enumerate(key)}


class _Parameter(NamedTuple):
    """A parameter of a statement, in its order.

    Attributes:
        name: What the compiler calls it.
        bind: What it was made of; a list is one of these.
        value: Of it.
    """

    name: str
    bind: BindParameter[Any]
    value: Any

    @property
    def slot(self) -> str | None:
        """Return the slot that it stands in, if it does."""
        return self.value.name if isinstance(self.value, Slot) else None


def _written(compiled: SQLCompiler) -> tuple[str, list[_Parameter]]:
    """Return the text of a statement and its parameters; of lists, those that they have now.

    Raises:
        UnplannableError: Values stand in the text.
    """
    late = compiled.post_compile_params
    if compiled.literal_execute_params or any(not each.expanding for each in late):
        message = "values stand in its text, which is another one each time"
        raise UnplannableError(message)
    text, names = compiled.string, [*(compiled.positiontup or ())]
    lists: dict[str, Sequence[Any]] = {}
    members: dict[str, tuple[str, int]] = {}
    if late:
        state = compiled.construct_expanded_state(escape_names=False)
        text, names = state.statement, [*(state.positiontup or ())]
        for key, parts in state.parameter_expansion.items():
            lists[key] = compiled.binds[key].value or ()
            if len(parts) != len(lists[key]):
                message = "a list of pairs has several parameters for each"
                raise UnplannableError(message)
            members |= {part: (key, place) for place, part in enumerate(parts)}
    found = []
    for name in names:
        key, place = members.get(name, (name, None))
        bind = compiled.binds[key]
        value = bind.value if place is None else lists[key][place]
        found.append(_Parameter(name, bind, value))
    return text, found


def _takes_key(parameters: Sequence[_Parameter], dialect: Dialect) -> bool:
    """Tell whether the parameters are the parts of a key, in order, as they are."""
    names = [each.slot for each in parameters if each.slot is not None]
    is_plain = not any(_writer_of(each.bind, dialect) for each in parameters)
    return is_plain and names == list(numbered(names)) and len(names) == len(parameters)


def _writer_of(bind: BindParameter[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    writer: Callable[[Any], Any] | None
    writer = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return writer


def _source_of(
    parameter: _Parameter, defaults: Mapping[str, Any], dialect: Dialect
) -> Callable[[Values], Any]:
    """Return what makes one parameter of the values.

    Raises:
        UnplannableError: It has none.
    """
    name, bind, fixed = parameter
    write = _writer_of(bind, dialect)
    if parameter.slot is not None:
        return _slot_source(parameter.slot, write)
    if name in defaults:
        return _default_source(defaults[name], write)
    if bind.required:
        message = f"the parameter {name!r} has no value"
        raise UnplannableError(message)
    if bind.callable is not None:
        compute = bind.callable
        return lambda _values: compute() if write is None else write(compute())
    # Written each time: a type of the program's own may look at the request.
    return lambda _values: fixed if write is None else write(fixed)


def _slot_source(key: str, write: Callable[[Any], Any] | None) -> Callable[[Values], Any]:
    if write is None:
        return lambda values: values[key]
    return lambda values: write(values[key])


def _default_source(default: Any, write: Callable[[Any], Any] | None) -> Callable[[Values], Any]:
    def make(_values: Values) -> Any:
        context = _NoContext()
        value = default.arg(context) if default.is_callable else default.arg
        if context.is_asked:
            # The type may make something of None.
            message = "a default looks at its statement"
            raise LookupError(message)
        return value if write is None else write(value)

    return make


class _NoContext:
    """What a default of the program's own is given: it has to do without the statement.

    Attributes:
        is_asked: Whether it has looked for something.
    """

    is_asked = False

    def __getattr__(self, name: str) -> Any:
        self.is_asked = True
        raise AttributeError(name)


def _defaults_of(compiled: SQLCompiler) -> dict[str, Any]:
    """Return the defaults that Python makes for columns left out, by their parameter.

    Raises:
        UnplannableError: One takes a statement.
    """
    found = {}
    for columns, kind in (
        (compiled.insert_prefetch, "default"), (compiled.update_prefetch, "onupdate"),
    ):  # fmt: skip
        for column in columns:
            default: Any = getattr(column, kind)
            if default is None or not (default.is_callable or default.is_scalar):
                message = f"{column.name} gets its value from a statement of its own"
                raise UnplannableError(message)
            found[column.key] = default
    return found


def _reader_of(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what reads a column.

    Raises:
        UnplannableError: It depends on what the driver says of the column.
    """
    try:
        return reader_of(type_, dialect)
    except (InvalidRequestError, TypeError) as error:
        message = f"{type_!r} is read by what the driver says of it"
        raise UnplannableError(message) from error
