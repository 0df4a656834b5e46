"""Requests made from the shop's OpenAPI document, by schemathesis: nothing may be a 5xx or untrue.

`python -m tests.resources.fuzz 600` runs for so many seconds on SQLite; the suite runs a little of
it. The answers are checked against the document too: status, type, schema, headers.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx2
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ormolu.testing._postgresql import free_port
from tests.integration.subprocesses import BIN, serving

_CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
_PATHS = ("/customers", "/products", "/orders", "/lines")


def fuzz(url: str, *, examples: int, start: int = 0) -> int:
    """Send so many requests to each operation; return how many were sent in all.

    Raises:
        AssertionError: An answer was wrong, or a list cannot be read afterwards.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    sent = 0
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        if not operation.path.startswith(_PATHS):
            continue

        @seed(start)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            nonlocal sent
            sent += 1
            case.call_and_validate(checks=_CHECKS, headers={"X-Customer-Id": "1"})

        try:
            run()
        except (Failure, BaseExceptionGroup) as error:
            message = f"{operation.method} {operation.path}: {error}"
            raise AssertionError(message) from error
    _read_everything(url)
    return sent


def _read_everything(url: str) -> None:
    """Walk through every list: nothing that was stored may break it."""
    with httpx2.Client(base_url=url, headers={"X-Customer-Id": "1"}) as client:
        for path in _PATHS:
            cursor = ""
            while True:
                answer = client.get(f"{path}?limit=1000{cursor}")
                assert answer.status_code == 200, answer.text
                json.dumps(answer.json(), allow_nan=False)
                if answer.json()["next_cursor"] is None:
                    break
                cursor = f"&cursor={answer.json()['next_cursor']}"


@contextmanager
def shop_server() -> Iterator[str]:
    """Serve the shop on a new SQLite file; give its address."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        # Its log goes to a file: a pipe that nobody reads is full after an hour's warnings.
        program = f"{BIN}/uvicorn --app-dir examples/shop main:app --port {port}"
        command = ["sh", "-c", f"exec {program} > {folder}/server.log 2>&1"]
        environment = {"DATABASE_URL": f"sqlite:///{folder}/shop.db"}
        with serving(command, port, signal.SIGTERM, environment):
            yield f"http://127.0.0.1:{port}"


def main(seconds: float) -> None:
    """Fuzz the shop for a while."""
    end = time.monotonic() + seconds
    with shop_server() as url:
        for number in count():
            sent = fuzz(url, examples=50, start=number)
            print(f"{number}: {sent} requests, nothing found", flush=True)
            if time.monotonic() > end:
                return


if __name__ == "__main__":
    main(float(sys.argv[1]))
