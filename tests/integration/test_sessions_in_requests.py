"""One session per request, wherever it is asked for; and what ends it, and how."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Security, WebSocket
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response
from starlette.testclient import TestClient

from ormolu import (
    ConcurrentUseError,
    Database,
    NoUnitOfWorkError,
    ReadOnlyError,
    SessionClosedError,
    SessionDep,
)
from tests.fixtures.apps import client_of
from tests.integration.notes import Base, Note, add_routes, make_app, make_database, texts_in

FINE = {200, 201, 204, 304, 307}


@pytest.mark.backends("sqlite")
async def test_one_session_per_request(database_url: str) -> None:
    """Depends, Security, both scopes, sub-dependencies, classes, routers: one session for all."""
    seen: list[AsyncSession] = []

    async def plain(session: SessionDep) -> AsyncSession:
        seen.append(session)
        return session

    async def nested(session: Annotated[AsyncSession, Depends(plain, use_cache=False)]) -> None:
        seen.append(session)

    async def secured(session: SessionDep) -> None:
        seen.append(session)

    async def yielding(session: SessionDep) -> AsyncIterator[AsyncSession]:
        seen.append(session)
        yield session

    class Service:
        def __init__(self, session: SessionDep) -> None:
            seen.append(session)

    db = make_database(database_url)
    app = FastAPI(dependencies=[Depends(plain)])
    db.attach(app)
    router = APIRouter(dependencies=[Depends(nested)])

    @router.get("/all", dependencies=[Security(secured, scopes=["x"])])
    async def route(
        session: SessionDep,
        service: Annotated[Service, Depends()],
        inner: Annotated[AsyncSession, Depends(yielding, scope="function")],
        outer: Annotated[AsyncSession, Depends(plain, scope="request")],
        own: Annotated[AsyncSession, Depends(db.session)],
    ) -> int:
        seen.extend([session, inner, outer, own])
        return await session.scalar(text("SELECT 1")) or 0

    app.include_router(router, prefix="/api")
    async with client_of(app) as client:
        assert (await client.get("/api/all")).json() == 1
        first = set(map(id, seen))
        assert (await client.get("/api/all")).json() == 1
    assert len(first) == 1
    assert len(set(map(id, seen))) == 2


@pytest.mark.parametrize("scope", ["function", "request"])
async def test_work_after_a_yield(database_url: str, scope: Any) -> None:
    """A dependency that ends before the answer may still write; one that ends after it may not."""
    errors: list[type[BaseException]] = []

    async def noting(session: SessionDep) -> AsyncIterator[None]:
        yield
        try:
            session.add(Note(text="at the end"))
        except SessionClosedError as error:
            errors.append(type(error))

    app = make_app(make_database(database_url))

    @app.post("/yield", dependencies=[Depends(noting, scope=scope)])
    async def route(session: SessionDep) -> str:
        session.add(Note(text="in the route"))
        await session.flush()
        return "done"

    async with client_of(app) as client:
        assert (await client.post("/yield")).status_code == 200
    ends_in_time = scope == "function"
    assert errors == ([] if ends_in_time else [SessionClosedError])
    late = ["at the end"] if ends_in_time else []
    assert await texts_in(database_url) == ["in the route", *late]


async def test_dependency_overrides(database_url: str) -> None:
    """An override of the user's dependency, or of the session itself, is taken."""
    db = make_database(database_url)
    app = make_app(db)

    async def author() -> str:
        return "nobody"

    async def tester(session: SessionDep) -> str:
        session.add(Note(text="from the override"))
        return "tester"

    @app.post("/authors")
    async def route(name: Annotated[str, Depends(author)]) -> str:
        return name

    app.dependency_overrides[author] = tester
    async with client_of(app) as client:
        assert (await client.post("/authors")).json() == "tester"
    assert await texts_in(database_url) == ["from the override"]


@pytest.mark.parametrize("is_attached", [True, False])
async def test_mounted_application(database_url: str, is_attached: bool) -> None:
    """A mounted application takes part in the request's unit of work, attached itself or not."""
    db = make_database(database_url)
    inner, outer = FastAPI(), FastAPI()
    db.attach(outer)
    if is_attached:
        db.attach(inner)
    add_routes(inner)
    outer.mount("/inner", inner)
    async with client_of(outer) as client:
        assert (await client.post("/inner/notes?text=a")).status_code == 201
        assert (await client.get("/inner/notes")).json() == ["a"]
        problem = await client.post("/inner/notes")
        assert problem.json()["code"] == "validation_error"
    assert await texts_in(database_url) == ["a"]


def make_ending_app(db: Database) -> FastAPI:
    """Return an application whose one route writes and then ends in many ways."""
    app = make_app(db)

    @app.api_route("/end/{how}", methods=["POST", "PUT", "PATCH", "DELETE"])
    async def end(how: str, session: SessionDep) -> Response:
        session.add(Note(text=how))
        await session.flush()
        if how == "raised":
            raise HTTPException(404)
        answers = {
            "returned": JSONResponse({}, status_code=400),
            "server": JSONResponse({}, status_code=503),
            "redirected": RedirectResponse("/elsewhere"),
            "unmodified": Response(status_code=304),
            "empty": Response(status_code=204),
        }
        return answers[how]

    return app


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("raised", 404),
        ("returned", 400),
        ("server", 503),
        ("redirected", 307),
        ("unmodified", 304),
        ("empty", 204),
    ],
)
async def test_status_decides(database_url: str, how: str, status: int) -> None:
    """Below 400 the work is stored, redirects too; from 400 on it is not, however it came."""
    async with client_of(make_ending_app(make_database(database_url))) as client:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await client.request(method, f"/end/{how}")).status_code == status
    assert await texts_in(database_url) == ([how] * 4 if status in FINE else [])


async def orm_flush(session: AsyncSession) -> None:
    """Write by the unit-of-work pattern."""
    session.add(Note(text="x"))
    await session.flush()


async def orm_pending(session: AsyncSession) -> None:
    """Leave the writing to the COMMIT."""
    session.add(Note(text="x"))


async def orm_delete(session: AsyncSession) -> None:
    """Mark a row that is there for deletion."""
    await session.delete((await session.scalars(select(Note))).one())


async def core_insert(session: AsyncSession) -> None:
    """Write by insert()."""
    await session.execute(insert(Note).values(text="x"))


async def core_update(session: AsyncSession) -> None:
    """Write by update()."""
    await session.execute(update(Note).values(text="x"))


async def core_delete(session: AsyncSession) -> None:
    """Write by delete()."""
    await session.execute(delete(Note))


async def raw_text(session: AsyncSession) -> None:
    """Write by SQL as text."""
    await session.execute(text("INSERT INTO notes (text) VALUES ('x')"))


async def raw_connection(session: AsyncSession) -> None:
    """Write past the session, on its connection."""
    connection = await session.connection()
    await connection.execute(text("UPDATE notes SET text = 'x'"))


async def table_insert(session: AsyncSession) -> None:
    """Write by the table, not the class."""
    await session.execute(insert(Note.metadata.tables["notes"]).values(text="x"))


WRITES = [
    orm_flush,
    orm_pending,
    orm_delete,
    core_insert,
    core_update,
    core_delete,
    raw_text,
    raw_connection,
    table_insert,
]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
async def test_safe_methods_do_not_write(database_url: str, write: Any) -> None:
    """Any write in GET, HEAD or QUERY is a ReadOnlyError that names POST and unit_of_work."""
    errors: list[Exception] = []
    app = make_app(make_database(database_url))

    @app.exception_handler(ReadOnlyError)
    async def note(_request: object, error: Exception) -> Response:
        errors.append(error)
        return Response(status_code=500)

    @app.api_route("/write", methods=["GET", "HEAD", "QUERY"])
    async def route(session: SessionDep) -> None:
        await write(session)

    async with client_of(app) as client:
        await client.post("/notes?text=kept")
        for method in ("GET", "HEAD", "QUERY"):
            assert (await client.request(method, "/write")).status_code == 500
    assert len(errors) == 3
    for error in errors:
        assert "POST" in str(error)
        assert "db.unit_of_work()" in str(error)
    assert await texts_in(database_url) == ["kept"]


async def test_safe_methods_read(database_url: str) -> None:
    """HEAD and QUERY read what was stored, and a unit of work inside a GET may write."""
    db = make_database(database_url)
    app = make_app(db)

    @app.api_route("/read", methods=["GET", "HEAD", "QUERY"])
    async def read(session: SessionDep) -> int:
        found = len((await session.scalars(select(Note))).all())
        async with db.unit_of_work() as own:
            own.add(Note(text="read"))
        return found

    async with client_of(app) as client:
        assert (await client.get("/read")).json() == 0
        assert (await client.request("QUERY", "/read")).json() == 1
        assert (await client.head("/read")).status_code == 200
    assert await texts_in(database_url) == ["read"] * 3


@pytest.mark.parametrize("dependency", ["SessionDep", "db.session"])
def test_websocket_with_a_session_says_what_to_write(database_url: str, dependency: str) -> None:
    """A session in a WebSocket is an error with the line to write instead."""
    db = make_database(database_url)
    app = make_app(db)

    @app.websocket("/SessionDep")
    async def route(session: SessionDep) -> None: ...

    @app.websocket("/db.session")
    async def own_route(session: Annotated[AsyncSession, Depends(db.session)]) -> None: ...

    with (
        TestClient(app) as client,
        pytest.raises(NoUnitOfWorkError, match=r"async with db\.unit_of_work\(\) as session"),
        client.websocket_connect(f"/{dependency}"),
    ):
        pass


def test_websocket_with_units_of_work(database_url: str) -> None:
    """Each message may have a unit of work of its own."""
    db = make_database(database_url)
    app = make_app(db)

    @app.websocket("/socket")
    async def route(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_text():
            async with db.unit_of_work() as session:
                session.add(Note(text=message))
            await socket.send_text(f"stored {message}")

    with TestClient(app) as client, client.websocket_connect("/socket") as socket:
        for message in ("a", "b"):
            socket.send_text(message)
            assert socket.receive_text() == f"stored {message}"
    assert asyncio.run(texts_in(database_url)) == ["a", "b"]


async def test_stream_with_the_requests_session(database_url: str) -> None:
    """A generator that runs after the COMMIT gets a SessionClosedError, and its text the fix."""
    errors: list[SessionClosedError] = []
    app = make_app(make_database(database_url))

    @app.get("/stream")
    async def stream(session: SessionDep) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            try:
                yield f"{await session.scalar(text('SELECT 1'))}"
            except SessionClosedError as error:
                errors.append(error)
                yield "closed"

        return StreamingResponse(lines())

    async with client_of(app) as client:
        assert (await client.get("/stream")).text == "closed"
    assert "async with db.unit_of_work() as session" in str(errors[0])


async def test_stream_with_a_unit_of_work(database_url: str) -> None:
    """A generator with units of work of its own streams rows."""
    db = make_database(database_url)
    app = make_app(db)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            async with db.unit_of_work(read_only=True) as session:
                async for note in await session.stream_scalars(select(Note.text)):
                    yield f"{note};"

        return StreamingResponse(lines())

    async with client_of(app) as client:
        for name in ("a", "b"):
            await client.post(f"/notes?text={name}")
        assert (await client.get("/stream")).text == "a;b;"


async def test_gather_on_one_session(database_url: str) -> None:
    """Two tasks on one session are a ConcurrentUseError, and the next request is fine."""
    errors: list[Exception] = []
    app = make_app(make_database(database_url))

    @app.exception_handler(ConcurrentUseError)
    async def note(_request: object, error: Exception) -> Response:
        errors.append(error)
        return Response(status_code=500)

    @app.api_route("/gather", methods=["GET", "POST"])
    async def route(session: SessionDep) -> None:
        await asyncio.gather(*[session.scalar(select(Note.id)) for _ in range(2)])

    async with client_of(app) as client:
        for method in ("GET", "POST"):
            assert (await client.request(method, "/gather")).status_code == 500
        assert (await client.post("/notes?text=a")).status_code == 201
    assert "db.unit_of_work()" in str(errors[0])
    assert await texts_in(database_url) == ["a"]


async def test_session_kept_past_its_request(database_url: str) -> None:
    """A session that somebody kept refuses everything that would send a statement."""
    kept: list[AsyncSession] = []
    app = make_app(make_database(database_url))

    @app.post("/keep")
    async def keep(session: SessionDep) -> None:
        await session.scalar(select(Note.id))
        kept.append(session)

    async with client_of(app) as client:
        await client.post("/keep")
        session = kept[0]
        for use in (
            lambda: session.execute(text("SELECT 1")),
            lambda: session.scalars(select(Note)),
            lambda: session.get(Note, 1),
            lambda: session.stream(select(Note)),
            lambda: session.flush(),
            lambda: session.commit(),
            lambda: session.connection(),
            lambda: session.run_sync(lambda sync: sync.execute(text("SELECT 1"))),
        ):
            with pytest.raises(SessionClosedError):
                await use()
        with pytest.raises(SessionClosedError):
            session.add(Note(text="late"))


async def test_begin_and_begin_nested_are_savepoints(database_url: str) -> None:
    """What a nested block undoes is undone alone; the unit of work ends with the answer."""
    app = make_app(make_database(database_url))

    @app.post("/nested")
    async def route(session: SessionDep, status: int) -> Response:
        async with session.begin():
            session.add(Note(text="begun"))
        with pytest.raises(ZeroDivisionError):
            async with session.begin_nested():
                session.add(Note(text="undone"))
                await session.flush()
                raise ZeroDivisionError
        async with session.begin_nested():
            session.add(Note(text="nested"))
        return Response(status_code=status)

    async with client_of(app) as client:
        await client.post("/nested?status=400")
        assert await texts_in(database_url) == []
        await client.post("/nested?status=200")
    assert await texts_in(database_url) == ["begun", "nested"]


async def test_two_databases_in_one_application(database_url: str) -> None:
    """Each database has its own session and its own rows; a 400 rolls back both."""
    first, second = make_database(database_url), Database("sqlite://", metadata=Base.metadata)
    app = make_app(first)
    second.attach(app)

    @app.post("/both")
    async def both(
        session: SessionDep,
        other: Annotated[AsyncSession, Depends(second.session)],
        status: int = 200,
    ) -> Response:
        session.add(Note(text="first"))
        other.add(Note(text="second"))
        return Response(status_code=status)

    async with client_of(app) as client:
        assert first.engine is not second.engine
        assert (await client.post("/both?status=400")).status_code == 400
        assert (await client.post("/both")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        async with second.unit_of_work(read_only=True) as session:
            assert list(await session.scalars(select(Note.text))) == ["second"]
    assert await texts_in(database_url) == ["first"]


async def test_two_applications_with_one_database(database_url: str) -> None:
    """Two applications serve one Database at once, and the first to stop takes nothing away."""
    db = make_database(database_url)
    one, two = make_app(db), make_app(db)
    async with client_of(one) as first:
        async with client_of(two) as second:
            await first.post("/notes?text=a")
            await second.post("/notes?text=b")
        assert (await first.get("/notes")).json() == ["a", "b"]
        assert (await first.post("/notes?text=c")).status_code == 201
    assert await texts_in(database_url) == ["a", "b", "c"]


def test_unattached_application_says_what_to_write() -> None:
    """A session without attach is an error that names db.attach(app)."""
    app = FastAPI()
    add_routes(app)
    with (
        TestClient(app) as client,
        pytest.raises(NoUnitOfWorkError, match=r"db\.attach\(app\)"),
    ):
        client.get("/notes")
