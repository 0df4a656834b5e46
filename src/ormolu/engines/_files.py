"""What is wrong with the file of a SQLite database, and what to do: SQLite names no file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ormolu.engines._url import Target
from ormolu.errors import ConfigurationError
from ormolu.faults import Fault
from ormolu.sqlite_codes import MOVED_FILE

__all__ = ["advise", "check_folder", "file_of", "is_of_file"]

# Advice by the beginning of SQLite's error name; the longest match counts.
_ADVICE = {
    "SQLITE_CANTOPEN": (
        "{path} cannot be opened: it is a folder, or this user may not read and write it or make "
        "files in {folder}"
    ),
    "SQLITE_CORRUPT": (
        "{path} is damaged: restore a backup, or save what can be read by `sqlite3 {path} .recover`"
    ),
    "SQLITE_FULL": (
        "the disk of {folder} has no space left, or {path} has all pages of max_page_count"
    ),
    "SQLITE_IOERR": "the disk of {folder} fails, or takes no locks, as network file systems may",
    "SQLITE_NOTADB": (
        "{path} is no SQLite database, or encrypted by a key that was not given. Is the URL right? "
        "An encrypted one needs connect_args with module and connect: docs/sqlite.md"
    ),
    "SQLITE_PERM": "this user may not use {path}",
    "SQLITE_READONLY": (
        "{path} cannot be written: this user may not, the disk is mounted read only, or the URL "
        "says so"
    ),
    "SQLITE_READONLY_CANTINIT": (
        "the write-ahead log of {path} cannot be read: this user may not write in {folder}"
    ),
    MOVED_FILE: (
        "{path} was deleted or replaced while it was open, and nothing is written to what was "
        "there before; new connections open what is there now"
    ),
    "SQLITE_READONLY_DIRECTORY": (
        "this user may not write in {folder}, where SQLite keeps the write-ahead log beside "
        "{path}. Let it, or open a file that nobody changes by "
        '"sqlite:///file:{path}?immutable=1&uri=true"'
    ),
}


def advise(fault: Fault, target: Target) -> Fault:
    """Return a fault with what to do about the file, where it is about that."""
    if not target.backend.is_file or fault.native is None or fault.advice is not None:
        return fault
    found = [name for name in _ADVICE if fault.native.startswith(name)]
    if not found:
        return fault
    path = _path_of(target)
    advice = _ADVICE[max(found, key=len)].format(path=path, folder=path.parent)
    return replace(fault, advice=advice)


def file_of(target: Target) -> Path | None:
    """Return the file of a database that is open; None if it has none of its own."""
    if not target.backend.is_file or target.is_memory:
        return None
    path = _path_of(target)
    # A VFS may keep it elsewhere.
    return path if path.exists() else None


def check_folder(target: Target) -> None:
    """Check that there is a folder for the file.

    Raises:
        ConfigurationError: There is none.
    """
    database = target.url.database or ""
    if not target.backend.is_file or database.startswith("file:"):
        return
    folder = Path(database).resolve().parent
    if not folder.is_dir():
        message = f'There is no folder "{folder}" for the SQLite file. Run: mkdir -p "{folder}"'
        raise ConfigurationError(message)


def is_of_file(fault: Fault) -> bool:
    """Tell whether it is the file that cannot be written, which a read may need too."""
    return (fault.native or "").startswith("SQLITE_READONLY_")


def _path_of(target: Target) -> Path:
    # Cut the query off a `file:` URI: it may hold a key.
    database = (target.url.database or "").partition("?")[0].removeprefix("file:")
    return Path(database).resolve()
