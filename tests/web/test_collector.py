"""What the garbage collector has to look at while an application runs."""

import gc
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


async def test_the_last_application_that_ends_gives_it_back() -> None:
    """One application in a process may end before the other."""
    apps = [FastAPI(), FastAPI()]
    for app in apps:
        attached(app)
    first, second = (app.router.lifespan_context(app) for app in apps)
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert gc.get_freeze_count()
    await second.__aexit__(None, None, None)
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
