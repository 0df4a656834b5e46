"""The application whose requests lose to others: it tells what each run has seen and done."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import MetaData, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import Database, Model, OverloadedError, SessionDep, after_commit, resource, retry


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Given(BaseModel):
    name: str


class Crowd:
    """What has happened to the requests of an application.

    Attributes:
        seen: What was done, in its order.
        before: Called when a run begins, with its number.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget all of it."""
        self.seen: list[str] = []
        self.before: Callable[[int], object] = lambda _number: None
        self.runs = 0

    def begin(self) -> None:
        self.runs += 1
        self.before(self.runs)


class Around:
    """Middleware that keeps things in the scope, as those for cookies and users do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["session"] = {"visits": 1}
            scope["state"] = {**scope.get("state", {}), "user": "ann"}
        await self.app(scope, receive, send)


class Stubborn(Response):
    """An answer that is sent once more after an error."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(DBAPIError, OverloadedError):
            await super().__call__(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


async def store(session: AsyncSession, name: str) -> None:
    session.add(Thing(name=name))
    await session.flush()


async def names_in(db: Database) -> list[str]:
    async with db.unit_of_work(read_only=True) as session:
        return list(await session.scalars(select(Thing.name).order_by(Thing.id)))


def crowded_app(db: Database, crowd: Crowd) -> FastAPI:
    """Return an application with a route for each thing that may be said of it."""
    app = FastAPI()
    db.attach(app)
    app.add_middleware(Around)
    app.include_router(resource(Thing, idempotency=True))
    _add_plain_routes(app, crowd)
    _add_routes_that_catch(app, crowd)
    _add_routes_that_go_on(app, db, crowd)
    return app


def _add_plain_routes(app: FastAPI, crowd: Crowd) -> None:
    async def entered() -> AsyncIterator[None]:
        crowd.seen.append("enter")
        try:
            yield
        finally:
            crowd.seen.append("leave")

    async def create(
        given: Given, request: Request, session: SessionDep, tasks: BackgroundTasks
    ) -> str:
        crowd.begin()
        request.state.mark = getattr(request.state, "mark", 0) + 1
        request.scope["session"]["visits"] += 1
        request.scope["ours"] = request.scope.get("ours", 0) + 1
        marks = (request.state.user, request.state.mark, request.scope["session"]["visits"])
        assert request.scope["ours"] == 1
        after_commit(session, crowd.seen.append, "committed")
        tasks.add_task(crowd.seen.append, "task")
        await store(session, given.name)
        return "{} {} {}".format(*marks)

    dependencies = [Depends(entered)]
    app.post("/things-by-hand", dependencies=dependencies)(retry(create))

    @app.post("/unmarked", dependencies=dependencies)
    async def unmarked(
        given: Given, request: Request, session: SessionDep, tasks: BackgroundTasks
    ) -> str:
        return await create(given, request, session, tasks)

    @app.post("/never")
    @retry(times=0)
    async def never(session: SessionDep) -> None:
        crowd.begin()
        await store(session, "never")

    @app.post("/raw")
    @retry
    async def take_raw(
        request: Request, session: SessionDep, read: Annotated[int, Depends(lambda: 1)]
    ) -> int:
        crowd.begin()
        size = len(await request.body())
        await store(session, f"{read} raw")
        return size


def _add_routes_that_catch(app: FastAPI, crowd: Crowd) -> None:
    @app.post("/careless")
    @retry
    async def careless(session: SessionDep, how: str) -> str:
        crowd.begin()
        with contextlib.suppress(DBAPIError, OverloadedError):
            if how == "executes":
                await session.execute(insert(Thing).values(name="careless"))
            elif how == "streams":
                session.add(Thing(name="careless"))
                await (await session.stream(select(Thing))).close()
            else:
                await store(session, "careless")
        if how == "goes on":
            await session.scalar(select(Thing.id))
        return "stored, it thinks"

    @app.post("/stubborn")
    @retry
    async def answer_anyhow(session: SessionDep) -> Response:
        crowd.begin()
        session.add(Thing(name="stubborn"))
        return Stubborn()

    @app.post("/own-answer")
    @retry
    async def answer_by_itself(session: SessionDep, how: str) -> JSONResponse:
        crowd.begin()
        try:
            await store(session, "own")
        except (DBAPIError, OverloadedError) as error:
            if how == "raised":
                raise HTTPException(409) from error
        return JSONResponse({}, status_code=409)


def _add_routes_that_go_on(app: FastAPI, db: Database, crowd: Crowd) -> None:
    @app.post("/stream")
    @retry
    async def stream(session: SessionDep, *, breaks: bool = False) -> StreamingResponse:
        crowd.begin()
        if not breaks:
            await store(session, "streamed")

        async def parts() -> AsyncIterator[str]:
            yield "begun "
            async with db.unit_of_work() as inner:
                await store(inner, "within")
            yield "ended"

        return StreamingResponse(parts())

    @app.post("/halves")
    @retry
    async def commit_in_between(session: SessionDep, how: str) -> None:
        crowd.begin()
        await store(session, "first half")
        if how == "session":
            await session.commit()
            await store(session, "second half")
        else:
            connection = await session.connection()
            await connection.commit()
            await connection.execute(insert(Thing).values(name="second half"))
