"""Columns of every kind: created, read, sent back, listed, paged, sorted, filtered, deleted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import resource
from tests.fixtures.backends import Backend
from tests.resources.corpus import CORPUS, ORDER, TEXT, Kind, query_text
from tests.resources.twins import Twins, twins_of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    # SQLAlchemy itself compares MySQL's own numbers, of which it does not say that they can be.
    pytest.mark.filterwarnings("ignore:Type object .* does not refer to an OperatorClass"),
]

_ALL = TEXT | {"overlap"}


def _model(base: type[Any], name: str, annotations: dict[str, Any], **members: Any) -> Any:
    generic: Any = Mapped
    mapped = {key: generic[each] for key, each in annotations.items()}
    return type(name, (base,), {"__tablename__": name, "__annotations__": mapped, **members})


def _value_model(base: type[Any], kind: Kind) -> Any:
    value = kind.annotation if kind.annotation is Any else kind.annotation | None
    members = {
        "id": mapped_column(primary_key=True),
        "v": mapped_column(kind.type(), nullable=True),
    }
    return _model(base, kind.name, {"id": int, "v": value}, **members)


def _base() -> Any:
    return type("Base", (DeclarativeBase,), {"metadata": MetaData()})


@pytest.mark.long
async def test_every_kind_of_column_keeps_its_values(
    twin_urls: tuple[str, str], backend: Backend, subtests: pytest.Subtests
) -> None:
    """No value changes on its way, none makes a 5xx, and door and session answer alike."""
    base = _base()
    kinds = [kind for kind in CORPUS if backend.name in kind.backends]
    routers = [resource(_value_model(base, kind), path=f"/{kind.name}") for kind in kinds]
    async with twins_of(twin_urls, base.metadata, *routers) as twins:
        for kind in kinds:
            with subtests.test(kind.name):
                await _Round(twins, kind).run()
        document = await twins.first("GET", "/openapi.json")
        assert document.status_code == 200


class _Round:
    """What one kind goes through."""

    def __init__(self, twins: Twins, kind: Kind) -> None:
        self._twins = twins
        self._kind = kind
        self._path = f"/{kind.name}"
        self._rows: list[Any] = []

    async def run(self) -> None:
        await self._write()
        await self._list()
        await self._filter()
        await self._clear()

    async def _send(self, status: int, method: str, path: str, **options: Any) -> Any:
        answer = await self._twins.send(method, path, **options)
        assert answer.status_code == status, (
            method,
            path,
            options,
            answer.status_code,
            answer.text,
        )
        return answer.json() if answer.content else None

    async def _write(self) -> None:
        for sent, shown in zip(self._kind.values, self._kind.answers, strict=True):
            row = await self._send(201, "POST", self._path, json={"v": sent})
            assert row["v"] == shown, (row, shown)
            place = f"{self._path}/{row['id']}"
            assert await self._send(200, "GET", place) == row
            assert await self._send(200, "PATCH", place, json={"v": row["v"]}) == row
            self._rows.append(row)
        empty = await self._send(201, "POST", self._path, json={})
        assert empty["v"] is None
        self._rows.append(empty)
        for bad in self._kind.bad:
            await self._send(422, "POST", self._path, json={"v": bad})

    async def _list(self) -> None:
        assert (await self._send(200, "GET", self._path))["items"] == self._rows
        for sort in ("id", "v", "-v"):
            if "v" in sort and not self._kind.is_sorted:
                await self._send(422, "GET", f"{self._path}?sort={sort}")
                continue
            listed = (await self._send(200, "GET", f"{self._path}?sort={sort}"))["items"]
            expected = self._rows if sort in {"id", "v"} else list(reversed(self._rows))
            assert listed == expected, (sort, listed)
            # A cursor of the key has no value of this kind in it.
            assert sort == "id" or await self._page(sort) == expected

    async def _page(self, sort: str) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        while True:
            page = await self._send(200, "GET", f"{self._path}?sort={sort}&limit=1{cursor}")
            found += page["items"]
            if page["next_cursor"] is None or len(found) > len(self._rows):
                return found
            cursor = f"&cursor={page['next_cursor']}"

    async def _filter(self) -> None:
        values = self._rows[:-1]
        for operator in sorted(_ALL - self._kind.operators)[:2]:
            await self._send(422, "GET", f"{self._path}?v__{operator}=1")
        await self._found("v__isnull=true", self._rows[-1:])
        await self._found("v__isnull=false", values)
        for index, row in enumerate(values[:2]):
            text = quote(query_text(row["v"]))
            if "eq" in self._kind.operators:
                await self._found(f"v={text}", [row])
                await self._found(f"v__in={text}", [row])
                await self._found(f"v__ne={text}", [each for each in self._rows if each is not row])
            if self._kind.operators >= ORDER:
                await self._found(f"v__gt={text}", values[index + 1 :])
                await self._found(f"v__le={text}", values[: index + 1])
            if self._kind.operators >= TEXT:
                await self._found(f"v__startswith={text}", [row])
            if "contains" in self._kind.operators:
                assert row in await self._items(f"v__contains={text}")

    async def _items(self, query: str) -> Any:
        return (await self._send(200, "GET", f"{self._path}?{query}"))["items"]

    async def _found(self, query: str, rows: list[Any]) -> None:
        found = await self._items(query)
        assert found == rows, (query, found)

    async def _clear(self) -> None:
        first = self._rows[0]
        changed = await self._send(200, "PATCH", f"{self._path}/{first['id']}", json={"v": None})
        assert changed["v"] is None
        await self._found("v__isnull=true", [changed, self._rows[-1]])
        for row in self._rows[:2]:
            await self._send(204, "DELETE", f"{self._path}/{row['id']}")


@pytest.mark.long
async def test_every_kind_of_key_finds_its_row(
    twin_urls: tuple[str, str], backend: Backend, subtests: pytest.Subtests
) -> None:
    """As a key in paths and cursors, as a foreign key, and over relations both ways."""
    base = _base()
    kinds = [kind for kind in CORPUS if kind.is_key and backend.name in kind.backends]
    if backend.is_mariadb:
        # Its BLOB is no key without a length of its own.
        kinds = [kind for kind in kinds if kind.name != "bytes"]
    routers = [router for kind in kinds for router in _key_routers(base, kind)]
    async with twins_of(twin_urls, base.metadata, *routers) as twins:
        for kind in kinds:
            with subtests.test(kind.name):
                await _check_keys(twins, kind)


def _key_routers(base: type[Any], kind: Kind) -> list[Any]:
    name, child = f"{kind.name}_owners", f"{kind.name}_things"
    owner = _model(
        base,
        name,
        {"key": kind.annotation, "note": str | None},
        key=mapped_column(kind.type(), primary_key=True),
        things=relationship(child, back_populates="owner", passive_deletes=True),
    )
    members = {
        "id": mapped_column(primary_key=True),
        "owner_key": mapped_column(kind.type(), ForeignKey(f"{name}.key"), nullable=True),
        "owner": relationship(name, back_populates="things"),
    }
    thing = _model(base, child, {"id": int, "owner_key": kind.annotation}, **members)
    owners = resource(owner, path=f"/{name}", includes={"things"})
    return [owners, resource(thing, path=f"/{child}", includes={"owner"})]


async def _check_keys(twins: Twins, kind: Kind) -> None:
    owners, things = f"/{kind.name}_owners", f"/{kind.name}_things"
    found = []
    for value in kind.answers:
        made = await twins.send("POST", owners, json={"key": value})
        assert made.status_code == 201, made.text
        assert (await twins.send("GET", made.headers["location"])).json() == made.json()
        text = quote(query_text(value), safe="")
        assert (await twins.send("GET", f"{owners}?key={text}")).json()["items"] == [made.json()]
        thing = await twins.send("POST", things, json={"owner_key": value})
        assert thing.status_code == 201, thing.text
        found.append((made.headers["location"], thing.headers["location"]))
    await _check_relations(twins, kind, owners, things)
    page, keys = await twins.send("GET", f"{owners}?limit=1"), []
    while True:
        keys += [row["key"] for row in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
        page = await twins.send("GET", f"{owners}?limit=1&cursor={cursor}")
    assert keys == list(kind.answers)
    for place, thing_place in found:
        changed = await twins.send("PATCH", place, json={"note": "new"})
        assert changed.json()["note"] == "new"
        assert (await twins.send("DELETE", thing_place)).status_code == 204
        assert (await twins.send("DELETE", place)).status_code == 204
    missing = await twins.send("GET", found[0][0])
    assert missing.status_code == 404


async def _check_relations(twins: Twins, kind: Kind, owners: str, things: str) -> None:
    rows = (await twins.send("GET", f"{owners}?include=things")).json()["items"]
    assert [[each["owner_key"] for each in row["things"]] for row in rows] == [
        [value] for value in kind.answers
    ]
    listed = (await twins.send("GET", f"{things}?include=owner&sort=owner.key")).json()["items"]
    assert [row["owner"]["key"] for row in listed] == list(kind.answers)
    text = quote(query_text(kind.answers[0]), safe="")
    one = (await twins.send("GET", f"{things}?owner.key={text}")).json()["items"]
    assert [row["owner_key"] for row in one] == [kind.answers[0]]
