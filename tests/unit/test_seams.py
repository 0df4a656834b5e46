"""What the seams say and do without each name; the architecture tests rename them for real."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import Column, Integer, MetaData, Table, column, select
from sqlalchemy.engine import result as results
from sqlalchemy.orm import InstanceState, Mapper, Session, registry, strategies
from sqlalchemy.pool import AsyncAdaptedQueuePool

from ormolu import seams
from ormolu.engines import _pool
from ormolu.seams._missing import tell_missing
from ormolu.web import _fastapi
from ormolu.web._privacy import Privacy

NAMELESS: Any = SimpleNamespace()


class Thing:
    """Is mapped, and is nobody's model."""


TABLE = Table("things", MetaData(), Column("id", Integer, primary_key=True))
MAPPER: Mapper[Any] = registry().map_imperatively(Thing, TABLE)


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Forget before and after a test what was said."""
    kept = (tell_missing, _fastapi._find, _fastapi.why_no_doors)
    for each in kept:
        each.cache_clear()
    yield caplog
    for each in kept:
        each.cache_clear()


def test_names_are_told_once(said: pytest.LogCaptureFixture) -> None:
    """Each name has one line, however often it is missed."""
    for _ in range(3):
        assert seams.select_parts(NAMELESS) is None
        assert seams.has_criteria(NAMELESS)
    told = [record.getMessage() for record in said.records]
    assert [line.partition(" no ")[2].partition(":")[0] for line in told] == [
        "_raw_columns", "_extra_criteria",
    ]  # fmt: skip


def test_statements_and_mappers_without_their_names() -> None:
    """Whoever asks hears that nothing is known, and leaves it to SQLAlchemy."""
    assert seams.mapper_asked_for(NAMELESS) is None
    assert seams.mapper_asked_for(column("a")) is None
    assert seams.session_key(NAMELESS) is None
    assert seams.owner_path(NAMELESS) is None
    assert seams.selectin_columns(NAMELESS, ()) is None
    assert seams.cache_key_of(NAMELESS) is None
    assert seams.result_columns(NAMELESS) is None
    assert seams.is_invalidated(NAMELESS)
    assert not seams.knows_schema_time(SimpleNamespace(driver="asyncpg"))  # type: ignore[arg-type]
    assert seams.expired_names(NAMELESS) == []
    assert seams.variants_of(NAMELESS) == {}
    assert seams.count_attributes(SimpleNamespace(attrs=["a", "b"])) == 2  # type: ignore[arg-type]
    seams.note_owner(NAMELESS, object(), "key")
    assert seams.select_parts(select(Thing)) is not None


def test_what_would_be_flushed_is_looked_at() -> None:
    """Where the session does not tell it at once."""
    unmodified = SimpleNamespace(check_modified=lambda: False)
    session: Any = SimpleNamespace(new=[], deleted=[], identity_map=unmodified)
    assert seams.is_clean(session)
    session.new = [object()]
    assert not seams.is_clean(session)


def test_objects_are_added_by_the_public_way() -> None:
    """Where the quick way of the identity map is gone."""
    added: list[object] = []
    identity_map = SimpleNamespace(add=added.append)
    session: Any = SimpleNamespace(identity_map=identity_map)
    state: Any = object()
    seams.adder_of(session)(state, "key")
    assert added == [state]
    with Session() as real:
        assert seams.adder_of(real) == real.identity_map._add_unpresent


def test_results_and_states_with_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing makes a result, and so no object is loaded here."""
    assert seams.result_maker(MAPPER) is not None
    with monkeypatch.context() as patch:
        patch.delattr(InstanceState, "load_path")
        assert seams.result_maker(MAPPER) is None
    monkeypatch.delattr(results, "SimpleResultMetaData")
    assert seams.result_maker(MAPPER) is None


def test_lazy_loaders_with_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy's own error stands for ours."""
    monkeypatch.delattr(strategies, "_LazyLoader")
    assert seams.add_strategy("nothing", NAMELESS) is False


def test_pool_with_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy's own pool stands for ours."""
    assert _pool.pool_class() is _pool.FairPool
    monkeypatch.setattr(_pool, "_HOOKS", ("_renamed",))
    assert _pool.pool_class() is AsyncAdaptedQueuePool


def answer() -> str:
    return "answer"


@pytest.mark.parametrize(
    ("module", "name"),
    [("fastapi.routing", "iter_route_contexts"), ("fastapi.dependencies.utils", "get_dependant"),
     ("starlette._utils", "get_route_path")],
)  # fmt: skip
def test_fastapi_with_other_names(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no doors; routes are looked at as they are, and guarded answers vary on all."""
    monkeypatch.delattr(f"{module}.{name}")
    assert _fastapi.why_no_doors() == f"this version of FastAPI has no {name}"
    inner, app = APIRouter(prefix="/in"), FastAPI(openapi_url=None)
    inner.add_api_route("/a", answer)
    app.include_router(inner)
    paths = [each.path_format for each in _fastapi.route_contexts(app.router.routes)]
    assert paths == ["/in/a"]
    assert Privacy([answer, None]).vary == (["*"] if name == "get_dependant" else [])


def test_modules_that_are_gone() -> None:
    """They are missed like a name in them."""
    assert _fastapi._find("starlette._nowhere", "name") is None


def test_dependants_with_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is with what FastAPI keeps of a dependency."""
    monkeypatch.setattr(_fastapi, "_read_dependant", attrgetter("renamed"))
    assert _fastapi.dependants_behind(answer) is None
