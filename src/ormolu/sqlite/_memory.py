"""Where an in-memory database lives: a private file on a memory file system.

A real `:memory:` database belongs to one connection, so that two sessions either share one
transaction or see two databases. A file gives each session its own transaction.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path

__all__ = ["MemoryFile", "memory_file"]

_MEMORY_FILE_SYSTEM = Path("/dev/shm")


class MemoryFile:
    """A new database file that is deleted once nobody holds this object.

    Attributes:
        path: Where it is.
    """

    def __init__(self) -> None:
        is_usable = os.access(_MEMORY_FILE_SYSTEM, os.W_OK)
        folder = tempfile.mkdtemp(prefix="ormolu-", dir=_MEMORY_FILE_SYSTEM if is_usable else None)
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


_NAMED: weakref.WeakValueDictionary[str, MemoryFile] = weakref.WeakValueDictionary()


def _remove(folder: str, pid: int) -> None:
    # A forked child shares the folder with its parent, which still uses it.
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
