"""Columns of every kind: created, read, sent back, listed, paged, sorted, filtered, deleted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import resource
from tests.fixtures.backends import Backend
from tests.resources.corpus import CORPUS, ORDER, TEXT, Kind, query_text
from tests.resources.twins import Twins, twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

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
            assert await self._page(sort) == expected

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
        for row in self._rows:
            await self._send(204, "DELETE", f"{self._path}/{row['id']}")
