"""Code of the program's own, triggers and other writers: the front door makes no difference."""

from __future__ import annotations

import sqlite3
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, field_validator
from sqlalchemy import ForeignKey, Integer, MetaData, String, event
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, resource
from ormolu.sqlite._connection import Connection
from tests.fixtures.backends import Backend
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class RefusalError(Exception):
    """An error of the program's own."""


def from_context(context: Any) -> str:
    """Return a default that is made of another value."""
    return str(context.get_current_parameters()["name"]).upper()


def if_there(context: Any) -> str:
    """Return a default that does without a context too."""
    try:
        return "seen " + str(context.get_current_parameters()["name"])
    except Exception:
        return "unseen"


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(String(20), server_default="none")
    size: Mapped[int] = mapped_column(default=3, onupdate=lambda: 5)


class Contextual(Base):
    __tablename__ = "contextual"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(20))
    big: Mapped[str | None] = mapped_column(String(20), default=from_context)
    seen: Mapped[str | None] = mapped_column(String(40), default=if_there, onupdate=if_there)


class Counted(Base):
    __tablename__ = "counted"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(20))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class NewItem(BaseModel):
    id: int
    name: str
    note: str = "made"

    @field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        """Fail in many ways."""
        errors = {"refusal": RefusalError(), "http": HTTPException(402), "bug": ZeroDivisionError(),
                  "value": ValueError("no"), "own": PermissionError("x")}  # fmt: skip
        if value in errors:
            raise errors[value]
        return value


class Changes(BaseModel):
    name: str | None = None


items = resource(Item, writable={"id"})
checked = resource(
    Item, path="/checked", writable={"id"}, create_model=NewItem, update_model=Changes
)
counted = resource(Counted, writable={"id"})
contextual = resource(Contextual, writable={"id"})


def handle_refusals(app: FastAPI) -> None:
    @app.exception_handler(RefusalError)
    async def _(_request: Request, _error: RefusalError) -> JSONResponse:
        return JSONResponse({"mine": True}, status_code=418)


@pytest.mark.long
async def test_errors_of_a_model_of_the_programs_own(twin_urls: Urls) -> None:
    """They are answered by the handlers that the program has for them."""
    async with twins_of(twin_urls, Base.metadata, checked, items, prepare=handle_refusals) as twins:
        for number, name in enumerate(("refusal", "http", "bug", "value", "own", "x"), 1):
            await twins.send("POST", "/checked", json={"id": number, "name": name})
        await twins.through("POST", "/checked", json={"id": 7, "name": "x"})
        for body in ({"name": "y"}, {"title": "y"}, {"nope": 1}, {}, {"name": None}):
            await twins.send("PATCH", "/checked/7", json=body)
        await twins.through("PATCH", "/items/7", json={"name": "z"})
        await twins.compare(Item.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_defaults_that_look_at_the_statement(twin_urls: Urls) -> None:
    """They see it."""
    async with twins_of(twin_urls, Base.metadata, contextual) as twins:
        for body in ({"id": 1, "name": "a"}, {"id": 2, "name": "b", "big": "B"}, {"id": 3}):
            await twins.send("POST", "/contextual", json=body)
        await twins.send("PATCH", "/contextual/2", json={"name": "c"})
        await twins.compare(Contextual.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_listeners_that_come_later(twin_urls: Urls) -> None:
    """A listener hears of all that is written from then on."""
    heard: list[str] = []
    async with twins_of(twin_urls, Base.metadata, items) as twins:
        await twins.through("POST", "/items", json={"id": 1, "name": "a"})

        def hear(_mapper: Any, _connection: Any, target: Item) -> None:
            heard.append(target.name)

        event.listen(Item, "before_insert", hear)
        try:
            await twins.send("POST", "/items", json={"id": 2, "name": "b"})
        finally:
            event.remove(Item, "before_insert", hear)
        assert heard == ["b", "b"]


class Animal(Base):
    __tablename__ = "animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    name: Mapped[str | None] = mapped_column(String(9))
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012


class Dog(Animal):
    __tablename__ = "dogs"
    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    tail: Mapped[int | None]
    __mapper_args__: Any = {"polymorphic_identity": "dog"}  # noqa: RUF012


class Cat(Animal):
    claws: Mapped[int | None] = mapped_column()
    __mapper_args__: Any = {"polymorphic_identity": "cat"}  # noqa: RUF012


animals, dogs, cats = resource(Animal), resource(Dog), resource(Cat, path="/cats")


@pytest.mark.long
async def test_inherited_models(twin_urls: Urls) -> None:
    """Of one table and of several."""
    async with twins_of(twin_urls, Base.metadata, animals, dogs, cats) as twins:
        for path, own in (("animals", {}), ("dogs", {"tail": 1}), ("cats", {"claws": 4})):
            await twins.send("POST", f"/{path}", json={"name": "x", **own})
        for path in ("animals", "dogs", "cats"):
            for number in (1, 2, 3):
                await twins.send("PATCH", f"/{path}/{number}", json={"name": path})
                for _ in range(2):
                    await twins.send("GET", f"/{path}/{number}")
                    await twins.send("GET", f"/{path}?sort=-name&limit=1")
        await twins.send("DELETE", "/animals/2")
        await twins.compare(*[Base.metadata.tables[name] for name in ("animals", "dogs")])
        assert twins.answered


def wide(width: int) -> type[Any]:
    members: dict[str, Any] = {f"c{index}": mapped_column(String(9), nullable=True)
                               for index in range(width)}  # fmt: skip
    members["id"] = mapped_column("id", Integer, primary_key=True)
    return type(f"Wide{width}", (Base,), {"__tablename__": f"wide{width}", **members})


WIDE = {width: wide(width) for width in (58, 59, 60, 70, 150)}
WIDES = {width: resource(model) for width, model in WIDE.items()}


@pytest.mark.long
@pytest.mark.parametrize("width", WIDE)
async def test_models_with_many_columns(twin_urls: Urls, width: int) -> None:
    """More than a function of SQLite's has arguments."""
    async with twins_of(twin_urls, Base.metadata, WIDES[width]) as twins:
        body = {f"c{index}": f"v{index}" for index in range(0, width, 2)}
        await twins.through("POST", f"/wide{width}", json=body)
        await twins.through("PATCH", f"/wide{width}/1", json={"c1": "x"})
        await twins.through("GET", f"/wide{width}/1")
        await twins.through("GET", f"/wide{width}?sort=-c3,c5")


SQLITE = (
    "BEFORE INSERT ON items WHEN new.name = 'ignore' BEGIN SELECT raise(ignore); END",
    "AFTER INSERT ON items WHEN new.name = 'fail' BEGIN SELECT raise(fail, 'f'); END",
    "AFTER INSERT ON items WHEN new.name = 'abort' BEGIN SELECT raise(abort, 'a'); END",
    "AFTER INSERT ON items WHEN new.name = 'rollback' BEGIN SELECT raise(rollback, 'r'); END",
    "AFTER UPDATE OF name ON items WHEN new.name = 'fail' BEGIN SELECT raise(fail, 'f'); END",
    "BEFORE UPDATE OF name ON items WHEN new.name = 'ignore' BEGIN SELECT raise(ignore); END",
    "AFTER UPDATE OF name ON items WHEN new.name = 'more' BEGIN "
    "UPDATE items SET note = 'more' WHERE id = new.id; END",
    "BEFORE DELETE ON items WHEN old.name = 'ignore' BEGIN SELECT raise(ignore); END",
    "AFTER DELETE ON items WHEN old.name = 'fail' BEGIN SELECT raise(fail, 'f'); END",
)  # fmt: skip
POSTGRESQL = """
CREATE FUNCTION act() RETURNS trigger AS $$ BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.name = 'ignore' THEN RETURN NULL; END IF;
        IF OLD.name = 'fail' THEN RAISE 'f'; END IF;
        RETURN OLD;
    END IF;
    IF NEW.name = 'ignore' THEN RETURN NULL; END IF;
    IF NEW.name IN ('fail', 'abort', 'rollback') THEN RAISE 'f'; END IF;
    IF NEW.name = 'more' THEN NEW.note = 'more'; END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql"""
NAMES = ("a", "ignore", "fail", "more", "b", "abort", "rollback", "c", "ignore", "fail", "d")


async def add_triggers(backend: Backend, twins: Any) -> None:
    if backend.is_sqlite:
        await twins.execute(*[f"CREATE TRIGGER t{n} {each}" for n, each in enumerate(SQLITE)])
    else:
        fire = "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON items FOR EACH ROW"
        await twins.execute(POSTGRESQL, f"{fire} EXECUTE FUNCTION act()")


@pytest.mark.long
async def test_triggers(twin_urls: Urls, backend: Backend) -> None:
    """That leave out, refuse or change what is written."""
    async with twins_of(twin_urls, Base.metadata, items) as twins:
        await add_triggers(backend, twins)
        # What a trigger left out of a transaction of PostgreSQL's is not known, once.
        fine = {503} if backend.is_postgresql else set()
        for number, name in enumerate(NAMES):
            body = {"id": number, "name": name}
            await twins.send_all([("POST", "/items", {"json": body})], fine=fine)
        await twins.compare(Item.__table__)  # type: ignore[arg-type]
        for number, name in enumerate(NAMES):
            await twins.send("PATCH", f"/items/{number}", json={"name": name})
            await twins.send("PATCH", "/items/0", json={"name": name})
        await twins.compare(Item.__table__)  # type: ignore[arg-type]
        await twins.execute(*[f"INSERT INTO items (id, name, size) VALUES ({number}, 'x', 1)"
                              for number in range(30, 33)])  # fmt: skip
        for number in range(33):
            await twins.send("DELETE", f"/items/{number}")
        await twins.compare(Item.__table__)  # type: ignore[arg-type]
        assert twins.answered > 10


@pytest.mark.long
async def test_triggers_among_many_writers(twin_urls: Urls, backend: Backend) -> None:
    """Whoever writes together with a row that is refused or left out is not concerned."""
    async with twins_of(twin_urls, Base.metadata, items) as twins:
        await add_triggers(backend, twins)
        for start in (0, 100):
            bodies = [
                {"id": start + number, "name": NAMES[number % len(NAMES)]} for number in range(44)
            ]
            await twins.send_all(
                [("POST", "/items", {"json": body}) for body in bodies],
                fine={503} if backend.is_postgresql and not start else set(),
            )
        if backend.is_sqlite:
            await twins.compare(Item.__table__)  # type: ignore[arg-type]


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """Return a message with a part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


LEFT = {"type": "http.disconnect"}
JSON_TYPE = (b"content-type", b"application/json")
MESSAGES: tuple[list[dict[str, Any]], ...] = (
    [part(b'{"name":"x"}')], [part(b'{"na', more=True), part(b'me":"y"}')],
    [part(b"", more=True), part(b'{"name":"z"}', more=True), part(b"")],
    [{"type": "http.request"}], [part(b'{"name":', more=True), LEFT], [LEFT],
    [part(b" " * 2**20, more=True), part(b'{"name":"x"}')],
    [part(b" " * (2**20 - 12) + b'{"name":"w"}')], [part(b" " * (2**20 - 11) + b'{"name":"v"}')],
)  # fmt: skip


@pytest.mark.long
async def test_bodies_in_parts(twin_urls: Urls) -> None:
    """Whole, broken off, too long."""
    async with twins_of(twin_urls, Base.metadata, items) as twins:
        await twins.through("POST", "/items", json={"id": 1, "name": "a"})
        for messages in MESSAGES:
            await twins.call("PATCH", "/items/1", messages, headers=[JSON_TYPE])
            await twins.compare(Item.__table__)  # type: ignore[arg-type]
        length = (b"content-length", b"2000000")
        status, _ = await twins.call("PATCH", "/items/1", [], headers=[JSON_TYPE, length])
        assert status == 413


@pytest.mark.long
async def test_servers_of_other_kinds(twin_urls: Urls) -> None:
    """The path as it was sent may be missing, or have the query in it."""
    async with twins_of(twin_urls, Base.metadata, items) as twins:
        for number in (1, 2):
            await twins.through("POST", "/items", json={"id": number, "name": "a"})
        for raw in (None, b"", b"/items/1?a=/2", b"/items/1?2"):
            for method in ("GET", "PATCH", "GET"):
                await twins.call(method, "/items/1", [part(b'{"name":"x"}')], raw_path=raw,
                                 headers=[JSON_TYPE])  # fmt: skip
        await twins.call("DELETE", "/items/1", [part(b"")], raw_path=None)
        await twins.compare(Item.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_writers_of_one_row(twin_urls: Urls) -> None:
    """Each change counts once, whoever comes together."""
    async with twins_of(twin_urls, Base.metadata, counted) as twins:
        await twins.through("POST", "/counted", json={"id": 1})
        await twins.through("POST", "/counted", json={"id": 2})
        changes = [("PATCH", f"/counted/{1 + n % 2}", {"json": {"name": "x"}}) for n in range(60)]
        await twins.race(changes)
        assert (await twins.send("GET", "/counted/1")).json()["version"] == 31


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_pages_meet_while_rows_come(twin_urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor is of the page that it came with, whatever is stored at that moment."""
    numbers = count(100)
    async with twins_of(twin_urls, Base.metadata, items) as twins:
        await twins.execute(*[f"INSERT INTO items (id, name, size) VALUES ({number}, 'x', 1)"
                              for number in range(90, 100)])  # fmt: skip
        other = sqlite3.connect(str(twins.databases[0].engine.url.database), isolation_level=None)

        class Writers:
            """As if another thread stored a row just before each look at how many there are."""

            @property
            def count(self) -> int:
                number = next(numbers)
                other.execute("INSERT INTO items (id, name, size) VALUES (?, 'y', 1)", [number])
                return number

            def looks_moved(self) -> bool:
                return False

        monkeypatch.setattr(Connection, "writers", Writers())
        for _ in range(4):
            first = (await twins.first("GET", "/items?sort=-id&limit=2")).json()
            path = f"/items?sort=-id&limit=2&cursor={first['next_cursor']}"
            second = (await twins.first("GET", path)).json()
            found = [row["id"] for row in first["items"] + second["items"]]
            assert found == list(range(found[0], found[0] - 4, -1))
        other.close()
        assert twins.answered > 5
