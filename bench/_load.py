"""The load: wrk with a script of ours, which makes random requests and prints exact figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench._callers import CALLERS, TENANTS, token
from bench._content import USERS
from bench._notes import NOTES
from bench._requests import PLACE, Request

__all__ = ["Load", "Outcome", "require_wrk"]

_TIMEOUT_SECONDS = 30

_SCRIPT = """
%(start)s
init = function(args) math.randomseed(tonumber(args[1])) end

request = function()
%(request)s
end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\nOUTCOME {"requests":%%d,"seconds":%%f,"refused":%%d,"broken":%%d,"p50":%%f,"p99":%%f}\\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""
# What stands in the places of a request, in Lua. One's own are the notes of the caller's tenant.
_VALUES = {
    "id": "math.random(1, {ids})",
    "limit": "math.random(95, 105)",
    "number": "math.random(10000000, 99999999)",
    "token": "tokens[caller]",
    "tenant": f"(caller % {TENANTS} + 1)",
    "own_id": f"({TENANTS} * math.random(1, {NOTES // TENANTS - 1}) + caller % {TENANTS})",
}
_CALLER = f"  local caller = math.random(1, {CALLERS})\n"


@dataclass(frozen=True)
class Outcome:
    """What wrk counted: answers, those with a status over 399, and times in microseconds."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p99: float

    @property
    def successes(self) -> int:
        """How many answers were no errors."""
        return self.requests - self.refused


@dataclass(frozen=True)
class Load:
    """Requests of one pattern to one server; `ids` is how many rows a random id is of."""

    port: int
    request: Request
    folder: Path
    ids: int = USERS

    def run(self, connections: int, seconds: int, seed: int) -> Outcome:
        """Send requests for some seconds, each connection its next when it has the answer."""
        place = f"http://127.0.0.1:{self.port}/"
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            f"--timeout={_TIMEOUT_SECONDS}s",
        ]
        done = subprocess.run(
            [*command, "-s", str(self.script()), place, "--", str(seed)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        _, found, figures = done.stdout.partition("OUTCOME ")
        if not found:
            message = f"wrk failed on {self.request.path}: {done.stdout} {done.stderr}"
            raise RuntimeError(message)
        return Outcome(**json.loads(figures))

    def script(self) -> Path:
        """Return the script for wrk, written at the first time."""
        name = sha256(f"{self.port} {self.request}".encode()).hexdigest()[:16]
        script = self.folder / f"load_{name}.lua"
        if not script.exists():
            script.write_text(_SCRIPT % _lua_of(self.request, self.ids))
        return script


def _lua_of(request: Request, ids: int) -> dict[str, str]:
    """Return the Lua that runs once, and the Lua that makes each request."""
    head = f"{request.method} {request.path} HTTP/1.1\r\nHost: localhost\r\n"
    head += "".join(f"{name}: {text}\r\n" for name, text in request.all_headers.items())
    if request.body is None:
        lines = f"  return {_expression(head, ids)} .. '\\r\\n'"
    else:
        lines = f"  local body = {_expression(request.body, ids)}\n"
        length = "'Content-Length: ' .. #body .. '\\r\\n\\r\\n'"
        lines += f"  return {_expression(head, ids)} .. {length} .. body"
    if "{token}" not in head:
        return {"start": "", "request": lines}
    tokens = ", ".join(f'"{token(caller)}"' for caller in range(1, CALLERS + 1))
    return {"start": f"local tokens = {{{tokens}}}", "request": _CALLER + lines}


def _expression(text: str, ids: int) -> str:
    """Return a pattern as an expression of Lua, whose strings are written as those of JSON."""
    # `split` gives texts and the names of places in turns.
    parts = PLACE.split(text)
    values = [_VALUES[name].format(ids=ids) for name in parts[1::2]]
    return " .. ".join(
        part
        for text, value in zip(parts[::2], [*values, None], strict=True)
        for part in (json.dumps(text), value)
        if part is not None
    )


def require_wrk() -> None:
    """Leave with one sentence if there is no wrk."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmark's load generator is not installed: apt-get install wrk")
