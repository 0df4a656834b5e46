"""The load: wrk with a script of ours, which makes random requests and prints exact figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench._content import USERS
from bench._rows import Row

__all__ = ["Load", "Outcome", "require_wrk"]

_TIMEOUT_SECONDS = 30

_SCRIPT = """
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
_ASK = """  return "%(method)s " .. %(path)s .. " HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\""""
_SEND = """  local body = '{"name":"User ' .. math.random(10000000, 99999999) .. '"}'
  return "%(method)s " .. %(path)s .. " HTTP/1.1\\r\\nHost: localhost\\r\\n" ..
    "Content-Type: application/json\\r\\nContent-Length: " .. #body .. "\\r\\n\\r\\n" .. body"""


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
    """One row's requests to one server."""

    port: int
    row: Row
    path: str
    folder: Path
    users: int = USERS

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
            [*command, "-s", str(self._script()), place, "--", str(seed)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        _, found, figures = done.stdout.partition("OUTCOME ")
        if not found:
            message = f"wrk failed on {self.path}: {done.stdout} {done.stderr}"
            raise RuntimeError(message)
        return Outcome(**json.loads(figures))

    def _script(self) -> Path:
        name = sha256(f"{self.port} {self.row.method} {self.path}".encode()).hexdigest()[:16]
        script = self.folder / f"load_{name}.lua"
        if not script.exists():
            shape = _SEND if self.row.sends_name else _ASK
            request = shape % {"method": self.row.method, "path": self._path_in_lua()}
            script.write_text(_SCRIPT % {"request": request})
        return script

    def _path_in_lua(self) -> str:
        text = f'"{self.path}"'.replace("{id}", f'" .. math.random(1, {self.users}) .. "')
        return text.replace("{limit}", '" .. math.random(95, 105) .. "')


def require_wrk() -> None:
    """Leave with one sentence if there is no wrk."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmark's load generator is not installed: apt-get install wrk")
