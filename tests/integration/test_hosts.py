"""A list of hosts in the URL, of which each may be down, without its cluster or read only."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from ormolu import ConfigurationError, Database, DatabaseDownError
from ormolu.backends import backend_named
from ormolu.engines._hosts import Hosts
from ormolu.engines._url import read_url
from tests.backends import MariaDB


class Opened:
    """A connection to a host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Cluster:
    """Three hosts, of which some do not answer and some are of no use."""

    def __init__(self) -> None:
        self.hosts = Hosts([("one", 1), ("two", 2), ("three", 3)])
        self.down: dict[str, BaseException] = {}
        self.unfit: set[str] = set()
        self.opened: list[Opened] = []
        self.tried: list[str] = []

    def connect(self) -> str:
        """Return the host that was connected to."""
        connection, arguments = self.hosts.connect(self._connect, self._is_fit)
        assert arguments["host"] == connection.host
        assert not connection.is_closed
        return connection.host

    def _connect(self, host: str, port: int) -> Opened:
        self.tried.append(host)
        if host in self.down:
            raise self.down[host]
        self.opened.append(Opened(host))
        return self.opened[-1]

    def _is_fit(self, connection: Opened) -> bool:
        return connection.host not in self.unfit


def test_connections_go_to_one_host_until_it_fails() -> None:
    """The next takes its place, and keeps it when the first is there again."""
    cluster = Cluster()
    assert [cluster.connect(), cluster.connect()] == ["one", "one"]
    cluster.down["one"] = ConnectionRefusedError()
    assert cluster.connect() == "two"
    cluster.down.clear()
    assert cluster.connect() == "two"
    cluster.down["two"] = ConnectionRefusedError()
    cluster.unfit = {"three"}
    assert cluster.connect() == "one"
    assert [each.host for each in cluster.opened if each.is_closed] == ["three"]


def test_a_host_that_is_silent_is_waited_for_once() -> None:
    """Whoever gives up lets the next one ask elsewhere."""
    cluster = Cluster()
    cluster.down["one"] = KeyboardInterrupt()  # As a cancellation, no Exception.
    with pytest.raises(KeyboardInterrupt):
        cluster.connect()
    assert cluster.connect() == "two"
    assert cluster.tried == ["one", "two"]


def test_no_host_will_do() -> None:
    """The last error is told, or that all are of no use; each was asked once."""
    cluster = Cluster()
    cluster.unfit = {"one", "two", "three"}
    with pytest.raises(DatabaseDownError, match="None of the 3 hosts"):
        cluster.connect()
    assert all(each.is_closed for each in cluster.opened)
    assert cluster.tried == ["one", "two", "three"]
    cluster.down["two"] = ConnectionRefusedError("two")
    with pytest.raises(ConnectionRefusedError, match="two"):
        cluster.connect()


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mariadb+asyncmy"])
def test_urls(scheme: str) -> None:
    """Hosts with ports and without are understood; a URL object has them as SQLAlchemy does."""
    for given in (
        f"{scheme}://app:p%40ss@one,two:3307,[::1]:3308/shop?charset=utf8mb4",
        make_url(f"{scheme}://app:p%40ss@/shop?charset=utf8mb4&host=one:3306&host=two:3307"
                 "&host=[::1]:3308"),
    ):  # fmt: skip
        target = read_url(given)
        assert target.hosts == (("one", 3306), ("two", 3307), ("::1", 3308))
        assert (target.url.host, target.url.port) == ("one", 3306)
        assert target.url.password == "p@ss"
        assert dict(target.url.query) == {"charset": "utf8mb4"}
    assert read_url(f"{scheme}://app@one/shop").hosts == ()
    with pytest.raises(ConfigurationError, match="write a host and a port"):
        read_url(f"{scheme}://app@one:x,two/shop")


class Cursor:
    """Answers SHOW as a node does."""

    def __init__(self, *answers: list[tuple[str, str]]) -> None:
        self.answers = list(answers)

    def cursor(self) -> Cursor:
        return self

    def execute(self, statement: str) -> None:
        assert statement.startswith("SHOW")

    def fetchall(self) -> list[tuple[str, str]]:
        return self.answers.pop(0)

    def close(self) -> None: ...


_NODE = [("read_only", "OFF"), ("wsrep_provider", "/usr/lib/galera/libgalera_smm.so")]


@pytest.mark.parametrize(
    ("answers", "fit_for"),
    [
        ([_NODE, [("wsrep_ready", "ON")]], {"reads", "writes"}),
        ([_NODE, [("wsrep_ready", "OFF")]], set()),
        ([[("read_only", "ON"), ("wsrep_provider", "none")]], {"reads"}),
        ([[("read_only", "OFF")]], {"reads", "writes"}),
        ([[("read_only", "NO_LOCK")]], {"reads"}),
    ],
)
def test_nodes(answers: list[list[tuple[str, str]]], fit_for: set[str]) -> None:
    """A node without its cluster is of no use, and one that is read only takes no writes."""
    for name in ("reads", "writes"):
        node: Any = Cursor(*answers)
        assert backend_named("mariadb").is_fit(node, is_writer=name == "writes") is (
            name in fit_for
        )


async def test_a_dead_host(mariadb: MariaDB) -> None:
    """Reads, writes and the question for a sign of life go to the host that lives."""
    name = mariadb.lend_database()
    url = f"mariadb://root@127.0.0.1:1,127.0.0.1:{mariadb.port}/{name}"
    async with Database(url, schema="ignore") as db:
        await db.ping()
        for is_reading in (True, False):
            async with db.unit_of_work(read_only=is_reading) as session:
                assert await session.scalar(text("SELECT 1")) == 1
        server = db._engines.opened.server
        assert not await server.is_silent()
    mariadb.take_back(name)
