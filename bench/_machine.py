"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from bench._contenders import Contender
from bench._processors import Cores

__all__ = ["describe"]

_PACKAGES = ("fastapi", "pydantic", "sqlalchemy", "uvicorn", "uvloop", "httptools")
_DRIVERS = ("aiosqlite", "asyncpg")
_TOKENS = ("pyjwt",)
_SYNCS = 200
_PEERS = ("fastcrud", "advanced-alchemy")


def describe(contenders: list[Contender], cores: Cores) -> list[str]:
    """Return the machine and the versions, one line each."""
    lines = [
        f"{_processor()}, {os.cpu_count()} cores, Linux {platform.release()}",
        f"server on core {cores.server}; wrk on core {cores.load}, where PostgreSQL runs too",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"PostgreSQL {_postgresql(contenders)}",
        ", ".join(f"{name} {version(name)}" for name in _PACKAGES + _DRIVERS + _TOKENS),
        f"one sync of the disk: {_sync_milliseconds(contenders[0].folder):.2f} ms (median)",
    ]
    peer = next((one for one in contenders if one.program.is_peer), None)
    if peer is not None:
        lines.append(f"peers' environment: {_versions_there(str(peer.program.python))}")
    return lines


def _sync_milliseconds(folder: Path) -> float:
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _postgresql(contenders: list[Contender]) -> str:
    databases = [one.database for one in contenders if one.backend == "postgresql"]
    return databases[0].version() if databases and databases[0] else "not used"


def _versions_there(python: str) -> str:
    names = _PEERS + _PACKAGES + _DRIVERS
    program = (
        "from importlib.metadata import version\n"
        f"print(', '.join(f'{{name}} {{version(name)}}' for name in {names!r}))"
    )
    done = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip()
