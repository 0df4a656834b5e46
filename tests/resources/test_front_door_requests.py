"""Requests that the front door might answer otherwise: headers, paths, keys, the program's code."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Date,
    Enum,
    ForeignKey,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Uuid,
)  # fmt: skip
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Kind(enum.Enum):
    ONE = "1"
    TWO = "a b/c"


class Note(Base):
    """A row with a version, and a parent of its own kind."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str | None] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(40), unique=True)
    version: Mapped[int] = mapped_column()
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("notes.id"))
    parent: Mapped[Note | None] = relationship(remote_side="Note.id", back_populates="child")
    child: Mapped[Note | None] = relationship(back_populates="parent", uselist=False)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


notes = resource(Note, writable={"id"}, includes={"parent", "child"}, idempotency=True)
TEXTS = ("", "'", '"', "\\", "/", "</script>", "%s", "?", ":a", "\u2028", "\u2029", "\x7f",
         "\x01\x1f", "\b\t\n\f\r", "😀", "\ufeff", "\ufffe", "e\u0301", "a" * 200, "\x00", "\ud800",
)  # fmt: skip


@pytest.mark.long
async def test_texts_of_all_letters(twin_urls: Urls) -> None:
    """Also those that JSON and SQL write in ways of their own."""
    async with twins_of(twin_urls, Base.metadata, notes) as twins:
        for number, text in enumerate(TEXTS):
            content = f'{{"id":{number},"title":{_escaped(text)}}}'.encode()
            headers = {"Content-Type": "application/json"}
            await twins.send("POST", "/notes", content=content, headers=headers)
            await twins.send("PATCH", f"/notes/{number}", content=content, headers=headers)
            for query in ("", "?fields=title", "?include=parent,child"):
                await twins.send("GET", f"/notes/{number}{query}")
                await twins.send("GET", f"/notes/{number}{query}")
        await twins.through("GET", "/notes")
        await twins.compare(Note.__table__)  # type: ignore[arg-type]
        assert twins.answered > 100


def _escaped(text: str) -> str:
    return (
        '"' + "".join(f"\\u{ord(each):04x}" if ord(each) < 0x10000 else each for each in text) + '"'
    )


HEADERS: tuple[dict[str, str], ...] = (
    {}, {"If-Match": '"1"'}, {"If-Match": '"9"'}, {"If-Match": "*"}, {"If-Match": "x"},
    {"If-None-Match": '"1"'}, {"If-None-Match": "*"}, {"If-None-Match": "x"},
    {"Prefer": "return=minimal"}, {"Idempotency-Key": "a"}, {"Idempotency-Key": ""},
    {"Content-Type": "text/plain"}, {"Content-Type": "application/json; charset=latin-1"},
    {"Content-Type": " APPLICATION/JSON "}, {"Content-Type": "application/merge-patch+json"},
    {"Content-Type": "application/json\xa0"}, {"Content-Type": ""}, {"Content-Length": "9999999"},
    {"Accept": "text/html"}, {"Origin": "http://x"}, {"Expect": "100-continue"},
)  # fmt: skip
BODIES = (b"", b"{}", b"[]", b"null", b'{"title":"x"}', b'{"title":"x","title":"y"}',
          b'{"nope":1}', b'{"title":NaN}', b"\xff", b'{"email":"a"}', b'{"version":3}',
          b'\xef\xbb\xbf{"title":"x"}',
          b'{"title":"x"} ', b'{"title":1}', b'{"parent_id":77}', b'{"parent_id":1}',
          b'{"id":7,"title":null}', b'{"id":%d}' % 10**30)  # fmt: skip


@pytest.mark.long
async def test_headers_and_bodies(twin_urls: Urls) -> None:
    """Each header with each method, and each body."""
    async with twins_of(twin_urls, Base.metadata, notes) as twins:
        await twins.through("POST", "/notes", json={"id": 1, "email": "a"})
        await twins.through("POST", "/notes", json={"id": 2})
        asked = [
            ({"Content-Type": "application/json", **each}, b'{"title":"x"}') for each in HEADERS
        ]
        asked += [({"Content-Type": "application/json"}, body) for body in BODIES]
        for number, (headers, body) in enumerate(asked, 10):
            raw = {name: value.encode("latin-1") for name, value in headers.items()}
            made = body.replace(b"{", b'{"id":%d,' % number, 1) if len(body) > 2 else body
            await twins.send("POST", "/notes", content=made, headers=raw)
            for method in ("PATCH", "GET", "HEAD", "GET"):
                await twins.send(method, "/notes/2", content=body, headers=raw)
            await twins.send("DELETE", f"/notes/{number}", content=body, headers=raw)
        await twins.compare(Note.__table__)  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.parametrize("prefix", ["", "/v 1", "/ä"])
@pytest.mark.parametrize("root_path", ["", "/root"])
@pytest.mark.backends("sqlite")
async def test_prefixes(twin_urls: Urls, prefix: str, root_path: str) -> None:
    """In the paths of requests and answers, with an escape and without."""
    async with twins_of(
        twin_urls, Base.metadata, notes, prefix=prefix, root_path=root_path
    ) as twins:
        for root in {"", root_path}:
            path = f"{root}{prefix}/notes"
            for number in range(1, 4):
                sent = {"id": number + 10 * len(root)}
                await twins.through("POST", path, json=sent)
            for place in ("", "/", "/1", "/1/", "//1", "/1?&", "/1?fields=id", "?limit=1", "?&",
                          "?limit=1&&sort=-id", "?limit=1&limit=1", "?cursor=x", "/%31", "%2F1",
                          "?limit=2&q=", "?limit=+1", "?limit=01",
                          "?fields=id%2Ctitle"):  # fmt: skip
                for method in ("GET", "HEAD", "GET", "OPTIONS"):
                    await twins.send(method, path + place)
            await twins.through("GET", f"{path}?limit=1")


@pytest.mark.long
async def test_tags_of_forms_are_known_again(twin_urls: Urls) -> None:
    """What a door gives is 304 for the ordinary way."""
    async with twins_of(twin_urls, Base.metadata, notes) as twins:
        await twins.through("POST", "/notes", json={"id": 1, "title": "\x7f/é\u2028"})
        for query in ("", "?fields=title,id", "?include=parent", "?&", "?fields=title&"):
            for _ in range(2):
                tag = (await twins.send("GET", f"/notes/1{query}")).headers["ETag"]
            known = await twins.send("GET", f"/notes/1{query}", headers={"If-None-Match": tag})
            assert known.status_code == 304


@pytest.mark.long
async def test_relations_to_one_that_lead_to_several(twin_urls: Urls) -> None:
    """Whichever is shown, it is the same one."""
    async with twins_of(twin_urls, Base.metadata, notes) as twins:
        for number in range(1, 8):
            parent = None if number < 3 else 1 if number < 6 else 2
            await twins.through("POST", "/notes", json={"id": number, "parent_id": parent})
        for number in range(1, 8):
            await twins.through("GET", f"/notes/{number}?include=child,parent.child")
        await twins.through("GET", "/notes?include=child&sort=-id")


class Keyed:
    """What all models with a key have."""

    size: Mapped[int | None]


KEYS: dict[str, tuple[Any, list[str]]] = {
    "small": (SmallInteger(), ["1", "0001", "+1", "-1", "32767", "32768", "%D9%A1", "1%0A"]),
    "big": (BigInteger(), ["1", "-1", "9223372036854775807", "9223372036854775808", "999999999"]),
    "text": (String(40), ["a", "A", "a%20", "%20a", "a+b", "%C3%A9", "e%CC%81", "a%2Fb", "a%2Cb",
                          "%00", "%FF", "a%27", "%25", "a%3Fb", "..%20", "%0A", "😀"]),
    "uuid": (Uuid(), ["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B8109DAD11D180B400C04FD430C8",
                      "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "x"]),
    "plain": (Uuid(as_uuid=False), ["6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                                    "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"]),
    "kind": (Enum(Kind), ["1", "a%20b%2Fc", "ONE", "a b"]),
    "day": (Date(),
            ["2026-01-02", "2026-1-2", "20260102", "0"]),
    "price": (Numeric(9, 2), ["1.5", "1.50", "1", "01.5", "1e0", "-0", "0.001", "NaN"]),
    "raw": (LargeBinary(9), ["YQ", "YQ==", "YR==", "_w==", "%2Fw=="]),
}  # fmt: skip


def keyed(name: str) -> type[Any]:
    """Return a model with a key of this type."""
    column = mapped_column(name, KEYS[name][0], primary_key=True, autoincrement=False)
    members = {"__tablename__": f"by_{name}", "key": column, "__annotations__": {}}
    return type(f"By{name.title()}", (Keyed, Base), members)


MODELS = {name: keyed(name) for name in KEYS}
RESOURCES = {name: resource(model, writable={"key"}) for name, model in MODELS.items()}
VALUES: dict[str, tuple[Any, ...]] = {
    "small": (1, -1, 32767), "big": (1, -1, 2**63 - 1, 999999999),
    "text": ("a", "A", "a ", " a", "a b", "é", "e\u0301", "a,b", "a'", "%", "a?b", "\n",
             "😀", ".. "),
    "uuid": ("6ba7b810-9dad-11d1-80b4-00c04fd430c8",), "kind": ("1", "a b/c"),
    "plain": ("6ba7b810-9dad-11d1-80b4-00c04fd430c8",), "day": ("2026-01-02", "0001-01-01"),
    "price": ("1.5", "1", "0", "1.25"), "raw": ("YQ==", "_w=="),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", KEYS)
async def test_keys_of_all_types(twin_urls: Urls, name: str) -> None:
    """In each way to write them."""
    model, path = MODELS[name], f"/by_{name}"
    async with twins_of(twin_urls, Base.metadata, RESOURCES[name]) as twins:
        made = [await twins.send("POST", path, json={"key": key}) for key in VALUES[name]]
        places = [each.headers["Location"] for each in made if each.status_code == 201]
        for place in [*places, *(f"{path}/{key}" for key in KEYS[name][1])]:
            for method in ("GET", "PATCH", "GET", "PUT", "GET"):
                options = {"json": {"size": 3}} if method[0] == "P" else {}
                await twins.send(method, place, **options)
        cursor = ""
        while cursor is not None:
            page = await twins.send(
                "GET", f"{path}?limit=1&sort=-size{cursor and '&cursor='}{cursor}"
            )
            cursor = page.json().get("next_cursor")
        for key in KEYS[name][1]:
            await twins.send("DELETE", f"{path}/{key}")
        await twins.compare(model.__table__)
        assert twins.answered > 2


class Pair(Base):
    __tablename__ = "pairs"
    number: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(String(9), primary_key=True)
    size: Mapped[int | None]


pairs = resource(Pair)


@pytest.mark.long
async def test_keys_of_several_columns(twin_urls: Urls) -> None:
    """The comma is part of the last."""
    async with twins_of(twin_urls, Base.metadata, pairs) as twins:
        for number, word in ((1, "a"), (1, "a,b"), (2, ","), (2, "x y")):
            await twins.through("POST", "/pairs", json={"number": number, "word": word})
        await twins.through("GET", "/pairs/1,a")
        for key in (
            "1,a",
            "01,a",
            "1,a,b",
            "1%2Ca",
            "1,a%2Cb",
            "2,,",
            "2,%2C",
            "2,x%20y",
            "1",
            "1,",
            ",a",
        ):
            for method in ("GET", "PATCH", "GET", "DELETE"):
                options = {"json": {"size": 3}} if method == "PATCH" else {}
                await twins.send(method, f"/pairs/{key}", **options)
        await twins.compare(Pair.__table__)  # type: ignore[arg-type]
