"""A cache on a mapper, for what is computed once for its class."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy.orm import Mapper

from ormolu.seams import count_attributes

__all__ = ["cached_on_mapper"]

_S = TypeVar("_S", bound=Hashable)
_T = TypeVar("_T")


def cached_on_mapper(mapper: Mapper[Any], make: Callable[[_S], _T], subject: _S) -> _T:
    """Return what a function makes of something, from the cache if it is there.

    The cache dies with the class; a global cache would keep the class alive. An attribute that is
    added to the class later invalidates it.

    Args:
        mapper: Of the class that the subject is, or belongs to.
        make: The function.
        subject: Its argument.
    """
    cache = mapper.class_manager.info
    count = count_attributes(mapper)
    cached: tuple[int, _T] | None = cache.get((make, subject))
    if cached is None or cached[0] != count:
        cached = cache[make, subject] = (count, make(subject))
    return cached[1]
