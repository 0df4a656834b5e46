"""The same requests of users by three ways: a door that asks, FastAPI's route on a lane, a session.

`python -m tests.resources.three_ways --url URL URL URL` compares many, each URL an empty database.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, cast

import httpx2
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from sqlalchemy import ForeignKey, MetaData, String, exists, or_
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, Policy, ReadSessionDep, SessionDep, resource
from ormolu.resources.routes import _endpoints
from tests.fixtures.apps import client_to
from tests.resources.twins import Observer, by_the_session, shown, stored_rows

__all__ = ["Three", "three_ways", "walk"]

WAYS = ("door", "lane", "session")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Author(Base):
    __tablename__ = "way_authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(50))
    is_open: Mapped[bool] = mapped_column(default=False)


class Note(Base):
    __tablename__ = "way_notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(index=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("way_authors.id"))
    title: Mapped[str] = mapped_column(String(40), unique=True)
    status: Mapped[str] = mapped_column(String(10), default="open")
    body: Mapped[str | None]
    due: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()
    author: Mapped[Author | None] = relationship()
    tags: Mapped[list[Tag]] = relationship(order_by="Tag.id", viewonly=True)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 -- SQLAlchemy's own form


class Tag(Base):
    __tablename__ = "way_tags"

    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(ForeignKey("way_notes.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(20))


async def user(
    response: Response,
    session: ReadSessionDep,
    x_tenant: Annotated[int, Header()] = 1,
    x_role: Annotated[str, Header()] = "member",
) -> tuple[int, str]:
    """Return who asks: some are refused, and some are looked up."""
    if x_role == "stranger":
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    if x_role == "looked up":
        await session.get(Author, 1)
    response.headers["X-Seen"] = x_role
    return x_tenant, x_role


User = Annotated[tuple[int, str], Depends(user)]


def _mine(model: Any, tenant: int) -> Any:
    return model.tenant_id == tenant


def notes_of(who: User) -> Policy:
    """Return what a user may see and do with notes."""
    tenant, role = who
    mine = _mine(Note, tenant)
    if role == "admin":
        return Policy(visible=True)
    if role == "nobody":
        return Policy()
    if role == "lists":
        return Policy(visible=Note.tenant_id.in_(range(tenant, 3)), read_only={"tenant_id"})
    if role == "guest":
        return Policy(visible=mine | Note.status.is_(None) | (Note.status == "done"),
                      writable=False, hidden={"body"})  # fmt: skip
    if role == "colleague":
        found = exists().where(Author.id == Note.author_id, Author.tenant_id == tenant)
        return Policy(visible=or_(mine, found), read_only={"due"})
    return Policy(visible=mine, writable=mine & (Note.status != "locked"),
                  assign={"tenant_id": tenant})  # fmt: skip


def authors_of(who: User) -> Policy:
    """Return what a user may see of authors."""
    tenant, role = who
    seen, hidden = or_(_mine(Author, tenant), Author.is_open.is_(True)), {"name"}
    return Policy(
        visible=seen, hidden=hidden if role == "guest" else set(), writable=role == "admin"
    )


async def touch(session: SessionDep, x_touch: Annotated[int | None, Header()] = None) -> None:
    """Write something earlier in the request, which the rest of it must not miss."""
    if x_touch is not None:
        session.add(Author(tenant_id=x_touch, name="touched"))
        await session.flush()


async def ending() -> AsyncIterator[None]:
    """Go on after the answer: only FastAPI can call it."""
    yield


class Three:
    """The applications, each with a database of its own.

    Attributes:
        ways: How many requests went each way, where there are doors and where there are none.
    """

    def __init__(self) -> None:
        self.clients: list[httpx2.AsyncClient] = []
        self.databases: list[Database] = []
        self.observers: list[Observer] = []
        self.on_lanes = 0

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request to each, compare the answers, and return one."""
        answers = [await client.request(method, path, **options) for client in self.clients]
        first, *others = map(_comparable, answers)
        for way, other in zip(WAYS[1:], others, strict=True):
            assert first == other, f"{method} {path} {options}: {first} is not {other} by {way}"
        return answers[0]

    async def compare(self) -> None:
        """Compare what is stored."""
        found = [
            [await stored_rows(db, table) for table in Base.metadata.sorted_tables]
            for db in self.databases
        ]
        assert found[0] == found[1] == found[2]

    @property
    def by_doors(self) -> int:
        """Return how many requests a door has answered."""
        assert [each.count for each in self.observers[1:]] == [0, 0]
        return self.observers[0].count


@asynccontextmanager
async def three_ways(urls: Sequence[str]) -> AsyncIterator[Three]:
    """Serve the notes three times."""
    three, module = Three(), cast("Any", _endpoints)
    answer = module.answer_on_lane

    async def counted(*arguments: Any) -> Any:
        reply = await answer(*arguments)
        three.on_lanes += reply is not None
        return reply

    for url, before in zip(urls, (None, ending, by_the_session), strict=True):
        app = FastAPI(dependencies=[] if before is None else [Depends(before)])
        db = Database(url, metadata=Base.metadata, pool_timeout=20.0)
        db.attach(app)
        # Keys are sent: PostgreSQL counts on for a row that was refused.
        tags = resource(Tag, writable={"id", "note_id"})
        authors = resource(
            Author, path="/authors", policy=authors_of, writable={"id"}, read_only={"tenant_id"}
        )
        includes = {"author": authors, "tags": tags}
        app.include_router(
            resource(
                Note,
                path="/notes",
                policy=notes_of,
                includes=includes,
                writable={"id"},
                max_offset=50,
            ),
            dependencies=[Depends(touch)],
        )
        app.include_router(authors)
        app.include_router(tags, dependencies=[Depends(user)])
        three.databases.append(db)
        three.observers.append(Observer(app))
    async with AsyncExitStack() as stack:
        module.answer_on_lane = counted
        stack.callback(setattr, module, "answer_on_lane", answer)
        for observer in three.observers:
            app = observer.app
            await stack.enter_async_context(app.router.lifespan_context(app))
            three.clients.append(await stack.enter_async_context(client_to(observer)))
        yield three


def _comparable(answer: httpx2.Response) -> Any:
    """Return an answer without an estimate: each database has gathered statistics of its own."""
    status, headers, body = shown(answer)
    if "'total_kind': 'estimate'" in body:
        headers = [each for each in headers if each[0] != "content-length"]
        body = re.sub(r"'total': \d+", "'total': 0", body)
    return status, headers, body


async def fill(three: Three) -> None:
    """Store the same rows everywhere."""
    for db in three.databases:
        async with db.unit_of_work() as session:
            session.add_all(
                [Author(id=i, tenant_id=1 + i % 3, name=f"a{i}", is_open=i % 4 == 0)
                 for i in range(1, 10)]
            )  # fmt: skip
            await session.flush()
            kinds = ("open", "done", "locked")
            session.add_all(
                [Note(id=i, tenant_id=1 + i % 3, author_id=1 + i % 9 if i % 5 else None,
                      title=f"t{i}", status=kinds[i % 3 - 1 if i % 7 else 2],
                      body=None if i % 2 else "b" * i) for i in range(1, 25)]
            )  # fmt: skip
            await session.flush()
            session.add_all([Tag(id=i, note_id=1 + i % 24, name=f"g{i % 4}") for i in range(1, 60)])
            if session.get_bind().dialect.name == "postgresql":
                await session.flush()
                for table in Base.metadata.sorted_tables:
                    await (await session.connection()).exec_driver_sql(
                        f"SELECT setval('{table.name}_id_seq', 1000)"
                    )


ROLES = ("member", "member", "member", "admin", "guest", "lists", "colleague", "nobody", "stranger",
         "looked up")  # fmt: skip
LISTS = (
    "", "?limit=3", "?sort=-title&limit=4", "?status=open", "?status__in=open,done&sort=due",
    "?author.name=a3", "?include=author,tags&limit=6", "?include=author.nothing", "?count=exact",
    "?body__isnull=true", "?body=b", "?tenant_id=2", "?tags.name=g1&sort=id", "?fields=id,title",
    "?q=t", "?offset=3&limit=2", "?where={\"title__startswith\":\"t1\"}", "?sort=author.name",
    "?title__ilike=T1*&include=tags&limit=3", "?cursor=no", "?count=capped&offset=2&limit=2",
    "?count=estimated&fields=id", "?offset=1&limit=2&count=exact&include=tags", "?offset=x",
)  # fmt: skip


class Course:
    """Random requests, the same each time for a seed."""

    def __init__(self, seed: int, three: Three) -> None:
        self._dice = random.Random(seed)
        self._three = three
        self._cursors = [""]
        self._tags = ['"1"', '"2"', "*", '"7;0123456789abcdef"']
        self._count = 0

    async def step(self) -> None:
        """Send one."""
        dice = self._dice
        kinds = {self._list: 4, self._read: 3, self._create: 3, self._update: 4, self._delete: 1,
                 self._other: 1}  # fmt: skip
        (step,) = dice.choices(list(kinds), list(kinds.values()))
        method, path, options = step()
        headers = {"X-Tenant": str(dice.choice((1, 1, 2, 3))), "X-Role": dice.choice(ROLES)}
        if dice.random() < 0.1 and method not in {"GET", "HEAD"}:
            headers["X-Touch"] = headers["X-Tenant"]
        if dice.random() < 0.1:
            name = dice.choice(("If-Match", "If-None-Match"))
            headers[name] = dice.choice(self._tags)
        if dice.random() < 0.05:
            headers["Prefer"] = "return=minimal"
        answer = await self._three.send(method, path, headers=headers, **options)
        self._note(answer)

    def _note(self, answer: httpx2.Response) -> None:
        if "etag" in answer.headers:
            self._tags = [*self._tags[-8:], answer.headers["etag"]]
        if answer.status_code == 200 and "next_cursor" in answer.text:
            self._cursors = [*self._cursors[-4:], answer.json()["next_cursor"] or ""]

    def _list(self) -> tuple[str, str, dict[str, Any]]:
        path = "/notes" + self._dice.choice(LISTS)
        if self._dice.random() < 0.2:
            path = f"/notes?limit=3&cursor={self._dice.choice(self._cursors)}"
        if self._dice.random() < 0.1:
            path = self._dice.choice(("/authors", "/tags?limit=5", "/authors?include=notes"))
        return self._dice.choice(("GET", "GET", "GET", "HEAD")), path, {}

    def _key(self) -> Any:
        return self._dice.choice((*range(1, 30), *range(2001, 2060), 99999, "x"))

    def _read(self) -> tuple[str, str, dict[str, Any]]:
        more = self._dice.choice(("", "", "", "?include=author,tags", "?fields=id,body", "?x=1"))
        return "GET", f"/notes/{self._key()}{more}", {}

    def _values(self) -> dict[str, Any]:
        dice, self._count = self._dice, self._count + 1
        chosen: dict[str, Callable[[], Any]] = {
            "title": lambda: f"n{self._count}" if dice.random() < 0.8 else "t1",
            "status": lambda: dice.choice(("open", "done", "locked", "x" * 11)),
            "body": lambda: dice.choice((None, "b", "\u00e9" * 30, 7)),
            "author_id": lambda: dice.choice((None, 1, 3, 77)),
            "due": lambda: dice.choice((None, "2026-01-02T03:04:05", "no")),
            "tenant_id": lambda: dice.choice((1, 2)),
            "version": lambda: 3,
        }
        return {name: make() for name, make in chosen.items() if dice.random() < 0.3}

    def _create(self) -> tuple[str, str, dict[str, Any]]:
        body = {"title": f"c{self._count}", **self._values(), "id": 2000 + self._count}
        more = "?on_conflict=title" if self._dice.random() < 0.1 else ""
        return "POST", f"/notes{more}", {"json": body}

    def _update(self) -> tuple[str, str, dict[str, Any]]:
        return "PATCH", f"/notes/{self._key()}", {"json": self._values()}

    def _delete(self) -> tuple[str, str, dict[str, Any]]:
        return "DELETE", f"/notes/{self._key()}", {}

    def _other(self) -> tuple[str, str, dict[str, Any]]:
        self._count += 1
        key = 2000 + self._count
        step = {"method": "update", "id": self._key(), "body": self._values()}
        put = {"title": f"p{self._count}", **self._values()}
        return self._dice.choice((
            ("PUT", f"/notes/{self._key()}", {"json": put}),
            ("PUT", f"/notes/{self._key()}", {"json": put}),
            ("POST", "/notes:batch", {"json": {"operations": [step]}}),
            ("POST", "/notes:query", {"json": {"status": "open", "limit": 3}}),
            ("POST", "/tags", {"json": {"id": key, "note_id": 3, "name": "new"}}),
            ("POST", "/authors", {"json": {"id": key, "name": "new"}}),
            ("POST", "/notes", {"content": b"{"}),
        ))  # fmt: skip


async def walk(three: Three, seed: int, requests: int) -> None:
    """Send random requests, and compare all answers, and in between what is stored.

    Raises:
        AssertionError: Two ways differ.
    """
    course = Course(seed, three)
    for number in range(requests):
        await course.step()
        if number % 50 == 49:
            await three.compare()
    await three.compare()


async def main() -> None:
    """Send as many requests as the command line asks for, and tell which way they went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--url", nargs=3, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    async with three_ways(arguments.url) as three:
        await fill(three)
        await walk(three, arguments.seed, arguments.requests)
        print(
            f"{arguments.requests} requests: no difference; {three.by_doors} by doors, "
            f"{three.on_lanes} by routes on lanes"
        )


if __name__ == "__main__":
    asyncio.run(main())
