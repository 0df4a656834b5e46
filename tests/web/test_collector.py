"""What the garbage collector has to look at while an application serves."""

import gc
import weakref
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from ormolu.web import _collector
from tests.fixtures.apps import client_of
from tests.web.notes import attached

MANY = 5


class Kept:
    """Something that the collector would look at."""


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_collector, "_REQUESTS", (MANY, 2 * MANY))


@pytest.fixture(autouse=True)
def _nothing_is_frozen() -> Iterator[None]:
    """Undo for a while what tests/conftest.py did."""
    gc.unfreeze()
    yield
    gc.freeze()


def make_app() -> FastAPI:
    app = FastAPI()
    attached(app)

    @app.get("/")
    async def answer() -> None: ...

    return app


async def ask(client: AsyncClient, times: int) -> None:
    for _ in range(times):
        assert (await client.get("/")).status_code == 200


def _is_looked_at(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


@pytest.mark.long
async def test_collections_pass_over_what_a_server_has() -> None:
    """From some request on a collection is about what came since; afterwards about everything."""
    kept = Kept()
    async with client_of(make_app()) as client:
        await ask(client, MANY - 1)
        assert _is_looked_at(kept)
        await ask(client, 1)
        assert not _is_looked_at(kept)
        later = Kept()
        await ask(client, MANY - 1)
        assert _is_looked_at(later)
        await ask(client, 1)
        assert not _is_looked_at(later)
        assert _is_looked_at(Kept())
    assert _is_looked_at(kept)
    assert not gc.get_freeze_count()


async def test_small_collections_come_less_often_while_a_server_works() -> None:
    """Unless the program has chosen how often."""
    before = gc.get_threshold()
    for chosen, at_work in ((before, 2000), ((800, 10, 10), 800), ((2000, 10, 10), 2000)):
        gc.set_threshold(*chosen)
        async with client_of(make_app()) as client:
            await ask(client, MANY)
            assert gc.get_threshold()[0] == at_work
        assert gc.get_threshold() == chosen
    gc.set_threshold(*before)


@pytest.mark.long
async def test_application_of_few_requests_leaves_a_server_alone() -> None:
    """A process may start and end any number of them while one serves, and they go."""

    async def live() -> weakref.ref[FastAPI]:
        app = make_app()
        async with client_of(app) as client:
            await ask(client, 1)
        return weakref.ref(app)

    async with client_of(make_app()) as client:
        await ask(client, MANY)
        over = [await live() for _ in range(3)]
        gc.collect()
        assert [app() for app in over] == [None] * 3
        assert gc.get_freeze_count()


async def test_a_choice_made_while_a_server_works_stays() -> None:
    """It is the program's, and not put back."""
    before = gc.get_threshold()
    async with client_of(make_app()) as client:
        await ask(client, MANY)
        gc.set_threshold(900, 10, 10)
    assert gc.get_threshold() == (900, 10, 10)
    gc.set_threshold(*before)


@pytest.mark.long
async def test_application_without_a_lifespan_keeps_nothing() -> None:
    """It has no end at which all would be put back."""

    async def live() -> weakref.ref[FastAPI]:
        app = make_app()
        transport = ASGITransport(app=app)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            await ask(client, 2 * MANY)
        return weakref.ref(app)

    over = await live()
    assert not gc.get_freeze_count()
    gc.collect()
    assert over() is None


@pytest.mark.long
async def test_what_the_program_froze_stays_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so before it forks; there is no way to put back ours alone. It is counted once."""
    kept, counts = Kept(), [1]
    gc.freeze()
    async with client_of(make_app()) as client:
        monkeypatch.setattr(gc, "get_freeze_count", counts.pop)
        await ask(client, 2 * MANY)
        monkeypatch.undo()
    assert counts == []
    assert not _is_looked_at(kept)
    gc.unfreeze()


@pytest.mark.long
async def test_application_that_starts_again_counts_again() -> None:
    """Each of its lives begins with objects of its own."""
    app = make_app()
    for _ in range(2):
        async with client_of(app) as client:
            await ask(client, MANY - 1)
            assert not gc.get_freeze_count()
            await ask(client, 1)
            assert gc.get_freeze_count()
        assert not gc.get_freeze_count()


@pytest.mark.long
async def test_last_server_of_a_process_puts_all_back() -> None:
    """One that ends takes nothing from those that still serve."""
    async with client_of(make_app()) as stays:
        await ask(stays, MANY)
        async with client_of(make_app()) as leaves:
            await ask(leaves, MANY)
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()
