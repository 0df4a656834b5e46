"""What runs after COMMIT, and only then."""

from __future__ import annotations

import functools
import logging

import pytest
from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from ormolu import Database, NoUnitOfWorkError, SessionDep, after_commit
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.reliability.accounts import Account, Owner, make_database, rows_of


class Answer(BaseModel):
    """An answer that some returned values do not fit."""

    number: int


def make_notifying_app(db: Database, seen: list[str]) -> FastAPI:
    """Return an application that notes what its tasks and callbacks can see."""
    app = FastAPI()
    db.attach(app)

    async def look(label: str, number: int) -> None:
        async with db.unit_of_work(read_only=True) as session:
            found = await session.get(Account, number)
            seen.append(f"{label}:{found.name if found else None}")

    @app.post("/accounts", status_code=201, response_model=Answer)
    async def create(
        session: SessionDep, tasks: BackgroundTasks, outcome: str = "stored"
    ) -> object:
        account = Account(name=outcome)
        session.add(account)
        await session.flush()
        tasks.add_task(look, "task", account.id)
        after_commit(session, look, "callback", number=account.id)
        after_commit(session, seen.append, "plain")
        if outcome == "deferred":
            session.add(Owner(account_id=999))
        elif outcome == "returned":
            return JSONResponse({}, status_code=400, background=tasks)
        elif outcome == "unserialisable":
            return {"number": "no number"}
        elif outcome == "raised":
            raise RuntimeError(outcome)
        return Answer(number=account.id)

    return app


async def test_tasks_and_callbacks_see_the_row(database_url: str) -> None:
    """Callbacks run after COMMIT and before the answer, tasks after the answer."""
    seen: list[str] = []
    db = make_database(database_url)
    async with client_of(make_notifying_app(db, seen)) as client:
        assert (await client.post("/accounts")).status_code == 201
    assert seen == ["callback:stored", "plain", "task:stored"]


@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_nothing_runs_when_the_commit_fails(database_url: str) -> None:
    """A COMMIT that fails is a 409; no task and no callback runs, nothing is stored."""
    seen: list[str] = []
    db = make_database(database_url)
    async with client_of(make_notifying_app(db, seen)) as client:
        answer = await client.post("/accounts?outcome=deferred")
        assert (answer.status_code, answer.json()["code"]) == (409, "foreign_key_violation")
        assert (await client.post("/accounts?outcome=next")).status_code == 201
    assert [name for _, name, _ in await rows_of(database_url)] == ["next"]
    assert "deferred" not in "".join(seen)


@pytest.mark.parametrize(
    ("outcome", "status"), [("returned", 400), ("unserialisable", 500), ("raised", 500)]
)
async def test_callbacks_do_not_run_after_rollback(
    outcome: str, status: int, database_url: str
) -> None:
    """A returned error, an answer that cannot be serialised and an exception store nothing."""
    seen: list[str] = []
    db = make_database(database_url)
    async with client_of(make_notifying_app(db, seen)) as client:
        answer = await client.post(f"/accounts?outcome={outcome}")
        assert answer.status_code == status
    assert await rows_of(database_url) == []
    assert [line for line in seen if not line.startswith("task")] == []


async def test_failing_callback_changes_nothing(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in a callback is logged, and the next one runs."""
    seen: list[str] = []
    db = make_database(database_url)

    async def fail() -> None:
        raise RuntimeError

    async with db:
        with caplog.at_level(logging.ERROR, "ormolu"):
            async with db.unit_of_work() as session:
                session.add(Account(name="kept"))
                after_commit(session, fail)
                after_commit(session, seen.append, "ran")
    assert [name for _, name, _ in await rows_of(database_url)] == ["kept"]
    assert "after_commit failed" in caplog.text
    assert seen == ["ran"]


async def test_what_is_no_session_is_refused() -> None:
    """What cannot tell of its COMMIT has no callbacks; the error names what it is."""
    with Session() as session, pytest.raises(NoUnitOfWorkError, match="is a Session"):
        after_commit(session, Response)  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_failed_commit_is_not_committed_by_the_next_request(
    backend: Backend, database_url: str
) -> None:
    """What one request failed to commit is stored by no later one."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    app = make_notifying_app(db, [])
    async with client_of(app) as client:
        for number in range(5):
            assert (await client.post("/accounts?outcome=deferred")).status_code == 409
            assert (await client.post(f"/accounts?outcome=next{number}")).status_code == 201
    names = [name for _, name, _ in await rows_of(database_url)]
    assert names == [f"next{number}" for number in range(5)]
    assert backend.name != "mariadb"


async def test_callbacks_of_a_rolled_back_savepoint_are_forgotten(database_url: str) -> None:
    """What was undone is not told, however it was undone; what was told before is."""
    seen: list[str] = []
    async with Database(database_url) as db, db.unit_of_work() as session:
        after_commit(session, seen.append, "outer")
        async with session.begin_nested():
            after_commit(session, seen.append, "kept")
        with pytest.raises(RuntimeError):
            async with session.begin_nested():
                after_commit(session, seen.append, "raised")
                raise RuntimeError
        savepoint = await session.begin_nested()
        after_commit(session, seen.append, "undone")
        await savepoint.rollback()
    assert seen == ["outer", "kept"]


class Sender:
    """An object that is called like a coroutine function."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def __call__(self, word: str) -> None:
        self.seen.append(word)


async def test_all_kinds_of_callables_are_awaited(database_url: str) -> None:
    """Objects with an async call, partials of them, and plain functions that return a coroutine."""
    seen: list[str] = []
    send = Sender(seen)
    async with make_database(database_url) as db, db.unit_of_work() as session:
        session.add(Account(name="a"))
        after_commit(session, send, "object")
        after_commit(session, functools.partial(functools.partial(send), "partial"))
        after_commit(session, lambda word: send(word), "lambda")
        after_commit(session, send.__call__, "method")
    assert seen == ["object", "partial", "lambda", "method"]
