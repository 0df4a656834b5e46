"""All classes are written and read by lanes and by sessions: the answers are the same.

`python -m tests.corpus.round_trip --url URL URL`, each URL an empty database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx2
from pydantic import TypeAdapter

from ormolu.resources import Resource
from tests.corpus.models import models_of, resources
from tests.corpus.tables import METADATA
from tests.resources.twins import twins_of

# Made anew by each program: keys, moments.
_MADE = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?"
)


class RoundTrip:
    """Sends the same requests to both applications.

    Attributes:
        statuses: How many answers had which status, by method.
    """

    def __init__(self, found: dict[str, Resource], clients: Sequence[httpx2.AsyncClient]) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._found = found
        self._clients = clients
        # What was created last in each table, in each database.
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._places: dict[str, list[list[str]]] = {}

    async def run(self) -> None:
        """Write and read all classes; those first that others refer to, and delete them last.

        Raises:
            AssertionError: Two answers differ.
        """
        found = self._found
        for path, each in found.items():
            await self._write(path, each)
        for path in reversed(found):
            for place in reversed(self._places.get(path, [])):
                await self._send("DELETE", place, [None, None], frozenset())
        for path, each in found.items():
            await self._send("GET", [path] * 2, [None, None], _varying(each))

    async def _write(self, path: str, each: Resource) -> None:
        varying = _varying(each)
        for number in (0, 2):
            bodies = [self._body(each, number, twin) for twin in range(2)]
            answers = await self._send("POST", [path] * 2, bodies, varying)
            if answers[0].status_code != 201:
                continue
            places = [answer.headers["location"] for answer in answers]
            self._places.setdefault(path, []).append(places)
            name = each.declaration.mapper.local_table.description
            self._rows.setdefault(name, [answer.json() for answer in answers])
            await self._send("GET", places, [None, None], varying)
            change = _some(each, number + 10)
            await self._send("PATCH", places, [change, change], varying)
        await self._send("GET", [path] * 2, [None, None], varying)

    def _body(self, each: Resource, number: int, twin: int) -> dict[str, Any]:
        body = _some(each, number, is_new=True)
        for name, attribute in each.declaration.accepted.items():
            for key in attribute.column.foreign_keys if attribute.column is not None else ():
                rows = self._rows.get(key.column.table.description)
                if rows and (attribute.is_required or number == 2):
                    body[attribute.field.name] = rows[twin].get(key.column.key)
                elif not attribute.is_required:
                    body.pop(name, None)
        return body

    async def _send(
        self, method: str, paths: Sequence[str], bodies: Sequence[Any], varying: frozenset[str]
    ) -> list[httpx2.Response]:
        answers = [
            await client.request(method, path, json=body)
            for client, path, body in zip(self._clients, paths, bodies, strict=True)
        ]
        first, second = [_masked(answer, varying) for answer in answers]
        assert first == second, f"{method} {paths} {bodies}: {first} is not {second}"
        self.statuses[method, answers[0].status_code] += 1
        return answers


def _varying(each: Resource) -> frozenset[str]:
    """Return what may be another number in each database: a refused row uses up one."""
    attributes = each.declaration.attributes.values()
    return frozenset(
        name.field.name for name in attributes
        if name.is_key or (name.column is not None and name.column.foreign_keys)
    )  # fmt: skip


def _masked(answer: httpx2.Response, varying: frozenset[str]) -> tuple[int, Any]:
    if not answer.content:
        return answer.status_code, None
    text = _MADE.sub("made", answer.text)
    if answer.status_code >= 400:
        return answer.status_code, sorted(json.loads(text))
    body = json.loads(text)
    rows = body.get("items", [body])
    kept = [{name: value for name, value in row.items() if name not in varying} for row in rows]
    # Keys of chance have an order of chance.
    return answer.status_code, sorted(kept, key=repr)


def _some(each: Resource, number: int, *, is_new: bool = False) -> dict[str, Any]:
    """Return a body: what is required in the first one, and all in the others."""
    declaration = each.declaration
    attributes = declaration.accepted if is_new else declaration.changeable
    return {
        attribute.field.name: _value(attribute, number)
        for attribute in attributes.values()
        if (is_new or not attribute.column.foreign_keys)  # type: ignore[union-attr]
        and (number % 10 or attribute.is_required)
    }


def _value(attribute: Any, number: int) -> Any:
    schema = TypeAdapter(attribute.field.kind.written).json_schema()
    return _of_schema(schema, schema.get("$defs", {}), f"{number}{attribute.name}", number)


_FORMATS = {
    "uuid": "01926f3e-0000-7000-8000-00000000000{}",
    "date": "2026-01-0{}",
    "time": "1{}:00",
    "date-time": "2026-01-0{}T00:00:00",
    "duration": "PT{}S",
}


def _of_schema(  # noqa: PLR0911 -- a table of types
    schema: dict[str, Any], known: dict[str, Any], text: str, number: int
) -> Any:
    if "$ref" in schema:
        return _of_schema(known[schema["$ref"].rpartition("/")[2]], known, text, number)
    if "anyOf" in schema:
        return _of_schema(schema["anyOf"][0], known, text, number)
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if choices:
        return choices[number % len(choices)]
    match schema.get("type"):
        case "string":
            form = _FORMATS.get(schema.get("format", ""))
            return form.format(1 + number % 9) if form else text[: schema.get("maxLength", 60)]
        case "boolean":
            return bool(number % 2)
        case "integer" | "number":
            return number % 10
        case "array":
            return []
        case _:
            return {}


async def compare(urls: Sequence[str], project: str = "") -> tuple[RoundTrip, int]:
    """Compare two databases; return what was sent, and how much of it doors answered."""
    shown = {mapper.class_ for mapper in models_of(has_native=False)}
    found = {path: each for path, each in resources().items()
             if each.declaration.model in shown and path.startswith(f"/{project}")}  # fmt: skip
    async with twins_of(urls, METADATA, *found.values()) as twins:
        trip = RoundTrip(found, twins.clients)
        await trip.run()
        return trip, twins.answered


async def main() -> None:
    """Compare, and tell what was sent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", nargs=2, required=True)
    parser.add_argument("--project", default="", help="of tests/corpus; all without")
    arguments = parser.parse_args()
    trip, answered = await compare(arguments.url, arguments.project)
    print(f"{trip.statuses.total()} requests: no difference; {answered} by doors")
    for (method, status), number in sorted(trip.statuses.items()):
        print(f"  {method} {status}: {number}")


if __name__ == "__main__":
    asyncio.run(main())
