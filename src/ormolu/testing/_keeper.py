"""A process that runs a PostgreSQL server for all processes of a run, and ends it with the last.

Each of them holds the writing end of a pipe with a name, which the kernel closes with the process,
however that ends; the keeper waits for the end of that pipe. A program of its own, without the rest
of the package: it must start at once, and outlive whoever started it.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

__all__ = ["READY", "keep", "locked", "main"]

READY = "ready"

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; whoever holds it may delete it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                break
        # Deleted while we waited: others lock another file by now.
        os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)


def keep(
    folder: Path, record: Path, command: list[str], who: dict[str, Any], told: int
) -> None:  # pragma: no cover -- in a process of its own
    """Run the server until it ends or nobody uses it, then delete its folder.

    Args:
        folder: Of the server, with the pipe `users` in it.
        record: Where others find the server; there is a lock beside it.
        command: Runs the server in the foreground.
        who: Arguments of `Popen` for its user.
        told: Where to write `READY`, or why the server did not start.
    """
    # Whoever starts the keeper holds both ends, so this waits for nobody.
    users = os.open(folder / "users", os.O_RDONLY)
    server = _launch(folder, command, who)
    try:
        text = _wait(folder, server)
        os.write(told, text.encode())
        os.close(told)
        signal.signal(signal.SIGCHLD, lambda *_: sys.exit("The server ended."))
        while text == READY and server.poll() is None and not _is_deserted(users, record):
            pass
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        server.send_signal(signal.SIGQUIT)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_STOP_SECONDS)
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(
    folder: Path, server: "subprocess.Popen[Any]"
) -> str:  # pragma: no cover -- in a process of its own
    """Return `READY` once the server takes connections, else what it logged."""
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if "ready" in (folder / "data" / "postmaster.pid").read_text():
                return READY
        time.sleep(0.01)
    return (folder / "server.log").read_text(errors="replace")[-2000:]


def _is_deserted(users: int, record: Path) -> bool:  # pragma: no cover -- in a process of its own
    """Wait until nobody holds the pipe; then nobody finds the server, if still nobody does."""
    os.set_blocking(users, True)
    while os.read(users, 1):
        pass
    with locked(record.with_suffix(".lock")):
        os.set_blocking(users, False)
        with suppress(BlockingIOError):
            if not os.read(users, 1):
                for path in (record, record.with_suffix(".lock")):
                    path.unlink(missing_ok=True)
                with suppress(OSError):
                    record.parent.rmdir()
                return True
    return False


def _launch(  # pragma: no cover -- in a process of its own
    folder: Path, command: list[str], who: dict[str, Any]
) -> "subprocess.Popen[Any]":
    control = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def die_with_parent() -> None:
        # After the change of user, which would clear the setting.
        if control is not None:
            control(_PR_SET_PDEATHSIG, signal.SIGQUIT)

    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
            **who,
        )


def main(given: dict[str, Any]) -> None:  # pragma: no cover -- in a process of its own
    """Start a keeper in the background; leave once the server answers, or with what it said."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with open(reading) as answer:
            text = answer.read()
        sys.exit(None if text == READY else text or "The keeper died.")
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nothing, each)
    paths = Path(given["folder"]), Path(given["record"])
    keep(*paths, given["command"], given["who"], writing)


if __name__ == "__main__":  # pragma: no cover -- in a process of its own
    main(json.loads(sys.argv[1]))
