"""What OpenTelemetry's metrics and spans tell of a database."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ormolu import Database, OverloadedError, resource
from ormolu.telemetry import find_meter
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.fixtures.metrics import Told, forget
from tests.integration.notes import Note, make_app, make_database


def served(db: Database) -> FastAPI:
    app = make_app(db)
    app.include_router(resource(Note, path="/own"))
    return app


@pytest.mark.long
async def test_work_is_counted(backend: Backend, database_url: str, told: Told) -> None:
    """Units of work, COMMITs, statements and connections, by names that are the conventions'."""
    db = make_database(database_url)
    async with client_of(served(db)) as client:
        before = told.read(db)

        def grown(*key: str) -> Any:
            return told.read(db).get(key, 0) - before.get(key, 0)

        assert (await client.post("/notes?text=a")).is_success
        assert (await client.get("/notes")).is_success
        assert grown("ormolu.units_of_work", "write") == 1
        assert grown("ormolu.units_of_work", "read") == 1
        assert grown("ormolu.commits") == 1
        system = db.url.get_backend_name()
        assert grown("db.client.operation.duration", "INSERT", system) == 1
        assert grown("db.client.operation.duration", "SELECT", system) >= 1
        now = told.read(db)
        assert now["db.client.connection.max", "reader"] >= 15
        assert now["db.client.connection.count", "idle", "reader"] >= 1
        assert ("db.client.connection.pending_requests", "writer") in now
        assert now["db.client.connection.create_time",] >= 2


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_lanes_are_counted(database_url: str, told: Told) -> None:
    """So are batches of lanes, and what is in them."""
    db = make_database(database_url)
    async with client_of(served(db)) as client:
        before = told.read(db)
        assert (await client.post("/own", json={"text": "a"})).is_success
        assert (await client.get("/own/1")).is_success
        now = told.read(db)
        for access in ("read", "write"):
            for name in ("ormolu.lane.batches", "ormolu.lane.statements"):
                assert now[name, access] - before.get((name, access), 0) == 1
        assert now["ormolu.commits",] - before.get(("ormolu.commits",), 0) == 1


@pytest.mark.long
async def test_waits_and_refusals(database_url: str, told: Told) -> None:
    """Who waited for a connection in vain is counted, and how long."""
    db = Database(
        database_url, metadata=Note.metadata, pool_size=1, max_overflow=0, pool_timeout=0.1
    )
    async with db, db.unit_of_work(read_only=True) as session:
        await session.connection()
        with pytest.raises(OverloadedError):
            async with db.unit_of_work(read_only=True) as second:
                await second.connection()
    found = told.read(db)
    assert found["db.client.connection.timeouts",] >= 1
    assert found["db.client.connection.wait_time",] == 1


async def test_a_request_s_span(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the number of statements and their time, whichever way these went."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    forget()
    app = served(make_database(database_url))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    async with client_of(app) as client:
        for method, path, body in (
            ("POST", "/notes?text=a", None), ("GET", "/notes", None), ("GET", "/own/1", None),
            ("POST", "/own", {"text": "b"}),
        ):  # fmt: skip
            exporter.clear()
            assert (await client.request(method, path, json=body)).is_success
            (span,) = [each for each in exporter.get_finished_spans() if each.parent is None]
            attributes = span.attributes or {}
            assert attributes["ormolu.statements"] == 1, (method, path)
            assert attributes["ormolu.statements.duration"] >= 0  # type: ignore[operator]
    forget()


async def test_nobody_asks(database_url: str) -> None:
    """Without a provider nothing is timed."""
    db = make_database(database_url)
    async with client_of(served(db)) as client:
        assert (await client.get("/notes")).is_success
        assert db._engines.stopwatch is None


async def test_an_old_api(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lacks what we need is as good as none."""

    def create_histogram(self: object, name: str) -> None: ...

    monkeypatch.setattr(metrics.Meter, "create_histogram", create_histogram)
    forget()
    async with client_of(served(make_database(database_url))) as client:
        assert (await client.get("/notes")).is_success
        assert find_meter() is None
    forget()


async def test_without_the_api(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenTelemetry is not installed all is as ever."""
    monkeypatch.setattr("ormolu.telemetry.find_spec", lambda _name: None)
    forget()
    async with client_of(served(make_database(database_url, log_slow=0.0))) as client:
        assert (await client.get("/notes")).is_success
        assert (await client.get("/own")).is_success
    forget()
