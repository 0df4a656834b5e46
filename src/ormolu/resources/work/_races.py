"""Operations that lose a race against others, and are done once more where nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.faults import fault_of
from ormolu.resources.declare import Declaration
from ormolu.sessions import UnitSession

__all__ = ["MOST_RACES", "repeating"]

# How often an operation is done because others were faster.
MOST_RACES = 5

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Caller(Protocol):
    """Whose operations are done, and where."""

    declaration: Declaration
    session: AsyncSession


_C = TypeVar("_C", bound=_Caller)


def repeating(
    operation: Callable[Concatenate[_C, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_C, _P], Coroutine[Any, Any, _T]]:
    """Let an operation be done once more after a deadlock, where its session has done nothing else.

    A deadlock undoes the whole transaction, so what was done before would be lost; a hook may have
    done more than the transaction undoes.
    """

    @wraps(operation)
    async def run(self: _C, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        is_alone = isinstance(self.session, UnitSession) and self.session.is_untouched
        left = MOST_RACES if is_alone and not self.declaration.hooks else 1
        while True:
            left -= 1
            try:
                return await operation(self, *args, **kwargs)
            except StatementError as error:
                if not left or not fault_of(error).is_lost_race:
                    raise
            await self.session.rollback()

    return run
