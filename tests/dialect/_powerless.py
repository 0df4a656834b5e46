"""A disk in memory whose power can be cut, and SQLite connections to it.

What was not synced when the power goes is kept or lost write by write, at random. `apsw` brings a
SQLite of its own that takes such a disk; its connections look like sqlite3's here.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

__all__ = ["Connection", "Disk"]

Image = dict[str, bytes]


class Disk(apsw.VFS):
    """A disk, known to SQLite by a name.

    Attributes:
        images: What would be left at some moments, and what was acknowledged by then.
        acknowledged: What the program under test was told to be stored.
    """

    def __init__(self, name: str, seed: int, chance: float) -> None:
        super().__init__(name, base="")
        self.images: list[tuple[Image, set[int]]] = []
        self.acknowledged: set[int] = set()
        self._files: dict[str, _File] = {}
        self._random = random.Random(seed)
        self._chance = chance

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        """Return the name: there are no folders."""
        return name

    def xAccess(self, name: str, _flags: int) -> bool:  # noqa: N802
        """Tell whether there is a file."""
        return name in self._files

    def xDelete(self, name: str, _sync: bool) -> None:  # noqa: N802
        """Delete a file."""
        self._files.pop(name, None)

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        """Open a file."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        flags[1] = flags[0]
        return self._files.setdefault(path, _File(self))

    def step(self) -> None:
        """Note, now and then, what a loss of power would leave."""
        if self._random.random() < self._chance:
            image = {name: file.remains(self._random) for name, file in self._files.items()}
            self.images.append((image, set(self.acknowledged)))


class _File:
    """A file: what was synced, what was written since, and what a program sees of it."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._synced = bytearray()
        self._seen = bytearray()
        self._writes: list[Callable[[bytearray], None]] = []

    def remains(self, chances: random.Random) -> bytes:
        image = bytearray(self._synced)
        for write in self._writes:
            if chances.random() < 0.5:
                write(image)
        return bytes(image)

    def _write(self, write: Callable[[bytearray], None]) -> None:
        self._disk.step()
        write(self._seen)
        self._writes.append(write)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        content = bytes(data)

        def write(image: bytearray) -> None:
            image.extend(bytes(max(0, offset + len(content) - len(image))))
            image[offset : offset + len(content)] = content

        self._write(write)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        def truncate(image: bytearray) -> None:
            del image[size:]

        self._write(truncate)

    def xSync(self, _flags: int) -> None:  # noqa: N802
        self._disk.step()
        for write in self._writes:
            write(self._synced)
        self._writes.clear()
        self._disk.step()

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._seen)

    def xLock(self, _level: int) -> None:  # noqa: N802
        """Do nothing: there is one connection."""

    xUnlock = xLock  # noqa: N815

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, _op: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xClose(self) -> None:  # noqa: N802
        """Do nothing: the file stays on the disk."""


class Connection:
    """A connection to a disk, in the form of sqlite3's, as far as the driver uses that."""

    def __init__(self, disk: str) -> None:
        self._connection = apsw.Connection("power.db", vfs=disk)
        # A disk without shared memory: the log's index is in the connection's own.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> _Cursor:
        return self._run(lambda cursor: cursor.execute(sql, parameters))

    def executemany(self, sql: str, parameters: Sequence[Any]) -> _Cursor:
        return self._run(lambda cursor: cursor.executemany(sql, parameters))

    def _run(self, run: Callable[[apsw.Cursor], object]) -> _Cursor:
        cursor = _Cursor(self._connection)
        try:
            run(cursor.cursor)
            cursor.rows = cursor.cursor.fetchall()
        except apsw.Error as error:
            raise sqlite3.OperationalError(*error.args) from error
        return cursor

    def create_function(self, name: str, count: int, function: Any, **_options: Any) -> None:
        self._connection.create_scalar_function(name, function, count)

    def interrupt(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()


class _Cursor:
    """A cursor in the form of PEP 249."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.cursor = connection.cursor()
        self.cursor.exec_trace = self._note_columns
        self.description: Any = None
        self.rows: list[Any] = []

    def _note_columns(self, cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        self.description = tuple((name[0],) for name in cursor.get_description()) or None
        return True

    @property
    def rowcount(self) -> int:
        return self._connection.changes()

    @property
    def lastrowid(self) -> int:
        return self._connection.last_insert_rowid()

    def fetchone(self) -> Any:
        return self.rows.pop(0) if self.rows else None

    def fetchall(self) -> list[Any]:
        return self.rows

    def close(self) -> None:
        self.cursor.close()


def write_image(image: Image, folder: Path) -> Path:
    """Write what is left of a disk as files, and return the database's path."""
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    return folder / "power.db"
