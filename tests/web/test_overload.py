"""More requests than a process can serve: what waits, what is refused, and what never is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ormolu import ConfigurationError, Database
from ormolu.controlled_delay import ControlledDelay, Excess
from ormolu.web import _load, _overload, _processor
from tests.fixtures.apps import client_of
from tests.reliability._serving import served


class Traffic:
    """Requests that stay under way until they are let go, on a clock that the test moves."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.begun: list[int] = []
        self.answers: dict[int, int] = {}
        self._holds: dict[int, asyncio.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._passed = 0.0
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        # No time passes but what the test lets pass, on however busy a machine.
        self._loop.time = lambda: self._began_at + self._passed  # type: ignore[method-assign]

    def give_clock_back(self) -> None:
        """Let time pass by itself again."""
        del self._loop.time

    async def hold(self, number: int) -> None:
        """Be a request that waits for something."""
        self.begun.append(number)
        await self._holds[number].wait()

    async def send(self, *numbers: int) -> None:
        """Send requests, and let them begin."""
        for number in numbers:
            self._holds[number] = asyncio.Event()
            self._tasks[number] = asyncio.create_task(self._ask(number))
        await settle()

    async def _ask(self, number: int) -> None:
        answer = await self.client.get(f"/hold/{number}")
        self.answers[number] = answer.status_code

    async def end(self, *numbers: int) -> None:
        """Let requests be answered."""
        for number in numbers:
            self._holds[number].set()
        await settle()

    async def cancel(self, number: int) -> None:
        """Let a client go away."""
        self._tasks[number].cancel()
        await settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in which the load is looked at."""
        for _ in range(round(seconds / 0.021)):
            self._passed += 0.021
            await settle()

    async def end_all(self) -> None:
        """Let everything be answered."""
        while any(not each.done() for each in self._tasks.values()):
            await self.end(*self._holds)
            await self.pass_time(0.021)


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Make the process a busy one, with a line of requests that have begun, or an idle one."""
    line = ControlledDelay(is_counted=True)

    def set_share(share: float) -> None:
        monkeypatch.setattr(
            _processor.ProcessorUse, "look", lambda use, _now: setattr(use, "share", share)
        )

    def be(is_busy: bool) -> None:
        set_share(1.0 if is_busy else 0.1)
        if is_busy:
            line.begin(0.0)
        else:
            line.be_empty()

    be(False)
    return be


@pytest.fixture
async def traffic(tmp_path: Path, busy: object) -> AsyncIterator[Traffic]:
    app = FastAPI()
    Database(f"sqlite:///{tmp_path / 'a.db'}").attach(app)
    found: list[Traffic] = []

    @app.get("/hold/{number}")
    async def hold(number: int) -> None:
        await found[0].hold(number)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            await found[0].hold(-1)

        found[0]._holds[-1] = asyncio.Event()
        return StreamingResponse(chunks())

    async with client_of(app) as client:
        found.append(Traffic(client))
        yield found[0]
        await found[0].end_all()
        found[0].give_clock_back()


@pytest.mark.long
async def test_as_many_as_come_begin(traffic: Traffic, busy: Callable[[bool], None]) -> None:
    """Of a process that is not busy, be there as many as there may."""
    await traffic.send(*range(200))
    await traffic.pass_time(2.0)
    assert len(traffic.begun) == 200
    busy(True)
    await traffic.end(*range(200))
    assert set(traffic.answers.values()) == {200}


async def limited(traffic: Traffic, busy: Callable[[bool], None], count: int) -> list[int]:
    """Let a busy process have so many requests, of which the last ones wait; return these."""
    await traffic.send(*range(20))
    busy(True)
    await traffic.pass_time(0.3)
    waiting = list(range(20, 20 + count))
    await traffic.send(*waiting)
    assert traffic.begun == list(range(20))
    return waiting


@pytest.mark.long
async def test_burst_waits_in_turn(traffic: Traffic, busy: Callable[[bool], None]) -> None:
    """While no more come than are answered, none is refused, and who came first goes first."""
    waiting = await limited(traffic, busy, 30)
    await traffic.pass_time(0.3)
    await traffic.end(*range(20))
    assert traffic.begun[20:] == waiting[:8]
    for number in waiting:
        await traffic.end(number)
        await traffic.pass_time(0.05)
    assert traffic.begun == list(range(50))
    assert set(traffic.answers.values()) == {200}


@pytest.mark.long
async def test_burst_may_last_a_moment(traffic: Traffic, busy: Callable[[bool], None]) -> None:
    """Nobody of it is refused, however long they wait, if no more come after it."""
    await limited(traffic, busy, 0)
    for number in range(20, 60):
        await traffic.send(number)
        await traffic.pass_time(0.01 if number % 2 else 0.021)
    await traffic.pass_time(3.0)
    assert not traffic.answers
    busy(False)
    await traffic.pass_time(1.0)
    assert traffic.begun == list(range(60))


@pytest.mark.long
async def test_growing_line(traffic: Traffic, busy: Callable[[bool], None]) -> None:
    """Where more come than are answered, the newest go first, and others are refused soon."""
    waiting = await limited(traffic, busy, 10)
    for number in range(30, 60):
        await traffic.send(number)
        await traffic.pass_time(0.05)
        if number % 2 == 0:
            await traffic.end(traffic.begun[(number - 30) // 2])
    refused = [number for number, status in traffic.answers.items() if status == 503]
    assert set(waiting) <= set(refused)
    assert not set(refused) & set(traffic.begun)
    assert traffic.begun[20:], "some of the newest have begun"
    assert min(traffic.begun[20:]) > max(waiting)


async def test_refusal(traffic: Traffic, busy: Callable[[bool], None]) -> None:
    """It is a problem that says when to come again; the probes are answered all the same."""
    await limited(traffic, busy, 10)
    answer = asyncio.create_task(traffic.client.get("/hold/99"))
    for number in range(30, 60):
        await traffic.send(number)
        await traffic.pass_time(0.05)
    refused = await answer
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "overloaded"
    for probe in ("/healthz", "/readyz"):
        assert (await traffic.client.get(probe)).status_code == 200


async def test_flood_is_refused_unparsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not see it, but for the probes."""
    monkeypatch.setattr(_load, "_LEAST", 0)
    monkeypatch.setattr(_load.Load, "_judge", lambda load, _now: setattr(load, "is_growing", True))
    app, load = FastAPI(), _load.load_of(asyncio.get_running_loop())
    Database(f"sqlite:///{tmp_path / 'a.db'}").attach(app)
    seen: list[str] = []

    async def watch(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope.get("path", scope["type"]))
        await app(scope, receive, send)

    @app.get("/hold")
    async def hold() -> None:
        while not load.is_growing:  # noqa: ASYNC110 -- a look has no event
            await asyncio.sleep(0.001)

    async with served(watch) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as on:
        answers = [await on.get(path) for path in ("/hold", "/hold", "/healthz", "/hold")]
    assert [each.status_code for each in answers] == [200, 503, 200, 503]
    assert answers[1].json()["code"] == "overloaded"
    assert answers[1].headers["retry-after"] == "1"
    assert seen == ["lifespan", "/hold", "/healthz"]
    assert load.refused == 2


async def test_line_moves_once_the_process_is_idle(
    traffic: Traffic, busy: Callable[[bool], None]
) -> None:
    """Then all of them may begin, step by step."""
    waiting = await limited(traffic, busy, 30)
    busy(False)
    await traffic.pass_time(1.0)
    assert traffic.begun == [*range(20), *waiting]


async def test_client_that_leaves_the_line(traffic: Traffic, busy: Callable[[bool], None]) -> None:
    """Its place is the next one's."""
    waiting = await limited(traffic, busy, 30)
    await traffic.cancel(waiting[0])
    await traffic.end(*range(13))
    assert traffic.begun[20:] == waiting[1:2]


async def test_turn_that_comes_with_a_cancellation() -> None:
    """It is the next one's, too."""
    load = _load.Load(asyncio.get_running_loop())
    load._most = 1
    assert load.begin(is_urgent=False)
    first, second = [asyncio.create_task(load.wait()) for _ in range(2)]
    await settle()
    load.end()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert await second
    load.end()
    assert (load._under_way, len(load.line)) == (0, 0)


async def test_stream_is_no_load_once_it_has_begun(
    traffic: Traffic, busy: Callable[[bool], None]
) -> None:
    """It may go on for hours."""
    load = _load.load_of(asyncio.get_running_loop())
    task = asyncio.create_task(traffic.client.get("/stream"))
    await settle()
    assert traffic.begun == [-1]
    assert load._under_way == 0
    traffic._holds[-1].set()
    assert (await task).content == b"first"
    assert load._under_way == 0


async def test_late_loop_is_a_busy_one(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that leave no time for others have no line of their own."""
    await traffic.send(*range(20))
    monkeypatch.setattr(_load, "_LOOK_EVERY", -0.2)
    await traffic.pass_time(0.3)
    await traffic.send(*range(20, 30))
    assert traffic.begun == list(range(20))


async def test_application_in_another_one(tmp_path: Path, busy: object) -> None:
    """A request is counted once, however many applications it goes through."""
    outer, inner = FastAPI(), FastAPI()
    for number, app in enumerate((outer, inner)):
        Database(f"sqlite:///{tmp_path / f'{number}.db'}").attach(app)
    outer.mount("/inner", inner)
    load = _load.load_of(asyncio.get_running_loop())

    @inner.get("/")
    async def count() -> int:
        return load._under_way

    async with client_of(outer) as client:
        assert (await client.get("/inner/")).json() == 1


async def test_it_is_around_all_but_starlette_s_own(tmp_path: Path) -> None:
    """Telemetry looks for that one; a program may have something of its own around it."""
    app = FastAPI()
    app.add_middleware(GZipMiddleware)
    Database(f"sqlite:///{tmp_path / 'a.db'}").attach(app)
    stack: Any = app.build_middleware_stack()
    assert isinstance(stack, ServerErrorMiddleware)
    assert isinstance(stack.app, _overload.Overload)
    plain = app.build_middleware_stack
    bare = FastAPI()
    bare.build_middleware_stack = lambda: plain().app  # type: ignore[attr-defined, method-assign]
    Database(f"sqlite:///{tmp_path / 'b.db'}").attach(bare)
    assert isinstance(bare.build_middleware_stack(), _overload.Overload)


async def test_it_can_be_left_out(tmp_path: Path) -> None:
    """Then nothing is around the application's own middleware."""
    app = FastAPI()
    Database(f"sqlite:///{tmp_path / 'a.db'}").attach(app, overload="off")
    stack: Any = app.build_middleware_stack()
    assert not isinstance(stack.app, _overload.Overload)
    with pytest.raises(ConfigurationError, match=r"attach\(overload='fast'\): write \"adaptive\""):
        Database("sqlite://").attach(FastAPI(), overload="fast")  # type: ignore[arg-type]


def test_batches_are_no_line() -> None:
    """What goes together with the next batch does not wait in vain."""
    excess = Excess(2)
    excess.note(2, 5.0)
    assert not excess._delay.has_stood_for(0.0, 10.0)
    excess.note(3, 5.0)
    assert excess._delay.has_stood_for(4.0, 10.0)
    excess.note(1, 6.0)
    assert not excess._delay.has_stood_for(0.0, 10.0)


@pytest.mark.parametrize(
    ("text", "processors"),
    [("50000 100000", 0.5), ("400000 100000", 1.0), ("max 100000", 1.0), (None, 1.0)],
)
def test_limit_of_a_container(
    text: str | None, processors: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half a processor is all that such a process can get."""
    file = tmp_path / "cpu.max"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(_processor, "_LIMIT_FILE", file)
    assert _processor._processors.__wrapped__() == processors


def test_share_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is measured over a while."""
    used: list[Any] = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: used[0])
    monkeypatch.setattr(_processor, "_processors", lambda: 1.0)
    use = _processor.ProcessorUse()
    use.look(1000.0)
    used[0] = 0.045
    use.look(1000.02)
    assert use.share == 0.0
    use.look(1000.05)
    assert use.share == pytest.approx(0.9)
