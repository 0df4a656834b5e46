"""The front door: requests that a work answers without FastAPI, where that makes no difference.

What a work cannot answer, FastAPI's route answers as if there were no door.
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
from ormolu.resources.http import (
    Call,
    LaneExecutor,
    Operation,
    Work,
    make_unrestricted_work,
    run_on_lane,
)
from ormolu.resources.routes._applications import find_resources
from ormolu.resources.routes._binding import PolicyDependency, ResolvedPolicies, bind_routes
from ormolu.resources.routes._guarded import answer_by_work
from ormolu.resources.work import NO_POLICIES
from ormolu.transactions import Access
from ormolu.web import Door, LanesAtHand, Reply, Sent, units_of

__all__ = ["DoorMaker"]


@dataclass(frozen=True, kw_only=True)
class _Door:
    """Answers the requests of a route.

    Attributes:
        maker: Made it.
        engines: The engines of the database.
        exposure: What is shown.
        work: Answers requests before any dependency is called; None where a policy applies.
        at_hand: The lanes.
        is_guarded: Whether a policy applies to the resource or its relations.
    """

    maker: DoorMaker
    engines: Engines
    exposure: Exposure
    work: Work | None
    at_hand: LanesAtHand
    is_guarded: bool

    @property
    def is_open(self) -> bool:
        """Tell whether it answers before any dependency is called."""
        return self.work is not None

    @property
    def is_outdated(self) -> bool:
        """Tell whether the exposure has to be found again."""
        return self.exposure.registry.is_outdated

    async def answer(
        self, scope: Scope, body: Sent, given: Mapping[str, Any] | None
    ) -> Reply | None:
        """Answer a request; None, or an error of the request, leaves it to FastAPI's route."""
        if given is not None:
            resolved: ResolvedPolicies = given["resolved"]
            access = Access.READ if self.maker.is_read else Access.WRITE
            unit = units_of(scope)[self.engines]
            if resolved.exposure is not self.exposure or not unit.leaves_nothing(access):
                return None
            return await answer_by_work(self.maker.operation, scope, body, self.at_hand, resolved)
        if self.work is None:
            return None
        self.work.context.hybrids.check()
        executor = LaneExecutor(self.work, self.at_hand.lanes, NO_POLICIES)
        call = Call(scope, body, self.work.declaration, executor)
        return await run_on_lane(self.maker.operation.handler, call, executor)


class DoorMaker:
    """Makes the doors of one endpoint, one for each database that it is served from.

    Attributes:
        operation: The operation that they answer.
        reads_body: Whether its requests have a body.
        is_read: Whether it never changes anything.
        function: The endpoint.
        session: The dependency that returns the session.
    """

    is_ormolu: bool = True

    def __init__(
        self,
        operation: Operation,
        dependency: PolicyDependency,
        function: Callable[..., Any],
        session: Callable[..., Any],
    ) -> None:
        self.reads_body: bool = operation.takes is not None
        self.is_read: bool = operation.is_read
        self.function: Callable[..., Any] = function
        self.session: Callable[..., Any] = session
        self.operation: Operation = operation
        self._dependency = dependency

    @property
    def declaration(self) -> Declaration:
        """Return the declaration of the resource."""
        return self._dependency.declaration

    @property
    def subject(self) -> Declaration:
        """Return the same, by which the application checks a resource once."""
        return self.declaration

    def check(self, app: FastAPI, dialect: Dialect) -> None:
        """Check that the columns are still the tables', and take the declared values here.

        Raises:
            ConfigurationError: A column is not so.
        """
        for each in find_resources(app).registry.exposure(self.declaration).reached:
            check_columns(each.declaration.mapper)
            check_variants(each.declaration, dialect)

    def make(self, app: FastAPI, engines: Engines, lanes: Lanes) -> Door:
        """Return the door of an application.

        Raises:
            ConfigurationError: It is not certain what a relation leads to there.
            NoDoorError: Only a session can run the operation.
        """
        dialect = engines.opened.reader.sync_engine.dialect
        exposure = bind_routes(app).exposure(self.declaration)
        work = make_unrestricted_work(self.operation, exposure, dialect)
        is_guarded = any(each.declaration.policy for each in exposure.reached)
        return _Door(
            maker=self,
            engines=engines,
            exposure=exposure,
            # The route asks all policies, whether or not a request reaches their rows.
            work=None if is_guarded else work,
            at_hand=LanesAtHand(lanes, dialect),
            is_guarded=is_guarded,
        )
