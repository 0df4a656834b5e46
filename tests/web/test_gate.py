"""When a request's unit of work is committed, and when not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Security, WebSocket
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from ormolu import (
    ConcurrentUseError,
    ConfigurationError,
    Database,
    NoUnitOfWorkError,
    ReadOnlyError,
    SessionClosedError,
    SessionDep,
)
from tests.fixtures.apps import client_of
from tests.web.notes import Base, Note, attached, texts


@pytest.mark.parametrize(
    ("outcome", "status", "is_stored"),
    [
        ("value", 200, True),
        ("created", 201, True),
        ("redirect", 307, True),
        ("not modified", 304, True),
        ("stream", 200, True),
        ("returned", 400, False),
        ("raised", 409, False),
        ("broken", 500, False),
    ],
)
async def test_status_decides(outcome: str, status: int, *, is_stored: bool) -> None:
    """A status below 400 commits; a returned error and an exception do not."""
    app = FastAPI()
    db = attached(app)

    @app.post("/notes", response_model=None)
    async def create(session: SessionDep) -> Any:
        session.add(Note(text="a"))
        await session.flush()
        answers: dict[str, Any] = {
            "value": "a",
            "created": Response(status_code=201),
            "redirect": RedirectResponse("/"),
            "not modified": Response(status_code=304),
            "stream": StreamingResponse(iter(["a", "b"])),
            "returned": JSONResponse({}, status_code=400),
        }
        if outcome == "raised":
            raise HTTPException(409)
        if outcome == "broken":
            raise RuntimeError
        return answers[outcome]

    async with client_of(app) as client:
        assert (await client.post("/notes")).status_code == status
        assert await texts(db) == (["a"] if is_stored else [])


async def test_commit_is_before_the_first_byte() -> None:
    """Whoever sees the first byte can read the row."""
    app = FastAPI()
    db = attached(app)
    seen: list[list[str]] = []

    class Watch:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def watch(message: Any) -> None:
                if message["type"] == "http.response.start":
                    seen.append(await texts(db))
                await send(message)

            await self._inner(scope, receive, watch)

    app.add_middleware(Watch)

    @app.post("/notes")
    async def create(session: SessionDep) -> None:
        session.add(Note(text="a"))

    async with client_of(app) as client:
        seen.clear()
        await client.post("/notes")
    assert seen == [["a"]]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "QUERY", "TRACE"])
@pytest.mark.parametrize("way", ["flush", "add", "core", "text"])
async def test_reading_method_cannot_write(way: str, method: str) -> None:
    """A write of any kind in a reading request is an error, and nothing is stored."""
    app = FastAPI()
    db = attached(app)

    async def write(session: SessionDep) -> str:
        if way in {"flush", "add"}:
            session.add(Note(text="a"))
        if way == "flush":
            await session.flush()
        if way == "core":
            await session.execute(insert(Note).values(text="a"))
        if way == "text":
            await session.execute(text("INSERT INTO notes (text) VALUES ('a')"))
        return "stored"

    app.add_api_route("/notes", write, methods=[method])
    with TestClient(app) as client, pytest.raises(ReadOnlyError, match="unit_of_work"):
        client.request(method, "/notes")
    async with client_of(app) as asynchronous:
        assert (await asynchronous.request(method, "/notes")).status_code == 500
        assert await texts(db) == []


async def test_dependencies_of_every_kind_share_the_session() -> None:
    """Depends, Security, yield of either scope, classes, routers, overrides: one session."""
    app = FastAPI()
    db = attached(app)
    seen: list[AsyncSession] = []

    async def plain(session: SessionDep) -> AsyncSession:
        return session

    async def yielded(session: SessionDep) -> AsyncIterator[AsyncSession]:
        yield session

    class Kept:
        def __init__(self, session: SessionDep) -> None:
            self.session = session

    async def noted(session: SessionDep) -> None:
        seen.append(session)

    async def replaced() -> None:
        raise AssertionError

    async def replacement(session: SessionDep) -> None:
        seen.append(session)

    app.dependency_overrides[replaced] = replacement
    router = APIRouter(dependencies=[Depends(noted), Depends(replaced)])

    @router.post("/notes")
    async def create(
        session: SessionDep,
        one: Annotated[AsyncSession, Depends(plain)],
        two: Annotated[AsyncSession, Security(plain, scopes=["a"])],
        three: Annotated[AsyncSession, Depends(yielded)],
        four: Annotated[AsyncSession, Depends(yielded, scope="function")],
        five: Annotated[Kept, Depends()],
        six: Annotated[AsyncSession, Depends(db.session)],
    ) -> None:
        seen.extend([session, one, two, three, four, five.session, six])
        session.add(Note(text="a"))

    app.include_router(router, prefix="/in")
    async with client_of(app) as client:
        assert (await client.post("/in/notes")).status_code == 200
        assert await texts(db) == ["a"]
    assert len(seen) == 9
    assert len({id(session) for session in seen}) == 1


@pytest.mark.parametrize("is_attached", [False, True])
async def test_mounted_application_shares_the_unit_of_work(*, is_attached: bool) -> None:
    """A sub-application writes into the request's unit of work, attached itself or not."""
    app, inner = FastAPI(), FastAPI()
    db = attached(app)
    if is_attached:
        db.attach(inner)

    @inner.post("/notes", status_code=201)
    async def create(session: SessionDep, status: int = 201) -> JSONResponse:
        session.add(Note(text=f"{status}"))
        return JSONResponse({}, status_code=status)

    @inner.get("/missing")
    async def missing(session: SessionDep) -> None:
        await session.get_one(Note, 7)

    app.mount("/inner", inner)
    async with client_of(app) as client:
        assert (await client.post("/inner/notes")).status_code == 201
        assert (await client.post("/inner/notes?status=400")).status_code == 400
        assert (await client.post("/inner/notes")).json()["code"] == "unique_violation"
        assert (await client.get("/inner/missing")).json()["detail"] == "Note not found"
        assert await texts(db) == ["201"]


async def test_two_databases_in_one_application() -> None:
    """Each has its own session; the first one attached is SessionDep's."""
    app = FastAPI()
    first, second = attached(app), attached(app)

    @app.post("/notes", response_model=None)
    async def create(
        session: SessionDep,
        mine: Annotated[AsyncSession, Depends(first.session)],
        other: Annotated[AsyncSession, Depends(second.session)],
        status: int = 200,
    ) -> Response:
        assert session is mine
        session.add(Note(text="first"))
        other.add(Note(text="second"))
        return PlainTextResponse(status_code=status)

    async with client_of(app) as client:
        assert (await client.post("/notes?status=418")).status_code == 418
        assert (await texts(first), await texts(second)) == ([], [])
        assert (await client.post("/notes")).status_code == 200
        assert (await texts(first), await texts(second)) == (["first"], ["second"])
        assert (await client.get("/readyz")).status_code == 200


async def test_one_database_in_two_applications() -> None:
    """Two applications of one process may have the same database."""
    apps = [FastAPI(), FastAPI()]
    db = Database("sqlite://", metadata=Base.metadata)
    for number, app in enumerate(apps):
        db.attach(app)

        @app.post("/notes")
        async def create(session: SessionDep, number: int = number) -> None:
            session.add(Note(text=f"{number}"))

    for app in apps:
        async with client_of(app) as client:
            assert (await client.post("/notes")).status_code == 200
            stored = await texts(db)
    assert stored == ["0", "1"]


def test_attaching_twice_or_too_late_is_refused() -> None:
    """Both are errors that say what to write."""
    app = FastAPI()
    db = attached(app)
    with pytest.raises(ConfigurationError, match=r"db.attach\(app\)"):
        db.attach(app)
    TestClient(app).get("/healthz")
    with pytest.raises(ConfigurationError, match="has started"):
        Database("sqlite://").attach(app)


def test_session_without_attach_says_what_to_write() -> None:
    """A route of an application without a database."""
    app = FastAPI()

    @app.get("/")
    async def read(session: SessionDep) -> None: ...

    with pytest.raises(NoUnitOfWorkError, match=r"db.attach\(app\)"):
        TestClient(app).get("/")


def test_websocket_takes_a_unit_of_work_of_its_own() -> None:
    """SessionDep in a WebSocket is an error that says what to write, and that works."""
    app = FastAPI()
    db = attached(app)

    @app.websocket("/wrong")
    async def wrong(socket: WebSocket, session: SessionDep) -> None: ...

    @app.websocket("/right")
    async def right(socket: WebSocket) -> None:
        await socket.accept()
        async with db.unit_of_work() as session:
            session.add(Note(text=await socket.receive_text()))
        await socket.send_json(await texts(db))

    with TestClient(app) as client:
        with (
            pytest.raises(NoUnitOfWorkError, match="unit_of_work"),
            client.websocket_connect("/wrong"),
        ):
            pass
        with client.websocket_connect("/right") as socket:
            socket.send_text("a")
            assert socket.receive_json() == ["a"]


async def test_session_is_closed_with_the_answer() -> None:
    """In a stream and in a background task the request's session is an error."""
    app = FastAPI()
    db = attached(app)
    errors: list[str] = []

    async def misuse(session: AsyncSession, request: Request) -> None:
        for use in (
            lambda: session.scalar(select(Note.id)),
            lambda: session.flush(),
            lambda: session.commit(),
            lambda: session.stream(select(Note.id)),
            lambda: session.begin_nested().start(),
            lambda: db.session(request),
        ):
            try:
                await use()
            except SessionClosedError as error:
                errors.append(str(error))
        with pytest.raises(SessionClosedError):
            session.add(Note(text="lost"))

    @app.get("/task")
    async def task(session: SessionDep, request: Request) -> Response:
        await session.scalar(select(Note.id))
        return Response(background=BackgroundTask(misuse, session, request))

    async with client_of(app) as client:
        await client.get("/task")
    assert len(errors) == 6
    assert all("db.unit_of_work()" in error for error in errors)


async def test_task_that_outlives_its_request_gets_an_error() -> None:
    """A task that still uses the session when the answer is ready is not waited for in vain."""
    app = FastAPI()
    db = attached(app)
    outcomes: list[type[BaseException] | None] = []

    async def linger(session: AsyncSession) -> None:
        try:
            for _ in range(20_000):
                await session.scalar(select(Note.id))
        except Exception as error:
            outcomes.append(type(error))

    tasks: list[asyncio.Task[None]] = []

    @app.post("/notes")
    async def create(session: SessionDep) -> None:
        tasks.append(asyncio.ensure_future(linger(session)))
        await asyncio.sleep(0.005)

    async with client_of(app) as client:
        status = (await client.post("/notes")).status_code
        await asyncio.wait(tasks)
        pool = db.engine.sync_engine.pool
        assert pool.checkedout() == 0  # type: ignore[attr-defined]
    assert (status, outcomes[0]) in {(500, SessionClosedError), (200, SessionClosedError)}


async def test_two_tasks_on_one_session_is_an_error() -> None:
    """The error names the fix, and no connection is lost."""
    db = Database("sqlite://", metadata=Base.metadata)
    async with db:
        with pytest.raises(ConcurrentUseError, match=r"db.unit_of_work\(\)"):
            async with db.unit_of_work() as session:
                await asyncio.gather(*(session.scalar(select(Note.id)) for _ in range(2)))
        pool = db.engine.sync_engine.pool
        assert pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_user_handler_sees_the_failed_commit() -> None:
    """The application's own handler answers a COMMIT that failed, but never with success."""
    app = FastAPI()
    db = attached(app)
    status = 418

    @app.exception_handler(IntegrityError)
    def handle(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("mine", status_code=status)

    @app.post("/notes")
    async def create(session: SessionDep) -> None:
        session.add_all([Note(text="a"), Note(text="a")])

    async with client_of(app) as client:
        assert (await client.post("/notes")).text == "mine"
        status = 200
        assert (await client.post("/notes")).status_code == 409
        assert await texts(db) == []


async def test_explicit_commit_and_rollback_stay_possible() -> None:
    """`session.commit()` commits now, `rollback()` undoes; the rest is the gate's."""
    app = FastAPI()
    db = attached(app)

    @app.post("/notes")
    async def create(session: SessionDep) -> None:
        session.add(Note(text="kept"))
        await session.commit()
        session.add(Note(text="undone"))
        await session.rollback()
        connection = await session.connection()
        await connection.execute(insert(Note).values(text="core"))
        session.add(Note(text="last"))

    async with client_of(app) as client:
        assert (await client.post("/notes")).status_code == 200
        assert await texts(db) == ["kept", "core", "last"]


async def test_streamed_query_reads_in_a_reading_request(database_url: str) -> None:
    """`session.stream()` works in a GET, before and after another statement."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata)
    db.attach(app)

    @app.get("/notes")
    async def read(session: SessionDep, *, is_late: bool = False) -> list[str]:
        if is_late:
            await session.scalar(select(Note.id))
        rows = await session.stream_scalars(select(Note.text).order_by(Note.id))
        return [row async for row in rows]

    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Note(text="a"), Note(text="b")])
        for path in ("/notes", "/notes?is_late=true"):
            assert (await client.get(path)).json() == ["a", "b"]
