"""Every driver call of a request fails once; what was answered is what is stored.

The loop of SQLite's own tests, one level up: fail call N for N = 1, 2, ... until the request
passes untouched. The only answer that may leave the outcome open is the one that says so.
"""

from __future__ import annotations

import httpx2
import pytest

from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.reliability._bank import OPERATIONS, SEEDED, Operation, State, app_of, database_of
from tests.reliability._faults import FAULTS, Fault, Injector
from tests.reliability._observer import observer_of, violations_after

_MAX_CALLS = 60


def allowed_states(operation: Operation, response: httpx2.Response) -> set[State]:
    """Return what may be stored after this answer."""
    if response.status_code < 400:
        return {operation.result}
    if response.json()["code"] == "outcome_unknown":
        return {SEEDED, operation.result}
    return {SEEDED}


async def find_violations(
    url: str,
    backend: Backend,
    injector: Injector,
    operation: Operation,
    fault: Fault,
    *,
    cold: bool,
) -> list[str]:
    """Fail each call of an operation in turn; return what went wrong, and where."""
    db, target = database_of(url), 0
    found: list[str] = []
    async with client_of(app_of(db)) as client, observer_of(backend, url) as observer:
        while not target or injector.fired:
            target += 1
            assert target < _MAX_CALLS
            await observer.seed()
            await client.get("/users/1")
            if cold:
                await db._engines.opened.dispose()
            with injector.armed(*fault, target):
                response = await operation.send(client)
            case = f"{fault} {target} {injector.fired}: {response.status_code}"
            violations = await violations_after(
                db, client, observer, allowed_states(operation, response)
            )
            found.extend(f"{case}: {violation}" for violation in violations)
    assert target > 1
    return found


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_answer_is_true_whatever_call_fails(
    backend: Backend, database_url: str, injector: Injector, operation: Operation
) -> None:
    """2xx is stored, an error is not, and nothing of it reaches the pool or the next request."""
    for fault in FAULTS:
        found = await find_violations(database_url, backend, injector, operation, fault, cold=False)
        assert not found, "\n".join(found)


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS[:2], ids=str)
async def test_answer_is_true_when_opening_a_connection_fails(
    backend: Backend, database_url: str, injector: Injector, operation: Operation
) -> None:
    """The calls that set a new connection up may fail like all others."""
    for fault in (FAULTS[0], FAULTS[3]):
        found = await find_violations(database_url, backend, injector, operation, fault, cold=True)
        assert not found, "\n".join(found)
