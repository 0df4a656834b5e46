"""OpenTelemetry's instrumentation of SQLAlchemy and of FastAPI: every statement has its span."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ormolu import Database, resource
from ormolu.resources import explain_application
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, make_app, make_database

REQUESTS = [
    ("POST", "/notes?text=a", None, "INSERT"),
    ("GET", "/notes", None, "SELECT"),
    ("POST", "/own", {"text": "b"}, "INSERT"),
    ("GET", "/own/1", None, "SELECT"),
    ("GET", "/own/1", None, "SELECT"),
    ("PATCH", "/own/1", {"text": "c"}, "UPDATE"),
    ("GET", "/own?limit=1", None, "SELECT"),
    ("DELETE", "/own/1", None, "DELETE"),
]


class Telemetry:
    """What is recorded, and where to."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def take(self) -> list[ReadableSpan]:
        """Return the spans since the last time."""
        spans = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return spans


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Instrument SQLAlchemy, long after Ormolu was imported; take it back in the end."""
    found = Telemetry()
    instrumentor = SQLAlchemyInstrumentor()
    # Its package asks for SQLAlchemy before 2.1, which is our floor.
    instrumentor.instrument(tracer_provider=found.provider, skip_dep_check=True)
    yield found
    instrumentor.uninstrument()


def served(db: Database, telemetry: Telemetry) -> FastAPI:
    """Return an application that is instrumented, with a resource and routes by hand."""
    app = make_app(db)
    app.include_router(resource(Note, path="/own"))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=telemetry.provider)
    return app


async def check(client: httpx2.AsyncClient, telemetry: Telemetry) -> None:
    """Check that each request has spans of its statement and of its route, in one trace."""
    for method, path, body, word in REQUESTS:
        telemetry.take()
        answer = await client.request(method, path, json=body)
        assert answer.is_success, answer.text
        spans = telemetry.take()
        assert any(span.name.startswith(word) for span in spans), (method, path, word)
        route = next(span for span in spans if span.parent is None)
        place = path.partition("?")[0].replace("/1", "/{id}")
        assert route.name == f"{method} {place}"
        assert {span.context.trace_id for span in spans if span.context} == {
            route.context.trace_id if route.context else None
        }


@pytest.mark.long
async def test_instrumented_after_the_import(database_url: str, telemetry: Telemetry) -> None:
    """`instrument()` without an engine hears all of a database that opens later."""
    app = served(make_database(database_url), telemetry)
    async with client_of(app) as client:
        await check(client, telemetry)
        assert {each.way for each in explain_application(app)} == {"session"}


@pytest.mark.long
async def test_instrumented_engines(database_url: str) -> None:
    """So it does with both engines, of a database that is open."""
    telemetry, db = Telemetry(), make_database(database_url)
    app = served(db, telemetry)
    instrumentor = SQLAlchemyInstrumentor()
    async with client_of(app) as client:
        engines = [db.engine.sync_engine, db.reader_engine.sync_engine]
        instrumentor.instrument(
            engines=engines, tracer_provider=telemetry.provider, skip_dep_check=True
        )
        try:
            await check(client, telemetry)
        finally:
            instrumentor.uninstrument()


@pytest.mark.backends("sqlite", "asyncpg")
async def test_fastapi_alone(database_url: str) -> None:
    """Without SQLAlchemy's instrumentation there are doors; their routes have their names."""
    telemetry, db = Telemetry(), make_database(database_url)
    app = served(db, telemetry)
    async with client_of(app) as client:
        await client.post("/own", json={"text": "a"})
        telemetry.take()
        assert (await client.get("/own/1")).status_code == 200
        assert {span.name for span in telemetry.take() if span.parent is None} == {"GET /own/{id}"}
        ways = {each.operation: each.way for each in explain_application(app)}
        assert ways["read"] == "front door"
