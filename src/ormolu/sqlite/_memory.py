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

__all__ = ["make_memory_path"]

_MEMORY_FILE_SYSTEM = Path("/dev/shm")


def make_memory_path(owner: object) -> str:
    """Return the path of a new database file that is deleted with its owner.

    Args:
        owner: Object whose end, or the interpreter's, removes the file.
    """
    is_usable = os.access(_MEMORY_FILE_SYSTEM, os.W_OK)
    folder = tempfile.mkdtemp(prefix="ormolu-", dir=_MEMORY_FILE_SYSTEM if is_usable else None)
    weakref.finalize(owner, _remove, folder, os.getpid())
    return str(Path(folder) / "memory.db")


def _remove(folder: str, pid: int) -> None:
    # A forked child shares the folder with its parent, which still uses it.
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
