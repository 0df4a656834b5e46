"""A small disk in memory that can be full, and servers whose data is on it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.backends import MariaDB, PostgreSQL

_MEGABYTES = 400


class Disk:
    """A folder that may be a disk of a few hundred megabytes of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ormolu-disk-"))
        self.folder.chmod(0o755)

    def mount(self) -> None:
        """Make the folder a disk of its own, which only root may do.

        Raises:
            SystemExit: This is not root.
        """
        if os.geteuid() != 0:
            message = "Only root may mount a disk that can be full: leave it out by --outage."
            raise SystemExit(message)
        size = f"size={_MEGABYTES}m,mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", self.folder], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave not one byte for the time of the block."""
        ballast = self.folder / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                self._fill(file)
            yield
        finally:
            ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Take the disk away with all that is on it."""
        if self.folder.is_mount():
            subprocess.run(["umount", "--lazy", self.folder], check=True)
        shutil.rmtree(self.folder)

    def server(self, backend: str) -> Any:
        """Return a server, not started yet, whose data is on this disk."""
        folder = self.folder
        kind: Any = MariaDB if backend == "mariadb" else PostgreSQL

        class OnDisk(kind):  # type: ignore[misc]
            def place(self) -> Path:
                return folder

        return OnDisk()

    @staticmethod
    def _fill(file: Any) -> None:
        size = 2**20
        while size:
            try:
                os.write(file.fileno(), bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2
