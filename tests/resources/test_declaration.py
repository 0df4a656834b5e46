"""What `resource(...)` takes, what it refuses at import, and what follows from the model."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Literal

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Sequence,
    String,
    UniqueConstraint,
    event,
    func,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, column_property, mapped_column, relationship, validates
from sqlalchemy.orm.exc import StaleDataError

from ormolu import (
    ConfigurationError,
    Database,
    Model,
    Policy,
    RefusedError,
    UsageError,
    resource,
)
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Student(Base):
    __tablename__ = "students"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    level: Mapped[int] = mapped_column(server_default="1")
    mood: Mapped[str] = mapped_column(String(9), default="fine", doc="How it is")
    token: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    enrolments: Mapped[list[Enrolment]] = relationship(back_populates="student")
    loud = column_property(func.upper(name))


class Course(Base):
    __tablename__ = "courses"
    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    title: Mapped[str] = mapped_column(String(20), server_default=text("'none'"))
    places: Mapped[int] = mapped_column(default=lambda: 7)


class Enrolment(Base):
    __tablename__ = "enrolments"
    __table_args__ = (UniqueConstraint("student_id", "seat"),)
    student_id: Mapped[int] = mapped_column(ForeignKey("students.id"), primary_key=True)
    course_code: Mapped[str] = mapped_column(ForeignKey("courses.code"), primary_key=True)
    seat: Mapped[int | None]
    student: Mapped[Student] = relationship(back_populates="enrolments")
    course: Mapped[Course] = relationship()


class Animal(Base):
    __tablename__ = "animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    chip: Mapped[str | None] = mapped_column(String(9), unique=True)
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "animal"}  # noqa: RUF012


class Dog(Animal):
    __tablename__ = "dogs"
    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    tricks: Mapped[int] = mapped_column(default=0)
    tag: Mapped[str | None] = mapped_column(String(9), unique=True)
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


class Cat(Animal):
    lives: Mapped[int | None] = mapped_column(use_existing_column=True)
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012

    @validates("name")
    def check_name(self, _key: str, name: str) -> str:
        """Make the name one of a cat."""
        return name.title()


class Seat(Base):
    __tablename__ = "seats"
    __table_args__ = (
        UniqueConstraint("row", "number"),
        Index("free_seats", "number", unique=True, sqlite_where=text("note IS NULL")).ddl_if(
            dialect="sqlite"
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    row: Mapped[str] = mapped_column(String(5), server_default="a")
    number: Mapped[int]
    note: Mapped[str | None] = mapped_column(String(5))


class Stamp(Base):
    __tablename__ = "stamps"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))


class Letter(Base):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    stamp_id: Mapped[int] = mapped_column(ForeignKey("stamps.id"))
    stamp: Mapped[Stamp] = relationship()


class Noted(Base):
    __tablename__ = "noted"
    id: Mapped[int] = mapped_column(primary_key=True)


class Heard(Base):
    __tablename__ = "heard"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))


class Versioned(Base):
    __tablename__ = "versioned"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column(Integer)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Counted(Base):
    __tablename__ = "counted"
    id: Mapped[int] = mapped_column(Sequence("counted_seq"), primary_key=True)


class Safe(Base):
    __tablename__ = "safes"
    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str | None] = mapped_column(String(20))


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
    shelf: Mapped[Shelf] = relationship()


class Leaf(Base):
    __tablename__ = "leaves"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    book: Mapped[Book] = relationship()


students = resource(Student, includes={"enrolments"})
courses = resource(Course)
enrolments = resource(Enrolment, includes={"student": students, "course": courses})
animals = resource(Animal)
dogs = resource(Dog, path="/good-dogs")
cats = resource(Cat, path="/cats")
seats = resource(Seat)


def app_of(url: str, *routers: Any) -> FastAPI:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    for router in routers or (students, courses, enrolments, animals, dogs, cats, seats):
        app.include_router(router)
    return app


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"hidden": {"nmae"}},
            "hidden names 'nmae', which Student does not have; did you mean 'name'",
        ),
        ({"read_only": {"nope"}}, "read_only names 'nope'"),
        ({"writable": {"loud"}}, "writable names 'loud'"),
        ({"searchable": {"level"}}, "searchable names 'level', which holds no text"),
        ({"includes": {"courses"}}, "includes names 'courses'"),
        ({"operations": {"lst"}}, "did you mean 'list'"),
        ({"hooks": {"before_save": print}}, "hooks names 'before_save'"),
        ({"hidden": {"mood"}, "searchable": {"mood"}}, "cannot be both hidden and searchable"),
        ({"path": "students"}, "path must begin with /"),
        ({"path": "/students/"}, "not end with it"),
        ({"max_limit": 0}, "max_limit must be at least 1"),
        ({"require_if_match": True}, "needs a version column"),
        ({"hidden": {"id"}}, "stands in each path and cursor"),
        ({"hidden": {"name"}}, "no row could be created, since name is required"),
    ],
)
def test_wrong_declarations_say_what_is_wrong(options: Any, message: str) -> None:
    """Each wrong name is an error at import that names it."""
    with pytest.raises(ConfigurationError) as caught:
        resource(Student, **options)
    assert message in str(caught.value)
    assert str(caught.value).startswith("resource(Student): ")


@pytest.mark.parametrize("model", [Base, dict, 7])
def test_what_is_not_mapped_has_no_resource(model: Any) -> None:
    """An abstract base, or anything else, is refused by its name."""
    with pytest.raises(ConfigurationError, match="it is no mapped class"):
        resource(model)


def test_secrets_are_hidden_unless_named(caplog: pytest.LogCaptureFixture) -> None:
    """A column that is called like a secret is hidden, and the log says so."""
    with caplog.at_level(logging.WARNING, "ormolu"):
        assert "token" not in resource(Safe, path="/a").exposure.declaration.readable
    assert "hidden by their names: token" in caplog.text
    assert "token" in resource(Safe, path="/b", read_only={"token"}).exposure.declaration.readable


def test_two_resources_of_an_included_model_must_be_named() -> None:
    """Nobody guesses whose rules apply to an included model."""
    one = resource(Stamp, path="/one")
    two = resource(Stamp, path="/two", hidden={"text"}, operations={"read"})

    unnamed = resource(Letter, includes={"stamp"})
    with pytest.raises(ConfigurationError, match="/one and /two"):
        _ = unnamed.exposure.reached
    letters = resource(Letter, includes={"stamp": two})
    assert letters.exposure.targets["stamp"].declaration is two.declaration
    assert one.exposure.reached == [one.exposure]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_policies_behind_two_hops_count_whatever_the_order(database_url: str) -> None:
    """A policy that is declared last holds for all that were declared before."""

    async def nothing() -> Policy:
        return Policy()

    outer = [resource(Leaf, path=f"/outer{n}", includes={"book"}) for n in range(6)]
    inner = resource(Book, includes={"shelf"})
    last = resource(Shelf, policy=nothing)
    async with client_of(app_of(database_url, *outer, inner, last)) as client:
        for n in range(6):
            answer = await client.get(f"/outer{n}?include=book.shelf&book.shelf.id__gt=0")
            assert (answer.status_code, answer.json()["items"]) == (200, []), n


@pytest.mark.long
async def test_composite_keys_are_in_the_path(database_url: str) -> None:
    """Two keys, a comma between them; PUT, since the client owns them."""
    async with client_of(app_of(database_url)) as client:
        await client.post("/students", json={"name": "Ann"})
        await client.post("/courses", json={"code": "a,b"})
        made = await client.post("/enrolments", json={"student_id": 1, "course_code": "a,b"})
        assert made.headers["Location"] == "/enrolments/1,a%2Cb"
        path = made.headers["Location"]
        assert (await client.get(path)).json()["course_code"] == "a,b"
        assert (await client.put(path, json={"seat": 3})).json()["seat"] == 3
        assert (await client.patch(path, json={"course_code": "x"})).status_code == 422
        page = (await client.get("/students?include=enrolments.course")).json()
        assert page["items"][0]["enrolments"][0]["course"]["title"] == "none"
        step: Any = {"op": "delete", "id": [1, "a,b"]}
        done = await client.post("/enrolments:batch", json={"operations": [step]})
        assert done.json()["results"] == [{"status": 204}]
        assert (await client.get("/enrolments/1")).status_code == 404
        step = {"op": "delete", "id": {"student_id": 1, "course_code": "c"}}
        gone = await client.post("/enrolments:batch", json={"operations": [step]})
        assert gone.status_code == 404


@pytest.mark.long
async def test_defaults_come_back_with_put(database_url: str) -> None:
    """What a PUT leaves out gets its default: a value, a function's or the server's."""
    async with client_of(app_of(database_url)) as client:
        await client.put("/courses/x", json={"title": "T", "places": 1})
        assert (await client.put("/courses/x", json={})).json() == {
            "code": "x", "title": "none", "places": 7,
        }  # fmt: skip


@pytest.mark.long
async def test_server_made_columns_are_not_writable(database_url: str) -> None:
    """Keys and moments are the server's; a literal default may be chosen otherwise."""
    async with client_of(app_of(database_url)) as client:
        row = (await client.post("/students", json={"name": "Ann"})).json()
        assert (row["level"], row["mood"], row["loud"]) == (1, "fine", "ANN")
        assert row["created_at"].endswith("Z")
        assert (await client.post("/students", json={"name": "B", "level": 3})).json()["level"] == 3
        for name in ("id", "created_at", "loud", "token"):
            answer = await client.post("/students", json={"name": "B", name: "1"})
            assert answer.status_code == 422, name


@pytest.mark.long
async def test_inherited_models_are_written_by_the_orm(database_url: str) -> None:
    """Joined and single-table inheritance, and validators: the rows are whole."""
    async with client_of(app_of(database_url)) as client:
        dog = (await client.post("/good-dogs", json={"name": "rex", "tricks": 2})).json()
        cat = (await client.post("/cats", json={"name": "tom"})).json()
        assert (dog["kind"], cat["kind"], cat["name"]) == ("dog", "cat", "Tom")
        assert (await client.patch(f"/good-dogs/{dog['id']}", json={"tricks": 3})).json()[
            "tricks"
        ] == 3
        assert (await client.patch("/good-dogs/99", json={"tricks": 3})).status_code == 404
        assert [row["id"] for row in (await client.get("/cats")).json()["items"]] == [cat["id"]]
        assert len((await client.get("/animals?sort=name")).json()["items"]) == 2
        assert (await client.get(f"/cats/{dog['id']}")).status_code == 404
        steps = [{"op": "create", "data": {"name": f"c{n}"}} for n in range(3)]
        done = await client.post("/cats:batch", json={"operations": steps})
        assert [each["body"]["name"] for each in done.json()["results"]] == ["C0", "C1", "C2"]
        assert (await client.delete(f"/good-dogs/{dog['id']}")).status_code == 204


@pytest.mark.long
async def test_unique_keys_of_inherited_models(database_url: str) -> None:
    """Those of each table can be matched, and a clash is named after the class of its table."""
    async with client_of(app_of(database_url)) as client:
        body = {"name": "rex", "chip": "c1", "tag": "t1"}
        assert (await client.post("/good-dogs", json=body)).status_code == 201
        for key in ("chip", "tag"):
            path = f"/good-dogs?on_conflict={key}"
            matched = await client.post(path, json={**body, "name": key})
            assert (matched.status_code, matched.json()["name"]) == (200, key)
        for other, noun in (({"tag": "t2"}, "An animal with this chip"),
                            ({"chip": "c2"}, "A dog with this tag")):  # fmt: skip
            clash = await client.post("/good-dogs", json={**body, **other})
            assert clash.json()["detail"] == f"{noun} already exists."


def test_partial_indexes_are_no_unique_keys() -> None:
    """Rows that such an index leaves out may be many of one value."""
    assert seats.exposure.declaration.unique_keys == [{"row", "number"}, {"id"}]


@pytest.mark.long
async def test_upsert_matches_by_defaults(database_url: str) -> None:
    """A field of the unique key that is left out has its default there too."""
    async with client_of(app_of(database_url)) as client:
        path = "/seats?on_conflict=row,number"
        for status in (201, 200):
            answer = await client.post(path, json={"number": 1, "note": "x"})
            assert answer.status_code == status


@pytest.mark.long
async def test_hooks_run_inside_the_transaction(database_url: str) -> None:
    """They see and change the values, may refuse, and after_commit has the row."""
    seen: list[Any] = []

    async def before_create(session: AsyncSession, values: dict[str, Any]) -> dict[str, Any]:
        seen.append(await session.scalar(select(func.count()).select_from(Stamp)))
        return {**values, "text": values["text"].upper()}

    def before_update(_session: AsyncSession, values: dict[str, Any]) -> None:
        if values["text"] == "bad":
            raise RefusedError("forbidden", "Not so")
        if values["text"] == "stale":
            raise StaleDataError

    def note(_session: AsyncSession, row: dict[str, Any]) -> None:
        seen.append(row["text"])

    hooks: Any = {
        "before_create": before_create, "before_update": before_update, "after_create": note,
        "before_delete": note, "after_delete": note, "after_commit": seen.append,
    }  # fmt: skip
    stamps = resource(Stamp, hooks=hooks)
    async with client_of(app_of(database_url, stamps)) as client:
        assert (await client.post("/stamps", json={"text": "a"})).json()["text"] == "A"
        assert seen == [0, "A", {"id": 1, "text": "A"}]
        assert (await client.patch("/stamps/1", json={"text": "bad"})).status_code == 403
        assert (await client.patch("/stamps/1", json={"text": "b"})).status_code == 200
        step: Any = {"op": "update", "id": 1, "data": {"text": "stale"}}
        body = {"operations": [step], "atomic": False}
        (result,) = (await client.post("/stamps:batch", json=body)).json()["results"]
        assert (result["status"], result["body"]["code"]) == (409, "stale_data")
        await client.delete("/stamps/1")
        assert (await client.delete("/stamps/9")).status_code == 404
        assert seen[4:] == ["b", "b", {"id": 1, "text": "b"}]


async def test_listeners_of_the_orm_are_run(database_url: str) -> None:
    """A model whose flushes the program listens to is written by the ORM."""
    heard: list[str] = []

    event.listen(Noted, "before_insert", lambda *_: heard.append("insert"))
    async with client_of(app_of(database_url, resource(Noted))) as client:
        assert (await client.post("/noted", json={})).status_code == 201
    assert heard == ["insert"]


@pytest.mark.long
async def test_listeners_of_sessions_are_run(database_url: str) -> None:
    """An audit trail that listens to flushes hears of each write."""
    heard: list[str] = []

    def note(session: Session, *_: object) -> None:
        changed = [*session.new, *session.dirty, *session.deleted]
        heard.extend(type(row).__name__ for row in changed)

    event.listen(Session, "before_flush", note)
    try:
        async with client_of(app_of(database_url)) as client:
            await client.post("/students", json={"name": "a"})
            await client.patch("/students/1", json={"name": "b"})
            assert (await client.delete("/students/1")).status_code == 204
    finally:
        event.remove(Session, "before_flush", note)
    assert heard == ["Student"] * 3


async def test_listeners_to_a_value_are_run(database_url: str) -> None:
    """They hear of the values of a request, and may make others of them."""
    event.listen(Heard.text, "set", lambda _row, text, *_: text.upper(), retval=True)
    async with client_of(app_of(database_url, resource(Heard))) as client:
        assert (await client.post("/heard", json={"text": "a"})).json()["text"] == "A"
        assert (await client.patch("/heard/1", json={"text": "b"})).json()["text"] == "B"


async def test_own_pydantic_models_replace_ours(database_url: str) -> None:
    """Their rules count, and their shape is the answer's."""

    class StampIn(BaseModel):
        text: Literal["red", "blue"]

    class StampOut(BaseModel):
        id: int
        text: str
        shout: str = "!"

    stamps = resource(Stamp, path="/s", create_model=StampIn, public_model=StampOut)
    async with client_of(app_of(database_url, stamps)) as client:
        assert (await client.post("/s", json={"text": "pink"})).status_code == 422
        assert (await client.post("/s", json={"text": "red"})).json()["shout"] == "!"
        assert (await client.get("/s")).json()["items"] == [{"id": 1, "text": "red", "shout": "!"}]


@pytest.mark.long
async def test_operations_and_limits_are_the_declaration_s(database_url: str) -> None:
    """What is not declared is not there."""
    few = resource(Stamp, path="/few", operations={"list", "create"}, max_limit=2)
    async with client_of(app_of(database_url, few)) as client:
        for _ in range(3):
            assert (await client.post("/few", json={"text": "a"})).status_code == 201
        page = (await client.get("/few")).json()
        assert len(page["items"]) == 2
        assert (await client.get("/few?limit=3")).status_code == 422
        assert (await client.get("/few/1")).status_code == 404
        assert (await client.put("/few")).headers["Allow"] == "GET, HEAD, OPTIONS, POST, QUERY"
        assert (await client.post("/few:batch", json={})).status_code == 404


@pytest.mark.long
async def test_python_operations_need_no_request(database_url: str) -> None:
    """list, read, create, update, upsert and remove on a session."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        made = await courses.create(session, {"code": "x", "title": "X"})
        assert made == {"code": "x", "title": "X", "places": 7}
        assert await courses.read(session, "x", fields=["title"]) == {"title": "X"}
        assert (await courses.update(session, "x", {"places": 1}))["places"] == 1
        again = await courses.upsert(session, {"code": "x", "places": 2}, on_conflict=["code"])
        assert (again["title"], again["places"]) == ("X", 2)
        page = await courses.list(session, where={"places__gte": 2}, count="exact")
        assert (len(page.items), page.total) == (1, 1)
        await courses.remove(session, "x")
        with pytest.raises(RefusedError, match="Course not found"):
            await courses.read(session, "x")
        with pytest.raises(RefusedError, match=r"arguments\.nope"):
            await courses.list(session, where={"nope": 1})


@pytest.mark.long
async def test_if_match_can_be_required(database_url: str) -> None:
    """428 without it, on each change."""

    async with client_of(
        app_of(database_url, resource(Versioned, require_if_match=True))
    ) as client:
        tag = (await client.post("/versioned", json={"text": "a"})).headers["ETag"]
        assert (await client.patch("/versioned/1", json={"text": "b"})).status_code == 428
        assert (await client.delete("/versioned/1")).status_code == 428
        step: Any = {"op": "update", "id": 1, "data": {"text": "c"}}
        batch = await client.post("/versioned:batch", json={"operations": [step]})
        assert batch.status_code == 428
        headers = {"If-Match": tag}
        assert (
            await client.patch("/versioned/1", json={"text": "b"}, headers=headers)
        ).status_code == 200


@pytest.mark.long
async def test_required_if_match_holds_for_upserts(database_url: str) -> None:
    """They cannot say what they read, so they may create a row and leave one as it is."""
    router = resource(Versioned, path="/v", require_if_match=True, writable={"id"})
    async with client_of(app_of(database_url, router)) as client:
        body = {"id": 1, "text": "a"}
        step: Any = {"op": "upsert", "on_conflict": "id", "data": body}
        ignoring = {**step, "on_match": "ignore"}
        batch = {"operations": [step, ignoring], "atomic": False}
        assert (await client.post("/v?on_conflict=id", json=body)).status_code == 428
        for status in (201, 200):
            answer = await client.post("/v?on_conflict=id&on_match=ignore", json=body)
            assert answer.status_code == status
        results = (await client.post("/v:batch", json=batch)).json()["results"]
        assert [each["status"] for each in results] == [428, 200]


@pytest.mark.long
async def test_policy_must_be_one(database_url: str) -> None:
    """A dependency that returns nothing is an error that says so, not an open door."""

    async def nothing() -> None:
        return None

    stamps = resource(Stamp, path="/s", policy=nothing)
    async with client_of(app_of(database_url, stamps)) as client:
        assert (await client.get("/s")).status_code == 500
    with pytest.raises(UsageError, match="must return a Policy"):
        checked_policy(None, Stamp)


@pytest.mark.long
async def test_policy_may_hide_columns(database_url: str) -> None:
    """What a policy hides is not there for its request; what it seals is not written."""

    async def shy() -> Policy:
        return Policy(visible=True, hidden={"text"})

    async def careful() -> Policy:
        return Policy(visible=True, read_only={"text"})

    shies = resource(Stamp, path="/shy", policy=shy)
    carefuls = resource(Stamp, path="/careful", policy=careful)
    plain = resource(Stamp, path="/plain")
    async with client_of(app_of(database_url, shies, carefuls, plain)) as client:
        await client.post("/plain", json={"text": "a"})
        assert (await client.get("/shy/1")).json() == {"id": 1}
        for query in ("text=a", "sort=text", "fields=text"):
            assert (await client.get(f"/shy?{query}")).status_code == 422
        assert (await client.patch("/shy/1", json={"text": "b"})).status_code == 422
        assert (await client.get("/careful/1")).json()["text"] == "a"
        assert (await client.patch("/careful/1", json={"text": "b"})).status_code == 422


def test_sequences_make_keys() -> None:
    """A key with a sequence is the server's."""

    assert not resource(Counted).exposure.declaration.has_client_keys
