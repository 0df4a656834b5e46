"""Names for the parameters of a write, which no column of the table has.

SQLAlchemy calls the parameter of a new value like its column, and that of `C.phone == x` `phone_1`:
a table may have a column of that name, and then no statement could have both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Literal

from sqlalchemy import BindParameter
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors

from ormolu.sessions import cached_on_mapper

__all__ = ["Clause", "name_apart"]

# Where expressions stand.
Clause = Literal["set", "where", "returning"]

# Anonymous names end in a number; long ones are cut, and their number is hexadecimal.
_LIKE_ANONYMOUS = re.compile(r"_\d+\Z|.{40,}_[0-9a-f]+\Z", re.DOTALL)


def name_apart(parts: Iterable[Any], mapper: Mapper[Any], clause: Clause) -> list[Any]:
    """Return expressions whose parameters have other names than any column of a model.

    Args:
        parts: The expressions.
        mapper: Of the model that is written.
        clause: Where they will stand; each clause has names of its own.
    """
    prefix = cached_on_mapper(mapper, _prefix_for, mapper)
    if prefix is None:
        return [*parts]
    numbers = count()

    def rename(bind: BindParameter[Any]) -> None:
        if bind.unique:
            bind.key = f"{prefix}_{clause}_{next(numbers)}"

    return [_renamed(part, rename) for part in parts]


def _renamed(part: Any, rename: Callable[[Any], None]) -> Any:
    if not any(isinstance(each, BindParameter) for each in visitors.iterate(part)):
        return part
    return visitors.cloned_traverse(part, {}, {"bindparam": rename})


def _prefix_for(mapper: Mapper[Any]) -> str | None:
    """Return what no column's name begins with; None if none is like an anonymous one."""
    names = {column.key for table in mapper.tables for column in table.columns}
    if not any(map(_LIKE_ANONYMOUS.search, names)):
        return None
    prefix = "bound"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix
