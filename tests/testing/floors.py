"""Measures 500 tests that each write and commit; `make kit`.

Says the seconds of the whole run, its start included, and the processor's: on a machine that does
other things only those say something. Fails where a run takes longer than it may.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bytecode import keep_bytecode

PROJECT = Path(__file__).parent / "project"
_OPTIONS = ("-q", "-o", "anyio_mode=auto", "-p", "no:asyncio", "-p", "no:schemathesis",
            "-p", "no:hypothesispytest", "-p", "no:cacheprovider")  # fmt: skip
# Seconds, of two cores with nothing else to do.
_FLOORS = {"sqlite:///towns.db": 10, "postgresql://u@nowhere.invalid/towns": 25}


def main() -> None:
    """Run the tests in a folder of their own, on each backend, and as two processes."""
    keep_bytecode()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("main", "conftest", "many"):
            text = (PROJECT / f"{name}.py").read_text()
            Path(folder, f"{name}.py").write_text(
                text.replace("tests.testing.project.main", "main")
            )
        # Libraries are compiled once on a machine.
        _run(folder, "sqlite:///towns.db", "--collect-only")
        late = [
            each
            for url, floor in _FLOORS.items()
            for way in ("test_session", "test_client", "test_starlette")
            for each in _measure(folder, url, floor, way)
        ]
    sys.exit("\n".join(late) or None)


def _measure(folder: str, url: str, floor: float, way: str) -> list[str]:
    late = []
    for workers in ((), ("-n", "2")):
        before, began_at = _cpu(), time.monotonic()
        _run(folder, url, "-k", way, *workers)
        took, used = time.monotonic() - began_at, _cpu() - before
        line = f"{url.partition(':')[0]:10} {way:14} {' '.join(workers):5}"
        print(f"{line} {took:6.1f} s, {used:6.1f} s of a processor; may take {floor} s", flush=True)
        if took > floor:
            late.append(f"{line}: {took:.1f} s, and may take {floor} s")
    return late


def _run(folder: str, url: str, *more: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pytest", "many.py", *_OPTIONS, *more],
        check=True, cwd=folder, env={**os.environ, "PROJECT_URL": url}, capture_output=True,
    )  # fmt: skip


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
