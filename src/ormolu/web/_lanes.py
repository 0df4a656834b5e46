"""A lane instead of the request's session, where nobody could tell one from the other.

FastAPI has solved the dependencies by then. What the session has done so far must be nothing that
a lane would not see, and nothing that the session's end could still undo.
"""

from __future__ import annotations

import logging
import traceback
import weakref
from collections.abc import Awaitable
from typing import NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Scope

from ormolu.errors import NoUnitOfWorkError, RefusedError, UnavailableError
from ormolu.lanes import Lanes, NotDoneError, UnplannableError, lanes_of
from ormolu.sessions import has_session_listeners
from ormolu.transactions import Access
from ormolu.web._door import DoorMaker, Reply
from ormolu.web._questions import may_refuse_later
from ormolu.web._units import units_of

__all__ = ["LanesAtHand", "attempt", "lanes_for"]

_log = logging.getLogger("ormolu")

# Of which an unexpected error was logged.
_told: weakref.WeakSet[DoorMaker] = weakref.WeakSet()


class LanesAtHand(NamedTuple):
    """Where a request may be answered without its session.

    Attributes:
        lanes: Of the session's database.
        dialect: Of that.
    """

    lanes: Lanes
    dialect: Dialect


def lanes_for(scope: Scope, session: AsyncSession, access: Access) -> LanesAtHand | None:
    """Return the lanes that may do the work of a request's session; None if only that can.

    Args:
        scope: Of the request.
        session: What the program gave the route for it.
        access: Whether the work writes.
    """
    units = units_of(scope).items()
    found = next(((engines, unit) for engines, unit in units if unit.is_of(session)), None)
    if found is None:
        return None
    engines, unit = found
    if not unit.leaves_nothing(access):
        return None
    if access is Access.WRITE and may_refuse_later(scope):
        return None
    try:
        return LanesAtHand(
            lanes_of(engines, has_session_listeners), engines.opened.reader.sync_engine.dialect
        )
    except (NotDoneError, NoUnitOfWorkError):
        return None


async def attempt(answer: Awaitable[Reply | None], maker: DoorMaker, name: str) -> Reply | None:
    """Return the answer of a lane; None if there is none and nothing was changed.

    Args:
        answer: What may come of it.
        maker: What is asked.
        name: What the log calls that.

    Raises:
        UnavailableError: There is no outcome, and none to be had by trying again.
        Exception: Of a write: nobody knows what came of it.
    """
    try:
        return await answer
    except (NotDoneError, RefusedError, UnplannableError):
        return None
    except UnavailableError:
        raise
    except Exception as error:
        _tell(maker, name, error)
        if not maker.is_read:
            raise
        # Code of the program's own, such as a type, may have failed: it will by the session too.
        return None


def _tell(maker: DoorMaker, name: str, error: Exception) -> None:
    """Log what was not expected, the first time: each of its requests may meet it."""
    if maker in _told:
        return
    _told.add(maker)
    place = traceback.extract_tb(error.__traceback__)[-1]
    _log.warning(
        "%s: its door failed with %s (%s, line %s in %s); FastAPI's route answers. "
        "This is said once.",
        name, type(error).__name__, place.filename, place.lineno, place.name,
    )  # fmt: skip
