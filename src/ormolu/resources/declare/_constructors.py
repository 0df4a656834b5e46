"""How objects of a mapped class are made, and whether the program's own code runs then.

An `__init__` of the program's own is always called, unless it only calls its parent's. Knows no
request and no session.
"""

from __future__ import annotations

import dataclasses
import dis
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal

from sqlalchemy.orm import Mapper, registry

from ormolu.seams import initializer_below

__all__ = ["Constructor", "constructor_of"]

# "declarative" sets the values one after the other, and so does "dataclass" after its defaults;
# "called" calls the class.
Kind = Literal["declarative", "dataclass", "called"]

_DECLARATIVE = registry().constructor
_PASSED_NAMES = frozenset({"super", "__init__", "__class__"})


@dataclass(frozen=True, kw_only=True)
class Constructor:
    """How objects of one class are made.

    Attributes:
        kind: How their values are set.
        is_own: Whether it is the program's own code, which may compute columns.
        positional: Parameters that are passed by position, in their order.
        defaults: Their defaults.
        named: Other parameters, by name.
        takes_any: Whether it takes `**kwargs`.
        required: Parameters without a default.
        initial: Factories of a dataclass's fields that are not mapped.
        computed: Attributes that need no value, since it sets them itself.
        own_name: Its name in messages.
    """

    kind: Kind = "declarative"
    is_own: bool = False
    positional: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    named: frozenset[str] = frozenset()
    takes_any: bool = False
    required: frozenset[str] = frozenset()
    initial: Mapping[str, Callable[[], Any]] = dataclasses.field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    own_name: str = "__init__"

    def needs(self, name: str, *, is_needed: bool) -> bool:
        """Tell whether a new object must be given a value for a column.

        Args:
            name: Of the column.
            is_needed: Whether the column itself has no default and is not NULL.
        """
        if not self.is_own or name in self.required:
            return is_needed or name in self.required
        # It computes what it has no parameter for, unless it takes any.
        is_left = name in self.computed or name in self.defaults
        takes_it = self.kind == "dataclass" or self.takes_any
        return is_needed and takes_it and not is_left

    def spare(self, known: Collection[str]) -> list[str]:
        """Return the required parameters that have no attribute of their name."""
        return sorted(self.required.difference(known))

    def split(self, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
        """Return values as positional arguments, keyword arguments, and those it does not take."""
        known = {**self.defaults, **values}
        places = [known[name] for name in self.positional if name in known]
        rest = {name: each for name, each in values.items() if name not in self.positional}
        if self.takes_any:
            return places, rest, {}
        named = {name: each for name, each in rest.items() if name in self.named}
        return places, named, {name: each for name, each in rest.items() if name not in named}


def constructor_of(mapper: Mapper[Any]) -> Constructor:
    """Return how objects of a mapped class are made."""
    model = mapper.class_
    function, owner = _initializer_of(model)
    if function is None or function is _DECLARATIVE:
        return Constructor()
    if _is_generated(function, owner):
        return _of_dataclass(mapper, function)
    if function.__module__.partition(".")[0] == "sqlmodel":
        # Pydantic calls this after its `__init__`: model_post_init, or private attributes.
        is_own = bool(getattr(model, "__pydantic_post_init__", None))
        return Constructor(kind="called", is_own=is_own, takes_any=True, own_name="model_post_init")
    return _of_signature(function)


def _initializer_of(model: type[Any]) -> tuple[Any, type[Any]]:
    """Return the first `__init__` that does more than to call its parent's, and its class."""
    found = ((_unwrapped(owner.__dict__.get("__init__")), owner) for owner in model.__mro__)
    plain = (None, object.__init__)
    own = (each for each in found if each[0] not in plain and not _only_calls_parent(each[0]))
    return next(own, (None, object))


def _unwrapped(function: Any) -> Any:
    # SQLAlchemy wraps each `__init__`, and that of a base class again.
    while (wrapped := initializer_below(function)) is not None:
        function = wrapped
    return function


def _only_calls_parent(function: Any) -> bool:
    """Tell whether a function's code has no name and no constant for anything else."""
    if not isinstance(function, FunctionType) or function.__defaults__ or function.__kwdefaults__:
        return False
    code = function.__code__
    has_star = code.co_argcount == 1 and code.co_flags & inspect.CO_VARKEYWORDS
    constants = {each for each in code.co_consts if each != function.__doc__}
    names = {*code.co_names, *code.co_freevars}
    return bool(has_star) and names <= _PASSED_NAMES and constants <= {None, ()}


def _is_generated(function: Any, owner: type[Any]) -> bool:
    # The code that dataclasses generate is in no file.
    code = getattr(function, "__code__", None)
    return code is not None and dataclasses.is_dataclass(owner) and code.co_filename == "<string>"


def _of_dataclass(mapper: Mapper[Any], function: Any) -> Constructor:
    model = mapper.class_
    fields = {field.name: field for field in dataclasses.fields(model)}
    mapped = set(mapper.all_orm_descriptors.keys())
    found = _of_signature(function)
    initial = {
        name: field.default_factory
        for name, field in fields.items()
        if name not in mapped and field.default_factory is not dataclasses.MISSING
    }
    # InitVars, which are no fields, go to __post_init__ in their order.
    names = list(inspect.signature(function).parameters)[1:]
    passed = [name for name in names if name not in fields and name not in mapped]
    return Constructor(
        kind="dataclass", is_own=hasattr(model, "__post_init__"), positional=tuple(passed),
        defaults={name: found.defaults[name] for name in passed if name in found.defaults},
        required=found.required - mapped, initial=initial,
        computed=frozenset(name for name, field in fields.items() if not field.init),
        own_name="__post_init__",
    )  # fmt: skip


def _of_signature(function: Any) -> Constructor:
    _, *parameters = inspect.signature(function).parameters.values()
    singles = [each for each in parameters
               if each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}]  # fmt: skip
    by_place = tuple(each.name for each in singles if each.kind is each.POSITIONAL_ONLY)
    defaults = {each.name: each.default for each in singles if each.default is not each.empty}
    names = frozenset(each.name for each in singles)
    return Constructor(
        kind="called", is_own=True, positional=by_place, defaults=defaults,
        named=names.difference(by_place), required=names - defaults.keys(),
        takes_any=any(each.kind is each.VAR_KEYWORD for each in parameters),
        computed=_computed_in(function),
    )  # fmt: skip


def _computed_in(function: Any) -> frozenset[str]:
    """Return the attributes that a function sets, and whose names it uses for nothing else."""
    stored: set[str] = set()
    used: set[str] = set()
    code = getattr(function, "__code__", None)
    for instruction in () if code is None else dis.get_instructions(code):
        if instruction.opname == "STORE_ATTR":
            stored.add(instruction.argval)
        elif isinstance(instruction.argval, str):
            used.add(instruction.argval)
    return frozenset(stored - used)
