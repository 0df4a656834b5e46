"""What is made once for a mapped class, and anew when an attribute was added to it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy.orm import Mapper

from ormolu.seams import count_attributes

__all__ = ["cached_on_mapper"]

_S = TypeVar("_S", bound=Hashable)
_T = TypeVar("_T")


def cached_on_mapper(mapper: Mapper[Any], make: Callable[[_S], _T], subject: _S) -> _T:
    """Return what a function makes of something, which is kept for the next call.

    Args:
        mapper: Of the class that it is about, and is kept with: elsewhere it, which refers to the
            class, would keep that for good.
        make: The function.
        subject: Its argument.
    """
    info = mapper.class_manager.info
    count = count_attributes(mapper)
    kept: tuple[int, _T] | None = info.get((make, subject))
    if kept is None or kept[0] != count:
        kept = info[make, subject] = (count, make(subject))
    return kept[1]
