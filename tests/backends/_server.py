"""What all servers have in common: a folder, a port, one process that does not outlive us."""

from __future__ import annotations

import ctypes
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["MissingServerError", "Server", "free_port", "run_unprivileged"]

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 30.0
# Below Linux's ephemeral ports: a client must not get a server's port while that is stopped.
_PORTS = range(20_000, 32_000)
# Looked up before any fork: a child of a threaded process must not load libraries.
_set_process_control = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class MissingServerError(Exception):
    """The machine has no such server; the message says how to install it."""


def free_port() -> int:
    """Return a port of the loopback that nobody uses at the moment."""
    # Not the seeded generator: pytest workers with one seed would take the same ports.
    candidates = random.SystemRandom().sample(_PORTS, 100)
    return next(port for port in candidates if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def unprivileged_user() -> pwd.struct_passwd | None:
    """Return the user to run servers as, None if we are not root anyway."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def run_unprivileged(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command as the servers' user and return what it printed; raise if it fails."""
    user = unprivileged_user()
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(  # type: ignore[call-overload]
        command, check=False, text=True, capture_output=True, **who, **options
    )
    if done.returncode:
        message = f"{command[0]} failed: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        raise RuntimeError(message)
    return done  # type: ignore[no-any-return]


def _roomy_memory() -> Path | None:
    """Return the folder of a memory file system with room for servers: each DDL syncs a disk."""
    memory = Path("/dev/shm")
    is_usable = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30
    return memory if is_usable else None


class Server:
    """One server process in a folder of its own.

    A subclass gives the command and the way to ask whether it answers.
    """

    name: str
    death_signal = signal.SIGKILL
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"ormolu-{self.name}-", dir=self.place()))
        self._process: subprocess.Popen[bytes] | None = None
        # The kernel signals a server when the thread that started it ends, so that one stays.
        self._starter = ThreadPoolExecutor(1)
        user = unprivileged_user()
        if user is not None:
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    def place(self) -> Path | None:
        """Return the folder to make the server's own in, None for the usual one."""
        return _roomy_memory()

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Tell whether the server takes connections."""
        raise NotImplementedError

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
        user = unprivileged_user()
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._die_with_parent,
                **who,
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
