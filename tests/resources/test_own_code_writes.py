"""Code of the program's own makes the answer of a write before that is stored, on a lane, too."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel, field_serializer, field_validator
from sqlalchemy import Dialect, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import Model, resource
from tests.fixtures.backends import Backend
from tests.resources.twins import stored_rows, twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]

LANGUAGE: ContextVar[str] = ContextVar("LANGUAGE", default="en")


class Word(TypeDecorator[str]):
    """Text in the language of the request, some of which nobody can read."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value == "refused":
            raise LookupError(value)
        return value

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value == "illegible":
            raise ZeroDivisionError
        return None if value is None else f"{LANGUAGE.get()}:{value}"


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Leaf(Base):
    __tablename__ = "leaves"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(20))
    word: Mapped[str | None] = mapped_column(Word)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 -- SQLAlchemy's own form


class Twig(Base):
    __tablename__ = "twigs"
    id: Mapped[str] = mapped_column(Word, primary_key=True)
    size: Mapped[int | None]


class Shown(BaseModel):
    """An answer of the program's own."""

    id: int
    name: str

    @field_serializer("name")
    def write(self, value: str) -> str:
        """Fail for one."""
        if value == "unspeakable":
            raise ZeroDivisionError
        return f"{LANGUAGE.get()}:{value}"


class Told(TypeDecorator[str]):
    """Text of whatever is stored."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value)


class Stem(Base):
    __tablename__ = "stems"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(Told)
    given: Mapped[str | None] = mapped_column(Told, server_default="it's")
    made: Mapped[str | None] = mapped_column(Told, default=sa.func.upper("abc"))


class Halt(BaseException):
    """No Exception, as CancelledError is none."""


class Halting(BaseModel):
    """An answer that stops all for some."""

    id: int
    name: str

    @field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        """Stop everything for one."""
        if value == "halt":
            raise Halt
        return value


leaves, twigs = resource(Leaf, writable={"id"}), resource(Twig, writable={"id"})
stems = resource(Stem, writable={"id"})
halting = resource(Leaf, path="/halting", writable={"id"}, public_model=Halting)
spoken = resource(Leaf, path="/spoken", writable={"id"}, public_model=Shown)


class _Language:
    """Notes the language of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spoken = dict(scope.get("headers", ())).get(b"accept-language", b"en")
        token = LANGUAGE.set(spoken.decode())
        try:
            await self._app(scope, receive, send)
        finally:
            LANGUAGE.reset(token)


def add_language(app: FastAPI) -> None:
    app.add_middleware(_Language)


@pytest.mark.long
async def test_answers_are_made_in_the_context_of_their_request(twin_urls: Urls) -> None:
    """Of those that are written together, too."""
    async with twins_of(twin_urls, Base.metadata, leaves, twigs, prepare=add_language) as twins:
        for number, language in enumerate(("de", "fr")):
            options: dict[str, Any] = {"headers": {"accept-language": language}}
            body = {"id": number, "name": "a", "word": "w"}
            made = await twins.through("POST", "/leaves", json=body, **options)
            assert made.json()["word"] == f"{language}:w"
            await twins.through("PATCH", f"/leaves/{number}", json={"name": "b"}, **options)
            await twins.through("POST", "/twigs", json={"id": f"k{number}", "size": 1}, **options)
        many: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/leaves", {"json": {"id": n, "name": "c", "word": "x"},
                                 "headers": {"accept-language": f"l{n}"}})
            for n in range(10, 40)
        ]  # fmt: skip
        await twins.send_all(many)
        await twins.compare(*Base.metadata.tables.values())


@pytest.mark.long
async def test_what_cannot_be_shown_is_not_stored(twin_urls: Urls) -> None:
    """Nor is what cannot be written; those who write beside it are not concerned."""
    async with twins_of(twin_urls, Base.metadata, leaves) as twins:
        await twins.through("POST", "/leaves", json={"id": 1, "name": "a", "word": "w"})
        await twins.past("POST", "/leaves", json={"id": 2, "name": "a", "word": "illegible"})
        await twins.past("POST", "/leaves", json={"id": 2, "name": "a", "word": "refused"})
        await twins.past("PATCH", "/leaves/1", json={"word": "illegible"})
        await twins.compare(Leaf.__table__)  # type: ignore[arg-type]
        words = ["x", "illegible", "y", "refused", "z"] * 6
        many: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/leaves", {"json": {"id": 10 + n, "name": "c", "word": word}})
            for n, word in enumerate(words)
        ]
        await twins.send_all(many)
        await twins.compare(Leaf.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_what_others_stored_illegibly_is_shown_as_null(twin_urls: Urls) -> None:
    """What stands beside it can be changed."""
    async with twins_of(twin_urls, Base.metadata, leaves) as twins:
        await twins.execute("INSERT INTO leaves (id, name, word, version) "
                            "VALUES (1, 'a', 'illegible', 1)")  # fmt: skip
        answer = await twins.through("PATCH", "/leaves/1", json={"name": "b"})
        assert answer.json()["word"] is None
        await twins.compare(Leaf.__table__)  # type: ignore[arg-type]
        await twins.through("DELETE", "/leaves/1")
        await twins.compare(Leaf.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_sql_for_a_value_is_sql(twin_urls: Urls) -> None:
    """A type of the program's own does not write its text instead."""
    async with twins_of(twin_urls, Base.metadata, stems) as twins:
        await twins.send("POST", "/stems", json={"id": 1, "given": "a", "made": "b"})
        for path in ("/stems/1", "/stems/2", "/stems/2"):
            put = await twins.send("PUT", path, json={"name": "n"})
            assert (put.json()["given"], put.json()["made"]) == ("it's", "ABC")
        await twins.send("PATCH", "/stems/1", json={"given": "c"})
        await twins.compare(Stem.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_code_that_stops_everything_stops_its_own_request(twin_urls: Urls) -> None:
    """What is answered beside it and after it is stored: no transaction stays open on a lane."""
    async with twins_of(twin_urls, Base.metadata, halting) as twins:
        async with twins.databases[0].unit_of_work() as session:
            session.add(Leaf(id=1, name="a"))

        async def write(number: int) -> int:
            name = "halt" if number % 4 == 2 else "a"
            try:
                sent = twins.first("POST", "/halting", json={"id": number, "name": name})
                return (await sent).status_code
            except Halt:
                return 0

        found = await asyncio.gather(*map(write, range(2, 14)))
        found.append(await write(14))
        with pytest.raises(Halt):
            await twins.first("PATCH", "/halting/1", json={"name": "halt"})
        found.append(await write(15))
        assert found == [0 if number % 4 == 2 else 201 for number in range(2, 16)]
        stored = await stored_rows(twins.databases[0], Leaf.__table__)  # type: ignore[arg-type]
        assert len(stored) == 1 + found.count(201)
        assert "halt" not in str(stored)
        assert "68616C74" not in str(stored)


@pytest.mark.long
async def test_public_models_make_the_answers_of_writes(twin_urls: Urls) -> None:
    """What one cannot show is not stored."""
    async with twins_of(twin_urls, Base.metadata, spoken, prepare=add_language) as twins:
        options: dict[str, Any] = {"headers": {"accept-language": "de"}}
        made = await twins.through("POST", "/spoken", json={"id": 1, "name": "a"}, **options)
        assert made.json() == {"id": 1, "name": "de:a"}
        await twins.through("PATCH", "/spoken/1", json={"name": "b"}, **options)
        await twins.past("PATCH", "/spoken/1", json={"name": "unspeakable"})
        await twins.past("POST", "/spoken", json={"id": 2, "name": "unspeakable"})
        await twins.compare(Leaf.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_rows_that_a_trigger_leaves_out(twin_urls: Urls, backend: Backend) -> None:
    """Nothing else that it did is stored either: the answer is the session's."""
    async with twins_of(twin_urls, Base.metadata, leaves) as twins:
        if backend.is_sqlite:
            await twins.execute("CREATE TRIGGER t BEFORE INSERT ON leaves WHEN new.name = 'out' "
                                "BEGIN SELECT raise(ignore); END")  # fmt: skip
        else:
            await twins.execute(
                "CREATE FUNCTION act() RETURNS trigger AS $$ BEGIN IF NEW.name = 'out' THEN "
                "RETURN NULL; END IF; RETURN NEW; END $$ LANGUAGE plpgsql",
                "CREATE TRIGGER t BEFORE INSERT ON leaves FOR EACH ROW EXECUTE FUNCTION act()",
            )
        for number, name in enumerate(("a", "out", "b", "out")):
            await twins.send("POST", "/leaves", json={"id": number, "name": name})
        await twins.compare(Leaf.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_rows_that_are_there_already(twin_urls: Urls) -> None:
    """A conflict takes back its own row alone."""
    async with twins_of(twin_urls, Base.metadata, leaves) as twins:
        ids = [*range(12), 3, 7, 20]
        many: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/leaves", {"json": {"id": n, "name": "c", "word": "x"}}) for n in range(12)
        ]
        await twins.send_all(many)
        for number in ids:
            await twins.send("POST", "/leaves", json={"id": number, "name": "d"})
        await twins.compare(Leaf.__table__)  # type: ignore[arg-type]
        assert twins.answered >= 12


@pytest.mark.backends("asyncpg")
async def test_a_cancelled_transaction_takes_nothing_with_it(twin_urls: Urls) -> None:
    """The connection on which it was open is not used again."""
    sleeping = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
                       "AND datname = current_database()")  # fmt: skip
    async with twins_of(twin_urls, Base.metadata, spoken) as twins:
        await twins.execute(
            "CREATE FUNCTION act() RETURNS trigger AS $$ BEGIN IF NEW.name = 'slow' THEN "
            "PERFORM pg_sleep(30); END IF; RETURN NEW; END $$ LANGUAGE plpgsql",
            "CREATE TRIGGER t BEFORE INSERT ON leaves FOR EACH ROW EXECUTE FUNCTION act()",
        )
        slow = twins.first("POST", "/spoken", json={"id": 1, "name": "slow"})
        waiting = asyncio.create_task(slow)
        # Without a transaction, within which PostgreSQL would always tell the same.
        async with twins.databases[0].unit_of_work(read_only=True) as session:
            while not await session.scalar(sleeping):
                await session.execute(sa.text("SELECT pg_sleep(0.01)"))
        for task in asyncio.all_tasks():
            if getattr(task.get_coro(), "__qualname__", "") == "Lane._work":
                task.cancel()
        assert (await waiting).status_code == 503
        before = twins.answered
        for number in (2, 3):
            made = await twins.first("POST", "/spoken", json={"id": number, "name": "a"})
            assert made.status_code == 201
        assert twins.answered == before + 2
        stored = await stored_rows(twins.databases[0], Leaf.__table__)  # type: ignore[arg-type]
        assert len(stored) == 2
