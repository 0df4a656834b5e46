"""If-Match, If-None-Match and Prefer, as RFC 9110 and RFC 7240 say, on each backend."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import DateTime, LargeBinary, MetaData, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, resource
from ormolu.errors import RefusedError
from ormolu.resources.http._conditions import prefers_minimal, read_conditions
from tests.fixtures.kept import KeptApp, keep_running

# psycopg gets the statements of asyncpg.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg", "mariadb")]

Json = dict[str, Any]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Draft(Base):
    __tablename__ = "drafts"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(20), unique=True)
    text: Mapped[str] = mapped_column(String(20), default="")
    revision: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012


class Label(Base):
    """Put where its client says, and without versions."""

    __tablename__ = "labels"
    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    text: Mapped[str] = mapped_column(String(20))


class Place(Base):
    """Put where its client says."""

    __tablename__ = "places"
    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


def versioned(name: str, type_: Any, generator: Any) -> type[Any]:
    """Return a model whose versions are of a type."""
    version = mapped_column(type_)
    members = {
        "__tablename__": name.lower(), "__module__": __name__,
        "id": mapped_column(primary_key=True), "text": mapped_column(String(20)),
        "version": version,
        "__mapper_args__": {"version_id_col": version, "version_id_generator": generator},
        "__annotations__": {"id": Mapped[int], "text": Mapped[str], "version": Mapped[Any]},
    }  # fmt: skip
    return type(name, (Base,), members)


NOON = datetime(2026, 1, 31, 12)
MODELS: list[type[Any]] = [
    versioned("ByUuid", Uuid(), lambda _: uuid.uuid4()),
    versioned("ByBytes", LargeBinary(8), lambda _: os.urandom(8)),
    versioned("ByInstant", DateTime(timezone=True), lambda _: NOON.replace(tzinfo=UTC)),
    versioned("ByMoment", DateTime(), lambda _: NOON),
    versioned("ByText", String(40), lambda old: "a;b é" if old is None else f"{old}x"),
]  # fmt: skip
MODELS += [Label, Place]
RESOURCES = [resource(Draft, writable={"id"}), *[resource(model) for model in MODELS]]


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    """All of them."""
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    for each in RESOURCES:
        app.include_router(each)
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of all of them, with a draft."""
    async with served.client() as found:
        await found.post("/drafts", json={"slug": "a"})
        yield found


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("tags", ["*", '"1"', 'W/"1"', ', "7" , "1",', '"1;0123456789abcdef"'])
async def test_a_write_is_not_done_where_if_none_match_matches(
    client: httpx2.AsyncClient, method: str, tags: str
) -> None:
    """412, and the row is as it was."""
    body: Json = {} if method == "DELETE" else {"json": {"slug": "b"}}
    done = await client.request(method, "/drafts/1", headers={"If-None-Match": tags}, **body)
    assert (done.status_code, done.json()["code"]) == (412, "precondition_failed")
    assert (await client.get("/drafts/1")).json()["slug"] == "a"


@pytest.mark.parametrize("tags", ['"2"', '"01"', '"%31"', '"1 "', '"1;x"', "", ","])
async def test_a_write_is_done_where_if_none_match_does_not(
    client: httpx2.AsyncClient, tags: str
) -> None:
    """No tag of the list is the row's."""
    done = await client.patch("/drafts/1", json={"text": "b"}, headers={"If-None-Match": tags})
    assert (done.status_code, done.headers["ETag"]) == (200, '"2"')


@pytest.mark.parametrize(
    "tags", ['"01"', '"+1"', '"%31"', '"1;x"', 'W/"1"', '"1 "', "", '"99999999999999999999"']
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH"])
async def test_if_match_takes_exact_tags(
    client: httpx2.AsyncClient, method: str, tags: str
) -> None:
    """A tag is opaque: another spelling of a version is another tag."""
    body: Json = {"json": {"text": "b"}} if method == "PATCH" else {}
    done = await client.request(method, "/drafts/1", headers={"If-Match": tags}, **body)
    assert done.status_code == 412


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 422), (20_000, 422)])
async def test_tags_of_one_request_are_limited(
    client: httpx2.AsyncClient, count: int, status: int
) -> None:
    """Each is a parameter of a statement; in a header, and in a step of a batch."""
    tags = ", ".join(f'"{number}"' for number in range(1, count + 1))
    done = await client.patch("/drafts/1", json={"text": "b"}, headers={"If-Match": tags})
    assert done.status_code == status
    step = {"op": "update", "id": 1, "data": {"text": "c"}, "if_match": tags}
    done = await client.post("/drafts:batch", json={"operations": [step]})
    assert done.status_code == status, done.text
    if status == 422:
        assert done.json()["errors"][0]["pointer"] == "/operations/0/if_match"


async def test_if_match_is_looked_at_before_if_none_match(client: httpx2.AsyncClient) -> None:
    """RFC 9110, 13.2.2: 412 where both fail on GET; and a write needs both to hold."""
    both = {"If-Match": '"9"', "If-None-Match": '"1"'}
    assert (await client.get("/drafts/1", headers=both)).status_code == 412
    other = {"If-Match": '"1", "2"', "If-None-Match": '"1"'}
    assert (await client.get("/drafts/1", headers=other)).status_code == 304
    for method in ("PATCH", "DELETE"):
        body: Json = {"json": {"text": "b"}} if method == "PATCH" else {}
        done = await client.request(method, "/drafts/1", headers=other, **body)
        assert done.status_code == 412


async def test_what_is_not_there_is_404(client: httpx2.AsyncClient) -> None:
    """Preconditions count only where the request would be done without them."""
    for headers in ({"If-None-Match": "*"}, {"If-Match": "*"}, {"If-Match": '"1"'}):
        for method in ("GET", "HEAD", "PATCH", "DELETE"):
            body: Json = {"json": {"text": "b"}} if method == "PATCH" else {}
            done = await client.request(method, "/drafts/77", headers=headers, **body)
            assert done.status_code == 404


async def test_get_with_a_star_is_304(client: httpx2.AsyncClient) -> None:
    """The client wants it only if it is not there; so with a list, and with rows without tags."""
    star = {"If-None-Match": "*"}
    await client.put("/labels/a", json={"text": "a"})
    for path in ("/drafts/1", "/drafts/1?fields=text", "/labels/a", "/drafts"):
        for method in ("GET", "HEAD"):
            found = await client.request(method, path, headers=star)
            assert (found.status_code, found.content) == (304, b"")
    assert (await client.get("/drafts/1", headers=star)).headers["ETag"] == '"1"'


async def test_lines_of_one_header_are_one_list(client: httpx2.AsyncClient) -> None:
    """RFC 9110, 5.3; for Prefer too."""
    lines = [("If-None-Match", '"8"'), ("If-None-Match", '"1"')]
    assert (await client.get("/drafts/1", headers=lines)).status_code == 304
    lines = [("If-Match", '"8"'), ("If-Match", '"1"'), ("Prefer", "wait=5"),
             ("Prefer", "return=minimal")]  # fmt: skip
    changed = await client.patch("/drafts/1", json={"text": "b"}, headers=lines)
    assert (changed.status_code, changed.content) == (204, b"")
    stars = [("If-Match", "*"), ("If-Match", "*")]
    assert (await client.get("/drafts/1", headers=stars)).status_code == 200
    mixed = [("If-Match", "*"), ("If-Match", '"1"')]
    assert (await client.get("/drafts/1", headers=mixed)).status_code == 422


@pytest.mark.parametrize("path", ["/byuuid", "/bybytes", "/byinstant", "/bymoment", "/bytext"])
async def test_versions_of_each_type_come_back_as_tags(
    client: httpx2.AsyncClient, path: str
) -> None:
    """What a write or a read answers as ETag holds as If-Match, and as If-None-Match fails."""
    made = await client.post(path, json={"text": "a"})
    tag = made.headers["ETag"]
    assert (await client.get(f"{path}/1")).headers["ETag"] == tag
    assert (await client.get(f"{path}/1", headers={"If-None-Match": tag})).status_code == 304
    assert (await client.get(f"{path}/1", headers={"If-Match": tag})).status_code == 200
    known = {"If-None-Match": tag}
    assert (await client.patch(f"{path}/1", json={"text": "b"}, headers=known)).status_code == 412
    odd = {"If-Match": tag.upper() if tag != tag.upper() else tag.lower()}
    assert (await client.patch(f"{path}/1", json={"text": "b"}, headers=odd)).status_code == 412
    assert (
        await client.patch(f"{path}/1", json={"text": "b"}, headers={"If-Match": tag})
    ).status_code == 200


async def test_put_with_tags(client: httpx2.AsyncClient) -> None:
    """A new row has no tag; an old one must not have one of these."""
    tags = {"If-None-Match": '"1"'}
    assert (await client.put("/places/a", json={"text": "a"}, headers=tags)).status_code == 201
    assert (await client.put("/places/a", json={"text": "b"}, headers=tags)).status_code == 412
    other = {"If-None-Match": '"7"'}
    assert (await client.put("/places/a", json={"text": "b"}, headers=other)).status_code == 200
    both = {"If-None-Match": "*", "If-Match": "*"}
    assert (await client.put("/places/b", json={"text": "b"}, headers=both)).status_code == 412


async def test_rows_without_versions_have_no_tag_that_could_match(
    client: httpx2.AsyncClient,
) -> None:
    """But `*` is about the row."""
    await client.put("/labels/a", json={"text": "a"})
    tags, star = {"If-None-Match": '"1"'}, {"If-None-Match": "*"}
    assert (await client.patch("/labels/a", json={"text": "b"}, headers=tags)).status_code == 200
    assert (await client.patch("/labels/a", json={"text": "c"}, headers=star)).status_code == 412
    assert (await client.delete("/labels/a", headers=star)).status_code == 412
    assert (await client.delete("/labels/a", headers={"If-Match": "*"})).status_code == 204


@pytest.mark.parametrize("match", ["update", "ignore"])
async def test_an_upsert_with_if_none_match(client: httpx2.AsyncClient, match: str) -> None:
    """It is about the row that is found."""
    path = f"/drafts?on_conflict=slug&on_match={match}"
    for tags in ("*", '"1"'):
        found = await client.post(path, json={"slug": "a"}, headers={"If-None-Match": tags})
        assert found.status_code == 412
    made = await client.post(path, json={"slug": "new"}, headers={"If-None-Match": "*"})
    assert made.status_code == 201
    other = await client.post(path, json={"slug": "a"}, headers={"If-None-Match": '"9"'})
    assert other.status_code == 200


async def test_a_batch_has_no_version(client: httpx2.AsyncClient) -> None:
    """If-Match does not hold for it; each operation has its own, of exact tags."""
    body: Json = {
        "operations": [{"op": "update", "id": 1, "if_match": '"01"', "data": {"text": "b"}}]
    }
    assert (await client.post("/drafts:batch", json=body)).status_code == 412
    body["operations"][0]["if_match"] = '"1"'
    whole = {"If-Match": '"1"'}
    assert (await client.post("/drafts:batch", json=body, headers=whole)).status_code == 412
    assert (await client.post("/drafts:batch", json=body)).status_code == 200


async def test_a_list_has_no_tag(client: httpx2.AsyncClient) -> None:
    """If-Match of one does not hold, `*` does; no tag of If-None-Match is the list's."""
    for headers, status in (
        ({"If-Match": '"1"'}, 412), ({"If-Match": "*"}, 200), ({"If-None-Match": '"1"'}, 200),
        ({"If-Match": "1"}, 422),
    ):  # fmt: skip
        assert (await client.get("/drafts", headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("lines", "is_minimal"),
    [
        (["return=minimal"], True), (['Return = "minimal"; x=1'], True), ([], False),
        (["wait=1", "return=minimal"], True), (["return=representation, return=minimal"], False),
        (["wait; return=minimal"], False), (['x="a, return=minimal"'], False),
        (["x=\"a\\\", b\", return=minimal"], True), (["returning=minimal"], False), ([""], False),
    ],
)  # fmt: skip
def test_prefer_is_a_list_of_preferences(lines: list[str], *, is_minimal: bool) -> None:
    """Parameters of another preference, and what is in quotes, are none."""
    assert prefers_minimal(lines) is is_minimal


def test_a_header_of_nothing_is_a_list_of_nothing() -> None:
    """Which no row is on, and which is not no header."""
    found = read_conditions([" , "], ["\t"])
    assert (found.versions, found.is_there, found.unseen, found.is_absent) == ((), False, (), False)
    assert not read_conditions([], []).has_match


@pytest.mark.parametrize("header", ['"a",{}x', "{}x", 'W/"a"{}x', '"a"{}"b"', '{}"a', ",{}W/"])
def test_a_header_of_blanks_is_read_once(header: str) -> None:
    """Read in two ways, these would take minutes."""
    with pytest.raises(RefusedError):
        read_conditions([], [header.format(" " * 200_000)])
