"""What is left of a database in memory when its process ends, however it does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from ormolu.testing._postgresql import free_port

_PROGRAM = [sys.executable, "-m", "tests.integration.programs.use_memory"]


def is_gone(folder: Path) -> bool:
    """Tell whether a folder goes, give or take a moment."""
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not folder.exists()


@pytest.mark.long
@pytest.mark.parametrize("how", ["end", "fork"])
def test_program_that_ends(how: str) -> None:
    """Nothing is left; a forked child that ends takes nothing of its parent's."""
    done = subprocess.run([*_PROGRAM, how], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip()
    assert is_gone(Path(done.stdout.strip()))


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_program_that_is_killed(how: signal.Signals) -> None:
    """Nothing is left, though no code of the program runs."""
    command = [*_PROGRAM, "wait"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.is_dir()
        process.send_signal(how)
        assert process.wait(timeout=20) != 0
    assert is_gone(folder)


@pytest.mark.long
def test_uvicorn_that_is_told_to_end(tmp_path: Path) -> None:
    """A server that dies of SIGTERM after its shutdown leaves nothing either."""
    (tmp_path / "main.py").write_text(
        "from fastapi import FastAPI\nfrom ormolu import Database\n"
        "app = FastAPI()\ndb = Database('sqlite://')\ndb.attach(app)\n"
        "app.add_api_route('/where', lambda: db.url.database)\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", f"{port}"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        folder = Path(_ask(f"http://127.0.0.1:{port}/where")).parent.parent
        assert folder.is_dir()
        process.terminate()
        process.wait(timeout=20)
    assert is_gone(folder)


def _ask(url: str) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            return str(httpx2.get(url).json())
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
