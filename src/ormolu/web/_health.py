"""Liveness and readiness: is the process alive, and can it work with its databases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ormolu.backends import Unreadiness
from ormolu.engines import Engines, describe_pools, describe_replicas, examine
from ormolu.lanes import why_no_lanes
from ormolu.limits import Limit
from ormolu.web._problems import Problem, Problems

__all__ = ["PROBES", "Probe", "add_health_routes"]

PROBES = ("/healthz", "/readyz")

# A readiness probe must not become load of its own: one question a second.
_FRESH_SECONDS = 1.0

# Seconds that it may take, at least: as many as a server may be silent.
_TIMEOUT = 1.0

_DETAILS: Mapping[Unreadiness, str] = {
    "unreachable": "The database is not available.",
    "read_only": "The database takes no changes.",
    "cluster_not_ready": "The node of the database is not ready to serve.",
    "disk_full": "The database has no space left.",
    "file_gone": "The file of the database is gone.",
    "file_replaced": "The file of the database was replaced by one that lacks its tables.",
}

Findings = Mapping[str, Unreadiness | None]


class Probe:
    """Looks at one database, at most once a second."""

    def __init__(self, ping: Callable[[], Awaitable[None]], engines: Engines) -> None:
        self._ping = ping
        self._engines = engines
        self._answer: asyncio.Future[Findings] | None = None
        self._fresh_until = 0.0

    async def look(self) -> Findings:
        """Return what keeps the database from serving, as it was within the last second.

        Probes that come while it is being asked wait for that answer.
        """
        answer = self._answer
        if answer is None or self._is_old(answer):
            answer = self._answer = asyncio.ensure_future(self._find())
        # Shielded: a probe that gives up must not end the question of the others.
        return await asyncio.shield(answer)

    def _is_old(self, answer: asyncio.Future[Findings]) -> bool:
        if answer.get_loop() is not asyncio.get_running_loop() or answer.cancelled():
            return True
        return answer.done() and time.monotonic() >= self._fresh_until

    async def _find(self) -> Findings:
        try:
            async with Limit(max(_TIMEOUT, self._engines.options.connect_timeout)):
                return await examine(self._engines, self._ping)
        except TimeoutError:
            return {"connection": "unreachable"}
        finally:
            self._fresh_until = time.monotonic() + _FRESH_SECONDS

    def describe(self, findings: Findings) -> Mapping[str, Any]:
        """Return what `/readyz?verbose` says of the database: no place, no name, no value."""
        return {
            "checks": {name: reason or "ok" for name, reason in findings.items()},
            "pools": describe_pools(self._engines),
            "replicas": describe_replicas(self._engines),
            "lanes": why_no_lanes(self._engines) or "ok",
            "schema": self._engines.schema,
        }


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
        found = [(probe, await probe.look()) for probe in probes]
        reasons: list[Unreadiness] = [
            each for _, findings in found for each in findings.values() if each
        ]
        more: dict[str, Any] = {}
        if "verbose" in request.query_params:
            more = {"databases": [probe.describe(findings) for probe, findings in found]}
        if not reasons:
            return JSONResponse({"status": "ok", **more})
        problem = Problem(
            status=503,
            code="database_unavailable",
            detail=_DETAILS[reasons[0]],
            headers={"Retry-After": "1"},
            extra={"reason": reasons[0], **more},
        )
        return problems.answer(request, problem)

    app.add_route(PROBES[0], healthz, include_in_schema=False)
    app.add_route(PROBES[1], readyz, include_in_schema=False)
