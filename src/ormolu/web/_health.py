"""Liveness and readiness: is the process alive, and can it reach its databases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ormolu.limits import Limit
from ormolu.web._problems import Problem, Problems

__all__ = ["PROBES", "Probe", "add_health_routes"]

PROBES = ("/healthz", "/readyz")

# A readiness probe must not become load of its own: one question a second.
_FRESH_SECONDS = 1.0


class Probe:
    """Asks one database for a sign of life, at most once a second."""

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        self._ping = ping
        self._answer: asyncio.Future[bool] | None = None
        self._fresh_until = 0.0

    async def is_ready(self) -> bool:
        """Tell whether the database answered within the last second.

        Probes that come while it is being asked wait for that answer.
        """
        answer = self._answer
        if answer is None or self._is_old(answer):
            answer = self._answer = asyncio.ensure_future(self._answers())
        # Shielded: a probe that gives up must not end the question of the others.
        return await asyncio.shield(answer)

    def _is_old(self, answer: asyncio.Future[bool]) -> bool:
        if answer.get_loop() is not asyncio.get_running_loop() or answer.cancelled():
            return True
        return answer.done() and time.monotonic() >= self._fresh_until

    async def _answers(self) -> bool:
        try:
            async with Limit(_FRESH_SECONDS):
                await self._ping()
        except Exception:
            return False
        finally:
            self._fresh_until = time.monotonic() + _FRESH_SECONDS
        return True


def add_health_routes(app: FastAPI, probes: list[Probe], problems: Problems) -> None:
    """Add `/healthz`, which never asks a database, and `/readyz`, which asks all of them.

    Args:
        app: Application that gets the routes.
        probes: One per attached database; more may be appended later.
        problems: Shape of the 503 answer.
    """

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        if all([await probe.is_ready() for probe in probes]):
            return JSONResponse({"status": "ok"})
        problem = Problem(
            status=503,
            code="database_unavailable",
            detail="The database is not available.",
            headers={"Retry-After": "1"},
        )
        return problems.answer(request, problem)

    app.add_route(PROBES[0], healthz, include_in_schema=False)
    app.add_route(PROBES[1], readyz, include_in_schema=False)
