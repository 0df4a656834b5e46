"""The front door answers as the ordinary routes do: nobody can tell which one it was."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic_core import to_jsonable_python

from tests.fixtures.backends import Backend
from tests.fixtures.rounds import many
from tests.resources.people import NAMES, Base, clubs, fill, people, pets, teams, value
from tests.resources.twins import Twins, twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

SORTS = ("", "sort=-id", "sort=name,-age", "sort=-born:nullsfirst", "sort=price,ratio",
         "sort=team.name,day", "sort=double", "sort=-is_member,big",
         "sort=wait,-at,code")  # fmt: skip
FILTERS = ("", "age__gt=0", "name=", "is_member=true", "colour=red", "team.name__isnull=false",
           "born__lt=2026-01-02T12:00:00Z", "price__between=0,1", "pets.any.weight__gt=1",
           "where={\"or\":[{\"age\":1},{\"ratio__lt\":0.2}]}", "code__isnull=true")  # fmt: skip
FORMS = ("", "fields=id,name", "include=team", "include=team&fields=name,team.city",
         "fields=age,double,is_member", "include=pets", "fields=", "fields=nope")  # fmt: skip
KEYS = ("1", "7", "0007", "+7", "%37", "%2B7", "-1", "61", "999999999", "9999999999", "1" * 30,
        "x", "7.0", "7 ", "%20", "\u0667", "7/", "7,8", "7%0A", "7%00", "1_0", "0x7")  # fmt: skip


def changes(source: random.Random) -> dict[str, Any]:
    """Return some values for a person, as a client writes them."""
    names = source.sample(NAMES, source.randint(0, 5))
    found = {name: None if source.random() < 0.2 else value(source, name) for name in names}
    shown: dict[str, Any] = to_jsonable_python(found, bytes_mode="base64")
    return shown


async def ask(twins: Twins, source: random.Random) -> None:
    """Send one random request; follow a list to its end."""
    path = f"/people/{source.choice(KEYS)}"
    match source.choice(["list", "list", "get", "get", "post", "patch", "patch", "delete"]):
        case "get":
            await twins.send("GET", f"{path}?{source.choice(FORMS)}".rstrip("?"))
        case "post":
            await twins.send("POST", "/people", json={"name": "x", **changes(source)})
        case "patch":
            await twins.send("PATCH", path, json=changes(source))
        case "delete":
            await twins.send("DELETE", f"/pets/{source.choice(KEYS)}")
        case _:
            parts = (source.choice(SORTS), source.choice(FILTERS), source.choice(FORMS))
            query = "&".join([*filter(None, parts), f"limit={source.choice((1, 7, 20))}"])
            answer = await twins.send("GET", f"/people?{query}")
            while (cursor := answer.json().get("next_cursor")) and source.random() < 0.7:
                answer = await twins.send("GET", f"/people?{query}&cursor={cursor}")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(many(2)))
async def test_random_requests_are_answered_alike(
    twin_urls: tuple[str, str], backend: Backend, seed: int
) -> None:
    """With values of every type, and the rows are the same afterwards."""
    source = random.Random(seed)
    async with twins_of(twin_urls, Base.metadata, people, teams, pets, clubs) as twins:
        for db in twins.databases:
            await fill(db, seed=seed)
        if backend.is_postgresql:
            await twins.execute("SELECT setval('people_id_seq', 1000)")
        for _ in range(120):
            await ask(twins, source)
        assert twins.answered > 50
        await twins.compare(*Base.metadata.tables.values())
