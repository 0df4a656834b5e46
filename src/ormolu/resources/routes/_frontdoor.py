"""The front door: requests answered by a work, past FastAPI, wherever that makes no difference.

Whatever a work hands over FastAPI's route answers as if there were no door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Dialect
from starlette.types import Scope

from ormolu.engines import Engines
from ormolu.lanes import Lanes
from ormolu.resources.declare import Declaration, Exposure, check_columns, check_variants
from ormolu.resources.http import Call, LaneExecutor, Operation, Work, open_for_all, run_on_lane
from ormolu.resources.routes._applications import find_resources
from ormolu.resources.routes._guarded import answer_by_work
from ormolu.resources.routes._placing import Asked, Asking, place
from ormolu.resources.work import EVERYBODY
from ormolu.transactions import Access
from ormolu.web import Door, LanesAtHand, Reply, Sent, units_of

__all__ = ["DoorMaker"]


@dataclass(frozen=True, kw_only=True)
class _Door:
    """Answers the requests of a route.

    Attributes:
        maker: What made it.
        engines: The database.
        exposure: What is shown.
        work: What answers whoever asks; None where the route depends on more than the session.
        at_hand: Where plans run.
        is_guarded: Whether who asks with what dependencies return may get more.
    """

    maker: DoorMaker
    engines: Engines
    exposure: Exposure
    work: Work | None
    at_hand: LanesAtHand
    is_guarded: bool

    @property
    def is_open(self) -> bool:
        """Tell whether it has answers for whoever asks."""
        return self.work is not None

    @property
    def is_outdated(self) -> bool:
        """Tell whether what is shown has to be looked at anew."""
        return self.exposure.registry.is_outdated

    async def answer(
        self, scope: Scope, body: Sent, given: Mapping[str, Any] | None
    ) -> Reply | None:
        """Answer a request; None hands it over, and so does an error of a request."""
        if given is not None:
            asked: Asked = given["asked"]
            access = Access.READ if self.maker.is_read else Access.WRITE
            unit = units_of(scope)[self.engines]
            if asked.exposure is not self.exposure or not unit.leaves_nothing(access):
                return None
            return await answer_by_work(self.maker.operation, scope, body, self.at_hand, asked)
        if self.work is None:
            return None
        self.work.opening.hybrids.check()
        executor = LaneExecutor(self.work, self.at_hand.lanes, EVERYBODY)
        call = Call(scope, body, self.work.declaration, executor)
        return await run_on_lane(self.maker.operation.handler, call, executor)


class DoorMaker:
    """Makes the doors of one endpoint, one for each database that it is served from.

    Attributes:
        operation: What they answer.
        reads_body: Whether its requests have a body.
        is_read: Whether nothing is changed, whatever comes of it.
        function: The endpoint.
        session: The dependency that gives the session.
    """

    def __init__(
        self,
        operation: Operation,
        asking: Asking,
        function: Callable[..., Any],
        session: Callable[..., Any],
    ) -> None:
        self.reads_body = operation.takes is not None
        self.is_read = operation.is_read
        self.function = function
        self.session = session
        self.operation = operation
        self._asking = asking

    @property
    def declaration(self) -> Declaration:
        """Return what the resource declares."""
        return self._asking.declaration

    def check(self, app: FastAPI, dialect: Dialect) -> None:
        """Check that the columns are the tables', and of the same values on all backends.

        Raises:
            ConfigurationError: They do not.
        """
        for each in find_resources(app).registry.exposure(self.declaration).reached:
            check_columns(each.declaration.mapper)
            check_variants(each.declaration, dialect)

    def make(self, app: FastAPI, engines: Engines, lanes: Lanes) -> Door:
        """Return the door of an application.

        Raises:
            ConfigurationError: It is not certain what a relation leads to there.
            NoDoorError: There is none.
        """
        dialect = engines.opened.reader.sync_engine.dialect
        exposure = place(app).exposure(self.declaration)
        work = open_for_all(self.operation, exposure, dialect)
        return _Door(
            maker=self,
            engines=engines,
            exposure=exposure,
            work=work if self.declaration.policy is None else None,
            at_hand=LanesAtHand(lanes, dialect),
            is_guarded=any(each.declaration.policy for each in exposure.reached),
        )
