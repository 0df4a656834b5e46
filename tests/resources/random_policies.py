"""Random models under random policies, beside a plain evaluation in Python.

`python -m tests.resources.random_policies --requests 20000 --url sqlite:///some.db` sends many;
the database must be an empty one, and is left so.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2
from fastapi import FastAPI
from pydantic.alias_generators import to_camel
from sqlalchemy import ForeignKey, Integer, MetaData, String, TypeDecorator, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
    with_polymorphic,
)

from ormolu import ConfigurationError, Database, Policy, resource
from tests.fixtures.apps import client_of
from tests.resources._conditions import VALUES, Row, Rule, constant, random_rule

REQUESTS = 60
SCALARS = ("tenant", "flag", "short_text", "score")


class Negated(TypeDecorator[int]):
    """Stores a number as its opposite."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, _dialect: Any) -> int | None:
        return None if value is None else -value

    def process_result_value(self, value: int | None, _dialect: Any) -> int | None:
        return None if value is None else -value


class Models:
    """An owner, and a family of three classes, in one table or several, one MetaData or two."""

    def __init__(self, source: Random) -> None:
        class Base(DeclarativeBase):
            pass

        class Other(DeclarativeBase):
            pass

        class Apart(source.choice([Base, Other])):  # type: ignore[misc]
            __abstract__ = True
            metadata = MetaData() if source.random() < 0.5 else Base.metadata

        class Owner(Apart):
            __tablename__ = "owners"
            id: Mapped[int] = mapped_column(primary_key=True)
            tenant: Mapped[int | None]

        class Root(Base):
            __tablename__ = "roots"
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str] = mapped_column(String(9))
            code: Mapped[str] = mapped_column(String(9), unique=True)
            tenant: Mapped[int | None]
            flag: Mapped[bool | None]
            short_text: Mapped[str | None] = mapped_column("stored_text", String(9))
            score: Mapped[int | None] = mapped_column(Negated())
            owner_id: Mapped[int | None] = mapped_column(ForeignKey(Owner.id))
            owner: Mapped[Any] = relationship(Owner, viewonly=True)
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "root"}  # noqa: RUF012

        joined = [source.random() < 0.5, source.random() < 0.5]

        class Sub(Root):
            if joined[0]:
                __tablename__ = "subs"
                id: Mapped[int] = mapped_column(ForeignKey("roots.id"), primary_key=True)
            extra: Mapped[int | None]
            __mapper_args__ = {"polymorphic_identity": "sub"}  # noqa: RUF012

        class Leaf(Sub):
            if joined[1]:
                __tablename__ = "leaves"
                above = "subs.id" if joined[0] else "roots.id"
                id: Mapped[int] = mapped_column(ForeignKey(above), primary_key=True)
            word: Mapped[str | None] = mapped_column(String(9))
            __mapper_args__ = {"polymorphic_identity": "leaf"}  # noqa: RUF012

        self.owner, self.family = Owner, (Root, Sub, Leaf)
        self.target = source.choice(self.family)
        Owner.items = relationship(
            self.target, viewonly=True, primaryjoin=Root.owner_id == Owner.id, uselist=True,
            order_by=Root.id, foreign_keys=Root.owner_id,
        )  # fmt: skip
        self.metadata = list({id(each): each for each in (Owner.metadata, Base.metadata)}.values())


@dataclass
class Grant:
    """A random policy."""

    visible: Rule
    writable: Rule | None = None
    assign: dict[str, Any] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()

    def policy(self, model: Any) -> Policy:
        writable = None if self.writable is None else self.writable.sql(model)
        return Policy(visible=self.visible.sql(model), writable=writable, assign=self.assign,
                      hidden=self.hidden, read_only=self.read_only)  # fmt: skip

    def touches(self, row: Row) -> bool:
        """Tell whether a row may be written."""
        writable = self.visible if self.writable is None else self.writable
        return self.visible.allows(row) and writable.allows(row)


EVERYTHING = Grant(constant(value=True))


class World:
    """Random models, resources and rows; what requests must answer, and what they do."""

    def __init__(self, seed: int) -> None:
        self.source = source = Random(seed)
        self.models = models = Models(source)
        self.call = source.choice([None, to_camel])
        self.guarded = {each for each in models.family if source.random() < 0.5}
        self.hidden = {each: frozenset(source.sample(SCALARS, source.choice([0, 0, 1])))
                       for each in models.family}  # fmt: skip
        self.shown = [each for each in models.family
                      if each in self.guarded or source.random() < 0.4]  # fmt: skip
        self.grants: dict[Any, Grant] = {}
        self.rows: dict[int, Row] = {}
        self.owners: dict[int, Row] = {}
        self.next_key = 0
        self.routers = self._declare()
        try:
            for each in self.routers:
                assert each.exposure.reached
        except ConfigurationError:
            # Refused, where one would have to guess whose policy holds.
            self.routers = []
        assert self.is_uncertain == (not self.routers)

    def _declare(self) -> list[Any]:
        made = []
        for model in self.source.sample([*self.shown, self.models.owner], len(self.shown) + 1):
            is_owner = model is self.models.owner
            policy = self._rule_of(model) if model in self.guarded else None
            options: Any = {"includes": {"items" if is_owner else "owner"}, "policy": policy}
            if is_owner:
                options["operations"] = {"list", "read"}
            else:
                options |= {"hidden": self.hidden[model], "writable": {"id"}}
            path = f"/{model.__name__.lower()}"
            made.append(resource(model, path=path, alias_generator=self.call, **options))
        return made

    def _rule_of(self, model: Any) -> Any:
        reference = self.source.choice([each for each in self.models.family
                                        if issubclass(model, each)])  # fmt: skip
        return lambda: self.grants[model].policy(reference)

    @property
    def said(self) -> str:
        """Return the policies, for the report of a difference."""
        made = {each.__name__: grant.policy(each) for each, grant in self.grants.items()}
        return "\n".join(f"{name}: {policy.seen} / {policy.touched} / {policy}"
                         for name, policy in made.items())  # fmt: skip

    @property
    def is_uncertain(self) -> bool:
        """Tell whether the relation to the family leads to an open resource of a guarded one."""
        target = self.models.target
        return target in self.shown and target not in self.guarded and bool(self.guarded)

    def name(self, attribute: str) -> str:
        return attribute if self.call is None else self.call(attribute)

    def fields(self, model: Any) -> list[str]:
        """Return the columns of a class."""
        own = ["extra"] * issubclass(model, self.models.family[1])
        own += ["word"] * issubclass(model, self.models.family[2])
        return ["id", "kind", "code", *SCALARS, "owner_id", *own]

    def is_of(self, row: Row, model: Any) -> bool:
        return issubclass(row["model"], model)

    def concealed(self, model: Any) -> set[str]:
        """Return what is not shown of a class: what it hides, or its relatives if it is silent."""
        if model in self.shown:
            return {*self.hidden[model], *self.grant(model).hidden}
        return {name for each in self.shown if self.are_related(each, model)
                for name in (*self.hidden[each], *self.grant(each).hidden)}  # fmt: skip

    def are_related(self, one: Any, other: Any) -> bool:
        return issubclass(one, other) or issubclass(other, one)

    def grant(self, model: Any) -> Grant:
        return self.grants[model] if model in self.guarded else EVERYTHING

    def sees(self, model: Any, row: Row) -> bool:
        """Tell whether a row is there for whoever asks for rows of a class."""
        speaking = [model] if model in self.shown else self.shown
        return self.is_of(row, model) and all(
            self.grant(each).visible.allows(row) for each in speaking if self.is_of(row, each)
        )

    def body(self, model: Any, row: Row) -> Row:
        """Return what is shown of a row."""
        concealed = self.concealed(model)
        return {self.name(name): row.get(name) for name in self.fields(model)
                if name not in concealed}  # fmt: skip

    def owner_body(self, owner: Row | None) -> Row | None:
        return owner and {"id": owner["id"], "tenant": owner["tenant"]}

    def draw_grants(self) -> None:
        """Give each guarded class another policy."""
        source, owner = self.source, self.models.owner
        for model in self.guarded:
            visible = random_rule(source, owner) if source.random() < 0.9 else constant(value=True)
            writable = random_rule(source, owner) if source.random() < 0.4 else None
            sealed = source.sample(SCALARS, 3)
            assign = {"tenant": 1} if "tenant" not in sealed and source.random() < 0.4 else {}
            self.grants[model] = Grant(
                visible, writable, assign, frozenset(sealed[: source.choice([0, 0, 1])]),
                frozenset(sealed[1 : 1 + source.choice([0, 0, 1])]),
            )  # fmt: skip

    def new_row(self, model: Any) -> Row:
        """Return random values of a row, under the next key."""
        self.next_key += 1
        row = {name: self.source.choice(values) for name, values in VALUES.items()}
        row |= {"extra": self.source.choice([None, 3]), "word": self.source.choice([None, "w"])}
        row |= {"id": self.next_key, "code": f"c{self.next_key}"}
        row |= {"owner_id": self.source.choice([None, *self.owners])}
        return self.settled({name: row[name] for name in self.fields(model) if name in row}, model)

    def settled(self, row: Row, model: Any) -> Row:
        kinds = dict(zip(self.models.family, ("root", "sub", "leaf"), strict=True))
        missing = dict.fromkeys(self.fields(model))
        owner = self.owners.get(row.get("owner_id"))  # type: ignore[arg-type]
        return missing | row | {"model": model, "kind": kinds[model], "owner": owner}


class Walk:
    """The requests of one world, one after the other."""

    def __init__(self, world: World, db: Database, client: httpx2.AsyncClient) -> None:
        self.world, self.db, self.client, self.source = world, db, client, world.source

    async def prepare(self) -> None:
        """Store the first rows."""
        world = self.world
        async with self.db.unit_of_work() as session:
            for metadata in world.models.metadata:
                await (await session.connection()).run_sync(metadata.create_all)
            for key in (1, 2, 3):
                world.owners[key] = {"id": key, "tenant": [None, 1, 2][key - 1]}
                session.add(world.models.owner(**world.owners[key]))
            await session.flush()
            for _ in range(9):
                model = self.source.choice(world.models.family)
                row = world.new_row(model)
                world.rows[row["id"]] = row
                hollow = {"model", "kind", "owner"}
                session.add(model(**{name: row[name] for name in row.keys() - hollow}))

    async def step(self) -> None:
        """Send a request, and compare its answer."""
        world = self.world
        world.draw_grants()
        steps = [self.list_owners]
        if world.shown:
            steps += [self.list_rows, self.list_rows, self.read, self.read_at_once,
                      self.create, self.create, self.patch, self.patch, self.delete, self.upsert,
                      self.batch]  # fmt: skip
        await self.source.choice(steps)()

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, path, json=body)
        self.said = f"{method} {path} {body}: {answer.status_code} {answer.text}"
        return answer

    def check(self, found: Any, expected: Any) -> None:
        assert found == expected, f"{self.said}\nexpected {expected}\n{self.world.said}"

    def model(self) -> Any:
        return self.source.choice(self.world.shown)

    def path(self, model: Any) -> str:
        return f"/{model.__name__.lower()}"

    def _term(self, concealed: set[str]) -> tuple[str, Any, str]:
        name = self.source.choice(SCALARS)
        value = self.source.choice(VALUES[name][1:])
        called = self.world.name(name)
        text = str(value).lower() if isinstance(value, bool) else value
        chosen: tuple[str, Any] = self.source.choice([
            (f"{called}={text}", lambda row: row[name] == value),
            (f"{called}__ne={text}", lambda row: row[name] != value),
            (f"{called}__isnull=true", lambda row: row[name] is None),
            (f"{called}__in={text}", lambda row: row[name] == value),
        ])  # fmt: skip
        return (*chosen, "422" if name in concealed else "200")

    async def list_rows(self) -> None:
        world, model = self.world, self.model()
        term, holds, status = self._term(world.concealed(model))
        order = self.source.choice(["id", "-id"])
        found = await self.send(
            "GET", f"{self.path(model)}?{term}&sort={order}&include=owner&count=exact&limit=100"
        )
        self.check(str(found.status_code), status)
        if status == "200":
            rows = [row for row in world.rows.values() if world.sees(model, row) and holds(row)]
            rows.sort(key=lambda row: row["id"], reverse=order == "-id")
            items = [world.body(model, row) | {"owner": world.owner_body(row["owner"])}
                     for row in rows]  # fmt: skip
            self.check(found.json()["items"], items)
            self.check(found.json()["total"], len(rows))

    async def list_owners(self) -> None:
        """List the owners, and those behind the relation, by a condition on these."""
        world = self.world
        target, concealed = world.models.target, world.concealed(world.models.target)
        term, holds, status = self._term(concealed)
        found = await self.send("GET", f"/owner?items.{term}&include=items&count=exact&sort=id")
        self.check(str(found.status_code), status)
        if status == "422":
            found = await self.send("GET", "/owner?include=items&count=exact&sort=id")
        items = []
        for key, owner in world.owners.items():
            rows = [row for row in world.rows.values()
                    if row["owner_id"] == key and world.sees(target, row)]  # fmt: skip
            if status == "422" or any(map(holds, rows)):
                shown = [world.body(target, row) for row in sorted(rows, key=lambda r: r["id"])]
                items.append({**(world.owner_body(owner) or {}), "items": shown})
        self.check(found.json()["items"], items)
        self.check(found.json()["total"], len(items))

    async def read(self) -> None:
        model = self.model()
        await self._read(model, self.source.randint(1, self.world.next_key + 1))

    async def read_at_once(self) -> None:
        """Read all rows at the same time, which lanes do together."""
        model = self.model()
        keys = range(1, self.world.next_key + 2)
        await asyncio.gather(*(self._read(model, key) for key in keys))

    async def _read(self, model: Any, key: int) -> None:
        world = self.world
        found = await self.send("GET", f"{self.path(model)}/{key}")
        row = world.rows.get(key)
        if row is None or not world.sees(model, row):
            self.check(found.status_code, 404)
        else:
            self.check(found.json(), world.body(model, row))

    def _new(self, model: Any) -> tuple[Row, Row, int]:
        """Return a body, the row that comes of it, and the status of its create."""
        world, grant = self.world, self.world.grant(model)
        sealed = {*world.hidden[model], *grant.hidden, *grant.read_only} - grant.assign.keys()
        row = world.new_row(model)
        if self.source.random() < 0.15 and world.rows:
            row["code"] = self.source.choice([*world.rows.values()])["code"]
        sent = {name: row[name] for name in world.fields(model)
                if name != "kind" and name not in {*sealed, *grant.assign}}  # fmt: skip
        status = 201
        if self.source.random() < 0.1 and sealed:
            name = self.source.choice(sorted(sealed))
            sent[name], status = row[name], 422
        elif self.source.random() < 0.2 and grant.assign:
            sent["tenant"] = self.source.choice([1, 2])
            status = 403 if sent["tenant"] == 2 else 201
        made = world.settled({**sent, **grant.assign}, model)
        if status == 201 and self._is_taken(made):
            status = 409
        elif status == 201 and not grant.touches(made):
            status = 403
        return {world.name(name): value for name, value in sent.items()}, made, status

    def _is_taken(self, made: Mapping[str, Any]) -> bool:
        rows = self.world.rows.values()
        return any(row["code"] == made["code"] for row in rows if row["id"] != made["id"])

    async def create(self) -> None:
        world, model = self.world, self.model()
        body, row, status = self._new(model)
        found = await self.send("POST", self.path(model), body)
        self.check(found.status_code, status)
        if status == 201:
            world.rows[row["id"]] = row
            self.check(found.json(), world.body(model, row))

    def _old(self, model: Any, key: int) -> int:
        """Return the status of a change of nothing."""
        row = self.world.rows.get(key)
        if row is None or not self.world.sees(model, row):
            return 404
        return 200 if self.world.grant(model).touches(row) else 403

    def _changes(self, model: Any, key: int) -> tuple[Row, Row, int]:
        world, grant = self.world, self.world.grant(model)
        sealed = {*world.hidden[model], *grant.hidden, *grant.read_only, *grant.assign}
        names = self.source.sample(SCALARS, self.source.randint(0, 2))
        changes = {name: self.source.choice(VALUES[name]) for name in names}
        status = 422 if sealed & changes.keys() else self._old(model, key)
        made = dict(world.rows.get(key, {}), **changes)
        if status == 200 and not grant.touches(made):
            status = 403
        return {world.name(name): value for name, value in changes.items()}, made, status

    async def patch(self) -> None:
        world, model = self.world, self.model()
        key = self.source.randint(1, world.next_key + 1)
        body, row, status = self._changes(model, key)
        found = await self.send("PATCH", f"{self.path(model)}/{key}", body)
        self.check(found.status_code, status)
        if status == 200:
            world.rows[key] = row
            self.check(found.json(), world.body(model, row))

    async def delete(self) -> None:
        world, model = self.world, self.model()
        key = self.source.randint(1, world.next_key + 1)
        status = self._old(model, key)
        found = await self.send("DELETE", f"{self.path(model)}/{key}")
        self.check(found.status_code, 204 if status == 200 else status)
        if status == 200:
            del world.rows[key]

    async def upsert(self) -> None:
        """Send values for a row that may be there, and is perhaps not to be seen."""
        world, model = self.world, self.model()
        body, made, status = self._new(model)
        found = await self.send("POST", f"{self.path(model)}?on_conflict=code", body)
        old = next((row for row in world.rows.values() if row["code"] == made["code"]), None)
        if old is not None and world.sees(model, old) and status not in {422}:
            kept = {"id", "code", "kind", "model", "owner", *world.grant(model).assign}
            sent = {name for name in made if world.name(name) in body} - kept
            changed = {**old, **{name: made[name] for name in sent}}
            changed["owner"] = world.owners.get(changed["owner_id"])
            if not (status == 403 and "tenant" in body and world.grant(model).assign):
                grant = world.grant(model)
                status = 200 if grant.touches(old) and grant.touches(changed) else 403
            made = changed
        self.check(found.status_code, status)
        if status in {200, 201}:
            world.rows[made["id"]] = made
            self.check(found.json(), world.body(model, made))

    async def batch(self) -> None:
        """Send changes, each on its own."""
        world, model = self.world, self.model()
        steps: list[Any] = []
        expected = []
        for _ in range(self.source.randint(1, 4)):
            if self.source.random() < 0.5:
                body, row, status = self._new(model)
                steps.append({"op": "create", "data": body})
            else:
                key = self.source.randint(1, world.next_key + 1)
                body, row, status = self._changes(model, key)
                steps.append({"op": "update", "id": key, "data": body})
            expected.append(status)
            if status in {200, 201}:
                world.rows[row["id"]] = row
        answer = await self.send(
            "POST", f"{self.path(model)}:batch", {"operations": steps, "atomic": False}
        )
        self.check([each["status"] for each in answer.json()["results"]], expected)

    async def compare(self) -> None:
        """Compare what is stored with what should be."""
        world = self.world
        async with self.db.unit_of_work(read_only=True) as session:
            found = (
                await session.scalars(select(with_polymorphic(world.models.family[0], "*")))
            ).all()
            stored = {row.id: {name: getattr(row, name) for name in world.fields(type(row))}
                      for row in found}  # fmt: skip
        expected = {key: {name: row.get(name) for name in world.fields(row["model"])}
                    for key, row in world.rows.items()}  # fmt: skip
        assert stored == expected

    async def clear(self) -> None:
        """Leave the database empty."""
        async with self.db.unit_of_work() as session:
            for metadata in reversed(self.world.models.metadata):
                await (await session.connection()).run_sync(metadata.drop_all)


async def walk(url: str, seed: int, requests: int = REQUESTS) -> int:
    """Send requests to one random world; return how many.

    Raises:
        AssertionError: An answer is not what it must be.
    """
    world = World(seed)
    if not world.routers:
        return 0
    db, app = Database(url, schema="ignore"), FastAPI()
    db.attach(app)
    for each in world.routers:
        app.include_router(each)
    async with client_of(app) as client:
        course = Walk(world, db, client)
        await course.prepare()
        try:
            for number in range(requests):
                await course.step()
                if number % 10 == 9:
                    await course.compare()
        finally:
            await course.clear()
    return requests


async def main() -> None:
    """Send as many requests as the command line asks for, and tell where one was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sent, seed = 0, arguments.seed
    while sent < arguments.requests:
        try:
            sent += await walk(arguments.url, seed)
        except AssertionError as error:
            print(f"seed {seed}: {error}", flush=True)
            raise SystemExit(1) from error
        seed += 1
    print(f"{sent} requests to {seed - arguments.seed} worlds: no difference")


if __name__ == "__main__":
    asyncio.run(main())
