"""Random programs of three users: through every way to write, a policy holds on every row.

What is written by one statement and what the ORM writes is the same, and so on every backend.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Header
from sqlalchemy import MetaData, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column, validates

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of
from tests.fixtures.rounds import many

# What SQLAlchemy says before the database refuses the second row with a key.
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:New instance")]

CODES = [f"c{number}" for number in range(6)]
SLUGS = [f"s{number}" for number in range(6)]
UNIQUE = ("code", "slug", "name", "owner,name")
MATCHES = ("ignore", "update")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Columns:
    """What both models have."""

    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    slug: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str | None] = mapped_column(String(20))
    owner: Mapped[int]
    is_public: Mapped[bool] = mapped_column(default=False)
    is_open: Mapped[bool] = mapped_column(default=True)


class Quick(Columns, Base):
    __tablename__ = "quick"
    __table_args__ = (UniqueConstraint("owner", "name"),)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Slow(Columns, Base):
    __tablename__ = "slow"
    __table_args__ = (UniqueConstraint("owner", "name"),)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    @validates("name")
    def check_name(self, _key: str, name: str | None) -> str | None:
        """Have the ORM write."""
        return name


Rows = dict[str, dict[str, Any]]
Me = Annotated[int, Header()]


async def quick_policy(me: Me) -> Policy:
    mine = Quick.owner == me
    writable = mine & Quick.is_open
    return Policy(visible=mine | Quick.is_public, writable=writable, assign={"owner": me})


async def slow_policy(me: Me) -> Policy:
    mine = Slow.owner == me
    writable = mine & Slow.is_open
    return Policy(visible=mine | Slow.is_public, writable=writable, assign={"owner": me})


quick = resource(Quick, policy=quick_policy, idempotency=True)
slow = resource(Slow, policy=slow_policy, idempotency=True)


def body(source: random.Random, **key: str) -> dict[str, Any]:
    """Return a row that often clashes, and sometimes claims another owner."""
    offered = {
        "name": (0.5, source.choice(["n1", "n2", None])),
        "is_public": (0.3, source.random() < 0.5),
        "is_open": (0.15, source.random() < 0.7),
        "owner": (0.2, source.randint(1, 3)),
    }
    chosen = {name: each for name, (odds, each) in offered.items() if source.random() < odds}
    return {"slug": source.choice(SLUGS), **key, **chosen}


def step(source: random.Random) -> dict[str, Any]:
    """Return one operation of a batch."""
    code = source.choice(CODES)
    match source.choice(["create", "upsert", "update", "delete"]):
        case "create":
            return {"op": "create", "data": body(source, code=code)}
        case "upsert":
            how = {"on_conflict": source.choice(UNIQUE), "on_match": source.choice(MATCHES)}
            return {"op": "upsert", "data": body(source, code=code), **how}
        case "update":
            return {"op": "update", "id": code, "data": body(source)}
        case _:
            return {"op": "delete", "id": code}


async def send(
    client: httpx2.AsyncClient, path: str, me: int, source: random.Random
) -> tuple[str, httpx2.Response]:
    """Send a random request, with random conditions."""
    kind = source.choice(["post", "upsert", "put", "patch", "delete", "batch"])
    code = source.choice(CODES)
    headers = {"Me": str(me)}
    if source.random() < 0.2 and kind in {"put", "patch", "delete"}:
        headers["If-Match"] = source.choice(['"1"', '"2"', "*"])
    if source.random() < 0.2:
        headers["Idempotency-Key"] = source.choice("abc")
    query = f"?on_conflict={source.choice(UNIQUE)}&on_match={source.choice(MATCHES)}"
    steps = [step(source) for _ in range(source.randint(1, 4))]
    batch = {"operations": steps, "atomic": source.random() < 0.5}
    sent: dict[str, tuple[str, str, Any]] = {
        "post": ("POST", path, body(source, code=code)),
        "upsert": ("POST", path + query, body(source, code=code)),
        "put": ("PUT", f"{path}/{code}", body(source)),
        "patch": ("PATCH", f"{path}/{code}", body(source)),
        "delete": ("DELETE", f"{path}/{code}", None),
        "batch": ("POST", f"{path}:batch", batch),
    }
    method, place, content = sent[kind]
    options: dict[str, Any] = {} if content is None else {"json": content}
    return kind, await client.request(method, place, headers=headers, **options)


def check(kind: str, me: int, before: Rows, after: Rows) -> None:
    """Check what one request changed: rows that were its user's and open, and still are."""
    for code in before.keys() | after.keys():
        old, new = before.get(code), after.get(code)
        if old == new:
            continue
        # Within a batch a row may be opened, or be another's whose key is free by then.
        if old is not None:
            assert old["owner"] == me
            assert old["is_open"] or kind == "batch"
        if new is not None:
            assert new["owner"] == me
            assert new["is_open"]
        if old is not None and new is not None and kind != "batch":
            assert new["version"] == old["version"] + 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 1 + many(1)))
async def test_random_programs_change_what_is_theirs(database_url: str, seed: int) -> None:
    """Both models come to the same rows and answers; nobody changes or is shown another's."""
    db = Database(database_url, metadata=Base.metadata, pool_timeout=20.0)
    app = FastAPI()
    db.attach(app)
    app.include_router(quick)
    app.include_router(slow)

    async def rows_of(model: type[Quick | Slow]) -> Rows:
        columns = model.__table__.columns
        async with db.unit_of_work(read_only=True) as session:
            found = (await session.execute(select(*columns))).all()
            return {row.code: dict(row._mapping) for row in found}

    async def run(model: type[Quick | Slow]) -> tuple[Rows, Counter[tuple[str, int]]]:
        source, counts, after = random.Random(seed), Counter[tuple[str, int]](), Rows()
        for _ in range(150):
            me, before = source.randint(1, 3), after
            kind, answer = await send(client, f"/{model.__tablename__}", me, source)
            after = await rows_of(model)
            check(kind, me, before, after)
            counts[kind, answer.status_code] += 1
            assert answer.status_code < 400 or before == after
            shown = answer.json() if answer.content else {}
            listed = [each.get("body", {}) for each in shown.get("results", [shown])]
            assert all(row["owner"] == me or row["is_public"] for row in listed if "slug" in row)
        return after, counts

    async with client_of(app) as client:
        assert await run(Quick) == await run(Slow)
