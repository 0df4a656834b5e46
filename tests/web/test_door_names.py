"""Names of FastAPI's own, which doors read: another version may have others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import routing

from ormolu.resources import explain_application
from ormolu.web import why_no_doors
from tests.fixtures.apps import client_of
from tests.web.doors import FINE, Passages, app_with, notes, statuses, write_and_read

pytestmark = pytest.mark.backends("sqlite")


class Renamed:
    """An attribute that only FastAPI's own code still finds, as it knows the new name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if sys._getframe(1).f_globals["__name__"] != routing.__name__:
            raise AttributeError(name=self._name, obj=instance)
        return vars(instance)[self._name]

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self._name] = value


@pytest.fixture(
    params=["APIRouter._routes_version", "RouteContext._route_context",
            "_IncludedRouter.original_router"],
)  # fmt: skip
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let FastAPI have another name for this one."""
    owner, _, name = request.param.partition(".")
    why_no_doors.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(getattr(routing, owner), name, Renamed(name), raising=False)
        yield name
    why_no_doors.cache_clear()


@pytest.mark.long
async def test_without_a_name_there_are_no_doors(
    database_url: str, passages: Passages, name: str
) -> None:
    """FastAPI's routes answer, and the explanations say why."""
    app = app_with(database_url)
    async with client_of(app) as client:
        assert statuses(await write_and_read(client)) == FINE
    assert passages.take() == []
    for explanations in (notes.explain(), explain_application(app)):
        (read,) = [each for each in explanations if each.operation == "read"]
        reason = f"this version of FastAPI has no {name}"
        assert (read.way, read.reason) == ("plan", reason)
