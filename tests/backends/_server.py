"""What all servers have in common: a folder, a port, one process that does not outlive us."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ormolu.testing._binaries import identity, make_folder
from ormolu.testing._postgresql import free_port

__all__ = ["MissingServerError", "Server", "stopped", "wait_until"]

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 30.0
# Looked up before any fork: a child of a threaded process must not load libraries.
_set_process_control = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class MissingServerError(Exception):
    """The machine has no such server; the message says how to install it."""


def wait_until(look: Callable[[], Any], what: str) -> None:
    """Look until it is so, for as long as a busy machine may need.

    Raises:
        TimeoutError: It did not come to be.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not look():
        if time.monotonic() > deadline:
            message = f"{what} in {_START_SECONDS:.0f} s."
            raise TimeoutError(message)
        time.sleep(0.002)


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    """Let processes do nothing for the time of the block; their host answers for their sockets.

    A signal reaches one thread, which stops the others: on a busy machine those go on for a while,
    so the block begins when all have stopped.
    """
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        if sys.platform == "linux":
            for process in processes:
                wait_until(partial(_have_stopped, process), f"{process} stopped")
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def _have_stopped(process: int) -> bool:
    try:
        stats = [stat.read_text() for stat in Path(f"/proc/{process}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):  # A thread ended while we looked.
        return False
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


class Server:
    """One server process in a folder of its own.

    A subclass gives the command and the way to ask whether it answers.
    """

    name: str
    death_signal = signal.SIGKILL
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = make_folder(f"ormolu-{self.name}-", self.place())
        self._process: subprocess.Popen[bytes] | None = None
        self._empty: list[str] = []
        # The kernel signals a server when the thread that started it ends, so that one stays.
        self._starter = ThreadPoolExecutor(1)

    def place(self) -> Path | None:
        """Return the folder to make the server's own in, None for one in memory."""
        return None

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Tell whether the server takes connections."""
        raise NotImplementedError

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        raise NotImplementedError

    def empty_database(self, name: str) -> None:
        """Drop all that is in a database, whoever uses it."""
        raise NotImplementedError

    def lend_database(self) -> str:
        """Return the name of an empty database, to be given back."""
        if self._empty:
            return self._empty.pop()
        name = f"t{uuid.uuid4().hex[:16]}"
        self.create_database(name)
        return name

    def take_back(self, name: str) -> None:
        """Empty a database that was lent, for the next: that is cheaper than to make one anew."""
        self.empty_database(name)
        self._empty.append(name)

    @property
    def is_running(self) -> bool:
        """Whether the process that we started lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, with the data of the last time, and wait until it answers."""
        self._process = self._starter.submit(self._launch).result()
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if not self.is_running or time.monotonic() > deadline:
                text = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                message = f"{self.name} did not start: {text}"
                raise RuntimeError(message)
            time.sleep(0.05)

    def stop(self) -> None:
        """Shut down cleanly and wait for the end."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Kill without warning, as a crash does."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """Kill and delete the data."""
        self.kill()
        self._starter.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._die_with_parent,
                **identity(),
            )

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(_START_SECONDS)
        self._process = None

    def _die_with_parent(self) -> None:
        # Runs in the child after the change of user, which would clear the setting.
        if _set_process_control is not None:
            _set_process_control(_PR_SET_PDEATHSIG, self.death_signal)
