"""Requests that lose to others are run again, as long as nothing of them is sent or stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from sqlalchemy.exc import DBAPIError

from ormolu import ConfigurationError, Database, OverloadedError, retry
from ormolu.sessions import Repeats
from ormolu.testing import fail_commit, fail_nth_statement
from tests.fixtures.kept import KeptApp, keep_running
from tests.reliability.accounts import checked_out
from tests.reliability.crowd import Base, Crowd, crowded_app, names_in, store

pytestmark = pytest.mark.anyio

GIVEN = {"name": "a"}
RUN = ["enter", "leave"]
DONE = ["enter", "committed", "task", "leave"]
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture(scope="module")
async def served(module_url: str, crowd: Crowd) -> AsyncIterator[KeptApp]:
    db = Database(module_url, metadata=Base.metadata)
    async with keep_running(crowded_app(db, crowd), db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp, crowd: Crowd) -> AsyncIterator[httpx2.AsyncClient]:
    crowd.forget()
    async with served.client() as found:
        yield found


def commits_fail(crowd: Crowd, runs: int) -> ExitStack:
    """Return a block in which the COMMITs of the first runs fail."""
    stack = ExitStack()
    stack.enter_context(fail_commit())
    crowd.before = lambda number: stack.close() if number > runs else None
    return stack


async def test_a_run_that_loses_leaves_nothing(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """The body comes again, the scope is as it was, tasks and callbacks run once."""
    with fail_nth_statement(1) as lost:
        answer = await client.post("/things-by-hand", json=GIVEN)
    assert (answer.status_code, answer.json()) == (200, "ann 1 2")
    assert (lost.count, crowd.runs) == (1, 2)
    assert crowd.seen == [*RUN, *DONE]
    assert await names_in(served.db) == ["a"]


async def test_a_commit_that_loses_leaves_nothing(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """So does a run whose COMMIT fails, twice."""
    with commits_fail(crowd, 2):
        answer = await client.post("/things-by-hand", json=GIVEN)
    assert (answer.status_code, answer.json()) == (200, "ann 1 2")
    assert crowd.seen == [*RUN, *RUN, *DONE]
    assert await names_in(served.db) == ["a"]


@pytest.mark.parametrize("failing", ["statement", "commit"])
async def test_what_is_not_marked_is_run_once(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd, failing: str
) -> None:
    """Its answer is 503, with Retry-After."""
    with fail_nth_statement(1) if failing == "statement" else fail_commit():
        answer = await client.post("/unmarked", json=GIVEN)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert crowd.seen == RUN
    with fail_nth_statement(1):
        assert (await client.post("/never")).status_code == 503
    assert crowd.runs == 2
    assert await names_in(served.db) == []


async def test_the_last_failure_is_told(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    """After three more runs the answer is 503, and the one line in the log says how often."""
    caplog.set_level(logging.WARNING, logger="ormolu")
    with fail_commit():
        answer = await client.post("/things-by-hand", json=GIVEN)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (crowd.runs, crowd.seen) == (4, RUN * 4)
    told = [each.message for each in caplog.records if "/things-by-hand" in each.message]
    assert len(told) == 1
    assert told[0].endswith("(tried 4 times)")
    assert await names_in(served.db) == []


@pytest.mark.parametrize("how", ["flushes", "goes on", "streams"])
async def test_a_caught_loss_is_run_again(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd, how: str
) -> None:
    """A route that caught the error and went on has lost its transaction all the same."""
    with fail_nth_statement(1):
        answer = await client.post("/careless", params={"how": how})
    assert (answer.status_code, crowd.runs) == (200, 2)
    assert await names_in(served.db) == ["careless"]


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_a_caught_loss_of_a_statement_is_run_again(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """The session goes on, and the server has rolled the transaction back."""
    with fail_nth_statement(1):
        answer = await client.post("/careless", params={"how": "executes"})
    assert (answer.status_code, crowd.runs) == (200, 2)
    assert await names_in(served.db) == ["careless"]


async def test_an_answer_that_is_sent_anyhow_is_not(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """Nothing of a run is sent whose COMMIT has failed, whatever the program tries."""
    with commits_fail(crowd, 1):
        assert (await client.post("/stubborn")).status_code == 200
    with fail_commit():
        assert (await client.post("/stubborn")).status_code == 503
    assert (crowd.runs, await names_in(served.db)) == (6, ["stubborn"])


@pytest.mark.parametrize("how", ["returned", "raised"])
async def test_an_answer_of_its_own_is_kept(
    client: httpx2.AsyncClient, crowd: Crowd, how: str
) -> None:
    """A route that answers the error itself is not run again."""
    with fail_nth_statement(1):
        answer = await client.post("/own-answer", params={"how": how})
    assert (answer.status_code, crowd.runs) == (409, 1)


async def test_a_stream_is_run_again_before_it_begins(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """Until its first byte nothing is sent."""
    with commits_fail(crowd, 1):
        answer = await client.post("/stream")
    assert (answer.text, crowd.runs) == ("begun ended", 2)
    assert await names_in(served.db) == ["streamed", "within"]


async def test_an_answer_that_has_begun_is_not(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """What fails in the middle of a stream ends it."""
    transport = httpx2.ASGITransport(app=served.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as strict:
        with fail_nth_statement(1), pytest.raises(RuntimeError, match="already started"):
            await strict.post("/stream?breaks=1")
    assert crowd.runs == 1


@pytest.mark.parametrize("how", ["session", "connection"])
async def test_what_has_committed_is_not_run_again(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd, how: str
) -> None:
    """Its first half would be stored twice."""
    with fail_nth_statement(2):
        answer = await client.post("/halves", params={"how": how})
    assert (answer.status_code, crowd.runs) == (503, 1)
    assert await names_in(served.db) == ["first half"]


@pytest.mark.parametrize(("size", "runs"), [(MEBIBYTE - 1, 2), (3 * MEBIBYTE, 1)])
async def test_a_large_body_is_not_kept(
    client: httpx2.AsyncClient, crowd: Crowd, size: int, runs: int
) -> None:
    """Above a mebibyte or so the request is not run again."""

    async def parts() -> AsyncIterator[bytes]:
        for begin in range(0, size, 64 * 1024):
            yield bytes(min(size - begin, 64 * 1024))

    with fail_nth_statement(1):
        answer = await client.post("/raw", content=parts())
    assert crowd.runs == runs
    assert (answer.status_code, answer.json() if runs == 2 else size) == (
        200 if runs == 2 else 503,
        size,
    )


async def test_resources_are_marked(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """Creating and changing a row need no decorator."""
    with fail_nth_statement(1) as lost:
        assert (await client.post("/things", json=GIVEN)).status_code == 201
    with fail_nth_statement(1) as lost_again:
        assert (await client.patch("/things/1", json={"name": "b"})).status_code == 200
    assert (lost.count, lost_again.count, await names_in(served.db)) == (1, 1, ["b"])


async def test_a_key_is_taken_again(client: httpx2.AsyncClient, served: KeptApp) -> None:
    """Whoever loses while it stores its Idempotency-Key has no first request that still runs."""
    headers = {"Idempotency-Key": "once"}
    with fail_nth_statement(1) as lost:
        assert (await client.post("/things", json=GIVEN, headers=headers)).status_code == 201
    replayed = await client.post("/things", json=GIVEN, headers=headers)
    assert (replayed.status_code, replayed.headers["idempotency-replayed"]) == (201, "true")
    assert (lost.count, await names_in(served.db)) == (1, ["a"])


class Exchange:
    """A request by hand, whose client does what a test says after the body."""

    def __init__(self, served: KeptApp, after_body: Any) -> None:
        self.app = served.app
        self.after_body = after_body
        self.sent: list[Any] = []
        self._parts = [{"type": "http.request", "body": b'{"name": "a"}', "more_body": False}]

    async def receive(self) -> Any:
        return self._parts.pop() if self._parts else await self.after_body()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def run(self) -> None:
        scope = {
            "type": "http", "method": "POST", "path": "/things-by-hand", "query_string": b"",
            "headers": [(b"content-type", b"application/json")], "root_path": "",
        }  # fmt: skip
        await self.app(scope, self.receive, self.send)


async def test_nobody_is_served_again_who_has_left(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """A client that leaves between two runs has no second one."""

    async def leave() -> Any:
        return {"type": "http.disconnect"}

    exchange = Exchange(served, leave)
    with fail_nth_statement(1):
        await exchange.run()
    assert (exchange.sent[0]["status"], crowd.runs, crowd.seen) == (503, 1, RUN)
    assert await names_in(served.db) == []


async def test_a_cancellation_between_two_runs_leaves_nothing(
    client: httpx2.AsyncClient,
    served: KeptApp,
    crowd: Crowd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No connection stays in use, nothing is sent, and the next request is served."""
    monkeypatch.setattr(Repeats, "pause", lambda _self: 60.0)
    waits = asyncio.Event()

    async def wait() -> Any:
        waits.set()
        await asyncio.Event().wait()

    exchange = Exchange(served, wait)
    in_use = checked_out(served.db)
    with fail_nth_statement(1):
        task = asyncio.create_task(exchange.run())
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (exchange.sent, crowd.runs) == ([], 1)
    assert checked_out(served.db) <= in_use
    assert (await client.post("/things-by-hand", json=GIVEN)).status_code == 200


async def test_a_function_is_called_again(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """`db.run` does in a script what the gate does for a request."""

    async def add(session: Any, name: str, *, suffix: str) -> str:
        crowd.begin()
        await store(session, name + suffix)
        return name

    with fail_nth_statement(1):
        assert await served.db.run(add, "a", suffix="!") == "a"
    with commits_fail(crowd, 3):
        await served.db.run(add, "b", suffix="!")
    assert (crowd.runs, await names_in(served.db)) == (4, ["a!", "b!"])
    with fail_commit(), pytest.raises((DBAPIError, OverloadedError)) as raised:
        await served.db.run(add, "c", suffix="!")
    assert (crowd.runs, raised.value.__notes__) == (8, ["Tried 4 times."])


async def test_a_function_with_a_mistake_is_called_once(
    client: httpx2.AsyncClient, served: KeptApp, crowd: Crowd
) -> None:
    """Only what others have caused is tried again, and never what it has committed."""

    async def err(session: Any) -> None:
        crowd.begin()
        message = "mistaken"
        raise ValueError(message)

    async def commit(session: Any) -> None:
        crowd.begin()
        await session.commit()
        await store(session, "second")

    with pytest.raises(ValueError, match="mistaken"):
        await served.db.run(err)
    with fail_nth_statement(1), pytest.raises((DBAPIError, OverloadedError)):
        await served.db.run(commit)
    assert crowd.runs == 2


def test_options_are_checked() -> None:
    """A wrong one says what to write."""
    with pytest.raises(ConfigurationError, match='write "marked", "all" or "never"'):
        Database("sqlite://", retry="always")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="write 0 to 10"):
        retry(times=11)
