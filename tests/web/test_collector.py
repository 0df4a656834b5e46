"""What the garbage collector has to look at while an application runs."""

import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from tests.web.notes import attached


class Kept:
    """Something that the collector would look at."""


def _is_looked_at(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


async def test_collections_pass_over_what_was_there_at_the_start() -> None:
    """While it runs a collection is about what came since; afterwards about everything."""
    before, late = Kept(), []

    @asynccontextmanager
    async def start(_app: FastAPI) -> AsyncIterator[None]:
        late.append(Kept())
        yield

    app = FastAPI(lifespan=start)
    attached(app)
    async with app.router.lifespan_context(app):
        assert not _is_looked_at(before)
        assert not _is_looked_at(late[0])
        assert _is_looked_at(Kept())
    assert _is_looked_at(before)


async def test_application_that_ends_beside_another_one_goes() -> None:
    """A process may start and end any number of them while one runs."""

    async def live() -> weakref.ref[FastAPI]:
        app = FastAPI()
        attached(app)
        async with app.router.lifespan_context(app):
            assert gc.get_freeze_count()
        return weakref.ref(app)

    running = FastAPI()
    attached(running)
    async with running.router.lifespan_context(running):
        over = [await live() for _ in range(3)]
        gc.collect()
        assert [app() for app in over] == [None] * 3
    assert not gc.get_freeze_count()


async def test_a_start_that_fails_keeps_nothing() -> None:
    """The application's own lifespan may raise, at the start or while it runs."""

    @asynccontextmanager
    async def start(_app: FastAPI) -> AsyncIterator[None]:
        yield
        raise LookupError

    app = FastAPI(lifespan=start)
    attached(app)
    with pytest.raises(LookupError):
        async with app.router.lifespan_context(app):
            assert gc.get_freeze_count()
    assert not gc.get_freeze_count()
