"""The pytest plugin: options, fixtures and what a run reports. Loaded with every run of pytest.

So it imports nothing of the rest before a test asks for one of its fixtures.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ormolu.testing._rewriting import leave_unwritten

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncSession

    from ormolu import Database
    from ormolu.testing._clock import Clock
    from ormolu.testing._copies import Seed, Workshop
    from ormolu.testing._session import KitSession

__all__ = [
    "app", "client", "clock", "database", "database_seed", "pytest_addoption",
    "pytest_load_initial_conftests", "pytest_runtest_makereport", "pytest_terminal_summary",
    "session",
]  # fmt: skip

_OPTION = "--database-url"
_INI = "ormolu_database_url"
_SCOPES = ("function", "class", "module", "package", "session")
_LEAKS = "--fail-on-leaks"
_LEAKS_INI = "ormolu_fail_on_leaks"
_LOST = "--fail-on-lost-updates"
_LOST_INI = "ormolu_fail_on_lost_updates"
_TOLD = pytest.StashKey[list[str]]()
_CLOCK = pytest.StashKey[Any]()

_NO_LOOP = (
    "The fixture `{}` is for asynchronous tests. Write `async def`, and mark the test "
    "`@pytest.mark.anyio` (or have pytest-asyncio); other tests take the fixture `database` and "
    "Starlette's TestClient."
)
_NOT_ASYNCIO = (
    "SQLAlchemy knows asyncio only. Write in conftest.py a fixture `anyio_backend` that returns "
    '"asyncio".'
)
_UNATTACHED = "The application has no database. Write db.attach(app)."
_AHEAD = (
    "The fixture `session` has changes that the application cannot see, and on SQLite would wait "
    "for. Write before the request: await session.commit()"
)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add our setting; its name is ours alone."""
    leave_unwritten(pluginmanager)
    parser.addini(_INI, "URL of a server on which each test gets a database of its own", default="")
    parser.addini(_LEAKS_INI, f"as {_LEAKS}", type="bool", default=False)
    parser.addini(_LOST_INI, f"as {_LOST}", type="bool", default=False)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None, Any, Any]:
    """Add the option after all others: a project that has one of that name keeps its own."""
    result = yield
    group = parser.getgroup("ormolu")
    with contextlib.suppress(ValueError):
        group.addoption(
            _OPTION, dest="ormolu_database_url", default=None, metavar="URL",
            help="server on which each test gets a database of its own, never the one named; "
            "postgresql:// is a server that is started for the run",
        )  # fmt: skip
    with contextlib.suppress(ValueError):
        group.addoption(
            _LEAKS, dest="ormolu_fail_on_leaks", action="store_true",
            help="fail tests that leave connections in use, tasks or threads behind",
        )  # fmt: skip
    with contextlib.suppress(ValueError):
        group.addoption(
            _LOST, dest="ormolu_fail_on_lost_updates", action="store_true",
            help="fail tests whose application writes what it has computed from a value read "
            "before, where another request may have changed that",
        )  # fmt: skip
    return result


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """The application under test: that of `[tool.fastapi] entrypoint`, or where FastAPI looks.

    Write a fixture of this name for another one, or for one that is made for each test.
    """
    from ormolu.discovery import find_application

    return find_application()


@pytest.fixture(scope="session")
def database_seed() -> Seed | None:
    """Rows that every test finds: an asynchronous function that adds them to a session.

    Write a fixture of this name that returns one; it is called once, and all tests have copies.
    """
    return None


@pytest.fixture(scope="session")
def _ormolu_workshop(pytestconfig: pytest.Config) -> Iterator[Workshop]:
    from ormolu.testing._copies import Workshop

    option: str | None = pytestconfig.getoption("ormolu_database_url", None)
    workshop = Workshop(option or pytestconfig.getini(_INI) or None)
    yield workshop
    workshop.close()


@pytest.fixture
def database(
    request: pytest.FixtureRequest,
    app: FastAPI,
    database_seed: Seed | None,
    _ormolu_workshop: Workshop,
) -> Iterator[Database]:
    """The application's database, which is one of this test alone; of several the first attached.

    All that the application and the test commit is committed, and nothing is there afterwards.

    Raises:
        UsageError: The application has no database, or that is open already.
    """
    from ormolu.database import engines_of
    from ormolu.errors import UsageError
    from ormolu.web import attached_databases

    found = attached_databases(app)
    if not found:
        raise UsageError(_UNATTACHED)
    engines = [engines_of(each) for each in found]
    with _ormolu_workshop.databases(engines, database_seed) as kinds:
        request.node.stash[_TOLD] = kinds
        with (
            _stopped_clock(request, engines),
            _no_connections_left(request.config, engines),
            _no_lost_updates(request.config),
        ):
            yield found[0]


@contextlib.contextmanager
def _stopped_clock(request: pytest.FixtureRequest, engines: list[Any]) -> Iterator[None]:
    """Stop the clock of a test that has ours, before anybody opens its databases."""
    if "_ormolu_clock" not in request.fixturenames:
        yield
        return
    from ormolu.testing._clock import frozen_clock

    with frozen_clock(*engines) as clock:
        request.node.stash[_CLOCK] = clock
        yield


@pytest.fixture
def _ormolu_clock(request: pytest.FixtureRequest, database: Database) -> Clock:
    del database
    held: Clock = request.node.stash[_CLOCK]
    return held


@pytest.fixture
def clock(_ormolu_clock: Clock) -> Clock:
    """The clock of the program and of its databases, which stands still until the test moves it."""
    return _ormolu_clock


def _no_connections_left(config: pytest.Config, engines: list[Any]) -> Any:
    if not _is_on(config, _LEAKS_INI):
        return contextlib.nullcontext()
    from ormolu.testing._leaks import no_connections_left

    return no_connections_left(engines)


def _no_tasks_left(config: pytest.Config) -> Any:
    if not _is_on(config, _LEAKS_INI):
        return contextlib.nullcontext()
    from ormolu.testing._leaks import no_tasks_left

    return no_tasks_left()


def _no_lost_updates(config: pytest.Config) -> Any:
    if not _is_on(config, _LOST_INI):
        return contextlib.nullcontext()
    from ormolu.testing._lost_updates import assert_no_lost_updates

    return assert_no_lost_updates()


def _is_on(config: pytest.Config, name: str) -> bool:
    """Tell whether an option is on, by the command line or by pytest's settings."""
    return bool(config.getoption(name, default=False) or config.getini(name))


@pytest.fixture
def session(request: pytest.FixtureRequest) -> AsyncSession:
    """A session of `database`, beside those of the application; it commits when you say so."""
    found: AsyncSession = request.getfixturevalue(_runner_of(request, "session"))
    return found


@pytest.fixture
def client(request: pytest.FixtureRequest) -> httpx2.AsyncClient:
    """A client of the application, which runs with its lifespan on `database`."""
    found: httpx2.AsyncClient = request.getfixturevalue(_runner_of(request, "client"))
    return found


def _runner_of(request: pytest.FixtureRequest, name: str) -> str:
    """Return the name of the fixture that runs on the event loop of this test.

    Raises:
        UsageError: The test is none that an event loop runs.
    """
    if "anyio_backend" in request.fixturenames:
        return f"_ormolu_{name}"
    marker = request.node.get_closest_marker("asyncio")
    if marker is not None and request.config.pluginmanager.has_plugin("asyncio"):
        default = request.config.getini("asyncio_default_test_loop_scope")
        return f"_ormolu_{name}_{marker.kwargs.get('loop_scope') or default}"
    from ormolu.errors import UsageError

    raise UsageError(_NO_LOOP.format(name))


async def _give_session(
    database: Database, request: pytest.FixtureRequest
) -> AsyncIterator[KitSession]:
    from ormolu.database import engines_of
    from ormolu.testing._session import KitSession

    _check_loop()
    engines = engines_of(database)
    session = KitSession(engines)
    was_open = engines.current is not None
    try:
        async with _no_tasks_left(request.config):
            yield session
            await session.close()
    finally:
        await session.close()
        if not was_open:
            await database.close()


async def _give_client(
    app: FastAPI, database: Database, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    from ormolu.errors import UsageError
    from ormolu.testing._client import client_of

    _check_loop()

    def check() -> None:
        used = request.node.funcargs.get("session")
        if getattr(used, "is_ahead", False):
            raise UsageError(_AHEAD)

    async with _no_tasks_left(request.config), client_of(app, check) as client:
        yield client
        # What it holds is no leak, though its engines end before it.
        if (used := request.node.funcargs.get("session")) is not None:
            await used.close()


def _check_loop() -> None:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        from ormolu.errors import UsageError

        raise UsageError(_NOT_ASYNCIO) from error


_ormolu_session = pytest.fixture(_give_session, name="_ormolu_session")
_ormolu_client = pytest.fixture(_give_client, name="_ormolu_client")


def pytest_configure(config: pytest.Config) -> None:
    """Add the same fixtures for the loops of pytest-asyncio, if it is there."""
    asyncio_plugin: Any = config.pluginmanager.get_plugin("asyncio")
    if asyncio_plugin is None:
        return
    place = types.ModuleType("ormolu.testing.loops")
    gives: dict[str, Callable[..., Any]] = {"session": _give_session, "client": _give_client}
    for name, function in gives.items():
        for scope in _SCOPES:
            full = f"_ormolu_{name}_{scope}"
            mark: Callable[..., Any] = asyncio_plugin.fixture(loop_scope=scope, name=full)
            setattr(place, full, mark(_again(function)))
    config.pluginmanager.register(place, "ormolu-asyncio")


def _again(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function like another one, as a fixture's function is marked."""

    @functools.wraps(function)
    async def again(**arguments: Any) -> AsyncIterator[Any]:
        async for each in function(**arguments):
            yield each

    return again


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a test's report say on what it ran, also to the process that prints it."""
    report = yield
    if report.when == "setup":
        report.ormolu_databases = item.stash.get(_TOLD, [])
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with `-v` on what tests ran."""
    counts: dict[str, int] = {}
    for report in terminalreporter.getreports(""):
        for kind in getattr(report, "ormolu_databases", ()):
            counts[kind] = counts.get(kind, 0) + 1
    if terminalreporter.verbosity > 0:
        for kind, count in counts.items():
            terminalreporter.write_line(f"ormolu: {count} tests, each on {kind}")
