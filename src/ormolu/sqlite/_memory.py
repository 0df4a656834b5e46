"""Where an in-memory database lives: a private file on a memory file system.

A real `:memory:` database belongs to one connection, so that two sessions either share one
transaction or see two databases. A file gives each session its own transaction. It is deleted with
the object that holds it, and with the process however that ends: servers die of SIGTERM, which runs
no code of ours.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["MemoryFile", "memory_file"]

_MEMORY_FILE_SYSTEM = Path("/dev/shm")


class MemoryFile:
    """A new database file that is deleted once nobody holds this object.

    Attributes:
        path: Where it is.
    """

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(dir=_guarded_folder())
        weakref.finalize(self, _remove, folder, os.getpid())
        self.path: str = str(Path(folder) / "memory.db")


def memory_file(name: str = "") -> MemoryFile:
    """Return the file of an in-memory database; those with the same name share one."""
    if not name:
        return MemoryFile()
    file = _NAMED.get(name)
    if file is None:
        file = _NAMED[name] = MemoryFile()
    return file


# A shell that outlives this process for a moment: it waits for the end of a pipe whose other end
# only this process and its forks hold. In the background of another, so as to be nobody's child.
_GUARD = 'trap "" HUP INT TERM; { cat; rm -rf "$0"; } <&3 >/dev/null 2>&1 &'
_SHELL = "/bin/sh"


@cache
def _guarded_folder() -> str:
    """Return the folder of this process's databases, which goes with it and its forks."""
    is_usable = os.access(_MEMORY_FILE_SYSTEM, os.W_OK)
    folder = tempfile.mkdtemp(prefix="ormolu-", dir=_MEMORY_FILE_SYSTEM if is_usable else None)
    atexit.register(_remove, folder, os.getpid())
    if hasattr(os, "posix_spawn") and os.access(_SHELL, os.X_OK):  # pragma: no branch
        # Without a second process the folder is removed at an ordinary exit only.
        with suppress(OSError):
            _guard(folder)
    return folder


def _guard(folder: str) -> None:
    read_end, _write_end = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, read_end, 3),
        *((os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1, 2)),
    ]
    try:
        arguments = [_SHELL, "-c", _GUARD, folder]
        os.waitpid(os.posix_spawn(_SHELL, arguments, os.environ, file_actions=actions), 0)
    finally:
        os.close(read_end)


_NAMED: weakref.WeakValueDictionary[str, MemoryFile] = weakref.WeakValueDictionary()


def _remove(folder: str, pid: int) -> None:
    # A forked child shares the folder with its parent, which still uses it.
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
