"""Texts in policies: each is equal to itself alone, and is compared with no number."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import (
    Boolean,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    case,
    cast,
    collate,
    delete,
    distinct,
    except_,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    union,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from ormolu import Database, Model, Policy, UsageError, resource
from ormolu.backends import backend_of, exact_text
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.twins import by_the_session

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Plain(TypeDecorator[str]):
    """Text that no code converts."""

    impl = String(40)
    cache_ok = True


class Guild(Base):
    __tablename__ = "text_guilds"
    id: Mapped[int] = mapped_column(primary_key=True)
    __table_args__ = (Index("ix_text_guilds", "master", "rank"),)
    master: Mapped[str | None] = mapped_column(String(40))
    rank: Mapped[int] = mapped_column(default=0)
    scrolls: Mapped[list[Scroll]] = relationship(back_populates="guild")


class Scroll(Base):
    __tablename__ = "text_scrolls"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(40), index=True)
    scribe: Mapped[str | None] = mapped_column(Plain)
    words: Mapped[int] = mapped_column(default=0)
    is_open: Mapped[bool] = mapped_column(default=False)
    mark: Mapped[str | None] = mapped_column(
        Enum("ann", "ANN", native_enum=False, create_constraint=False, name="text_mark")
    )
    begun: Mapped[datetime | None]
    kind: Mapped[str | None] = mapped_column(Enum("a", "b", name="text_kind"))
    guild_id: Mapped[int | None] = mapped_column(ForeignKey(Guild.id))
    guild: Mapped[Guild | None] = relationship(back_populates="scrolls")


WORDS: list[str] = [
    "ann",
    "ANN",
    "Ánn",
    "ann ",
    "ann\u00ad",
    "\U0001f600",
    "\U0001f60e",
    "50%",
    "50_",
    "[a]*?",
]


def _of_alias(who: str) -> Any:
    other = aliased(Guild)
    return exists().where(other.id == Scroll.guild_id, other.master == who)


def _other_masters(who: str) -> Any:
    return select(Guild.master).where(Guild.master != who)


def _ranked(who: str) -> Any:
    return select(Guild.master).where(Guild.rank == WORDS.index(who))


def _replaced_once() -> Any:
    replaced = func.replace(Guild.master, "~", "")
    return select(replaced).group_by(replaced).having(func.count() == 1)


def _first_of_each() -> Any:
    number = func.row_number().over(partition_by=Guild.master, order_by=Guild.id)
    numbered = select(Guild.master, number.label("number")).subquery()
    return select(numbered.c.master).where(numbered.c.number == 1)


FORMS: dict[str, Callable[[str], Any]] = {
    "eq": lambda who: Scroll.owner == who,
    "swapped": lambda who: literal(who) == Scroll.owner,
    "in": lambda who: Scroll.owner.in_([who, "nobody"]),
    "between": lambda who: Scroll.owner.between(who, who),
    "like": lambda who: Scroll.owner.like(who),
    "startswith": lambda who: (Scroll.owner + "/x").startswith(f"{who}/", autoescape=True),
    "ilike": lambda who: Scroll.owner.ilike(who),
    "istartswith": lambda who: Scroll.owner.istartswith(who),
    "decorated": lambda who: Scroll.scribe == who,
    "columns": lambda who: (Scroll.owner == Scroll.scribe) & (Scroll.scribe == who),
    "function": lambda who: func.trim(Scroll.owner) == who,
    "coalesced": lambda who: func.coalesce(Scroll.scribe, "nobody") == who,
    "functions": lambda who: func.replace(Scroll.owner, "~", "") == func.replace(who, "~", ""),
    "chosen": lambda who: case((Scroll.owner == who, 1), else_=0) == 1,
    "switched": lambda who: case({who: 1}, value=Scroll.owner, else_=0) == 1,
    "pair": lambda who: tuple_(Scroll.owner, Scroll.words).in_([(who, 0)]),
    "not": lambda who: ~(Scroll.owner != who),
    "exists": lambda who: exists().where(Guild.master == Scroll.owner, Guild.master == who),
    "alias": _of_alias,
    "has": lambda who: Scroll.guild.has(Guild.master == who),
    "subquery": lambda who: Scroll.owner.in_(select(Guild.master).where(Guild.master == who)),
    "not in": lambda who: (Scroll.owner == who) & Scroll.owner.not_in(
        select(Guild.master).where(Guild.master != who)
    ),
    "chosen by a subquery": lambda who: case((Scroll.owner.in_(_ranked(who)), 1), else_=0) == 1,
    "not by a subquery": lambda who: ~Scroll.owner.not_in(_ranked(who)),
    "pair by a subquery": lambda who: ~tuple_(Scroll.owner, Scroll.words).not_in(
        _ranked(who).add_columns(Guild.rank * 0)
    ),
    "scalar": lambda who: select(Guild.master).where(Guild.id == Scroll.guild_id)
    .scalar_subquery() == who,
    "member": lambda who: (Scroll.mark if who in {"ann", "ANN"} else Scroll.owner) == who,
    "unknown": lambda who: func.nullif(Scroll.owner, "~") == func.nullif(literal(who), "~"),
    "all others": lambda who: Scroll.owner.not_in(_other_masters(who).distinct()),
    "all other functions": lambda who: Scroll.owner.not_in(
        select(func.replace(Guild.master, "~", "").label("master")).where(Guild.master != who)
        .distinct()
    ),
    "others and more": lambda who: Scroll.owner.not_in(
        union(_other_masters(who), select(literal("nobody")))
    ),
    "others not taken": lambda who: Scroll.owner.in_(
        except_(select(Guild.master), _other_masters(who))
    ),
    "those of one": lambda who: (Scroll.owner == who) & Scroll.owner.in_(
        select(Guild.master).group_by(Guild.master).having(func.count() == 1)
    ),
    "those of a name": lambda who: (Scroll.owner == who) & Scroll.owner.in_(
        select(Guild.master.label("name")).group_by("name").having(func.count() == 1)
    ),
    "those of a function": lambda who: (Scroll.owner == who) & Scroll.owner.in_(_replaced_once()),
    "counted": lambda who: (Scroll.owner == who) & (
        select(func.count(distinct(Guild.master))).scalar_subquery() == len(WORDS)
    ),
    "numbered": lambda who: (Scroll.owner == who) & Scroll.owner.in_(_first_of_each()),
}  # fmt: skip


def scroll_policy(
    who: Annotated[str, Header()] = '"ann"', form: Annotated[str, Header()] = "eq"
) -> Policy:
    return Policy(visible=FORMS[form](json.loads(who)))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Scroll, path="/scrolls", policy=scroll_policy))
    mine = Policy(visible=Scroll.guild.has(Guild.master == Scroll.owner))
    of_guild = resource(Scroll, path="/of-guild", policy=lambda: mine)
    app.include_router(of_guild)
    app.include_router(resource(Guild, path="/guilds", includes={"scrolls": of_guild}))
    known = Policy(visible=Scroll.owner.in_(select(aliased(Scroll).owner)))
    app.include_router(resource(Scroll, path="/known", policy=lambda: known))
    slow = resource(Scroll, path="/slow", policy=scroll_policy)
    app.include_router(slow, dependencies=[Depends(by_the_session)])
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found, served.db.unit_of_work() as session:
        guilds = [Guild(master=word, rank=rank) for rank, word in enumerate(WORDS)]
        session.add_all([
            Scroll(owner=each.master, scribe=each.master, guild=each,
                   mark=each.master if each.master in {"ann", "ANN"} else None)
            for each in guilds
        ])  # fmt: skip
        await session.commit()
        yield found


async def owners(client: httpx2.AsyncClient, path: str, who: str, form: str) -> list[str]:
    headers = {"who": json.dumps(who), "form": form}
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return [each["owner"] for each in answer.json()["items"]]


@pytest.mark.parametrize("path", ["/scrolls", "/slow"])
@pytest.mark.parametrize(
    "form", [form for form in FORMS if not form.startswith("i") or form == "in"]
)
async def test_text_is_equal_to_itself_alone(
    client: httpx2.AsyncClient, path: str, form: str
) -> None:
    """To MariaDB ANN was ann, and each smiley another's; to SQLite LIKE was blind to case."""
    for who in WORDS:
        is_trimmed = form == "function" and who != who.strip()
        # Each of the others is what a pattern finds, too.
        is_pattern = form == "like" and who in {"50%", "50_"}
        expected = [] if is_trimmed else ["50%", "50_"] if is_pattern else [who]
        if form == "function" and who == "ann":
            expected = ["ann", "ann "]
        assert await owners(client, path, who, form) == expected, who


async def test_each_text_of_an_index_is_looked_at(
    client: httpx2.AsyncClient, served: KeptApp
) -> None:
    """MariaDB took one row of an index for all that its collation calls equal."""
    async with served.db.unit_of_work() as session:
        await session.execute(delete(Scroll))
        words = ["ann", "ANN", "Ann", "bo", "BO", "ss", "x"] * 150
        await session.execute(insert(Scroll), [{"owner": word} for word in words])
    answer = await client.get("/known?count=exact&limit=1")
    assert answer.json()["total"] == len(words)


async def test_a_subquery_is_asked_for_each_text(
    client: httpx2.AsyncClient, served: KeptApp
) -> None:
    """MariaDB kept its result for one, and took it for others that its collation calls equal."""
    async with served.db.unit_of_work() as session:
        guild = await session.get_one(Guild, 1)
        session.add_all([Scroll(owner=word, guild=guild) for word in ("ANN", "ann", "Ánn")])
    answer = await client.get("/guilds/1?include=scrolls")
    assert [each["owner"] for each in answer.json()["scrolls"]] == ["ann", "ann"]
    answer = await client.get("/guilds?scrolls.owner=ANN&scrolls.guild_id=1")
    assert answer.json()["items"] == []


async def test_members_of_an_enumeration_are_filtered_exactly(
    served: KeptApp, client: httpx2.AsyncClient
) -> None:
    """Those of one that is stored as text, too."""
    del client
    async with served.db.unit_of_work() as session:
        for mark in ("ann", "ANN"):
            page = await resource(Scroll).list(session, where={"mark": mark})
            assert [each["owner"] for each in page.items] == [mark]


@pytest.mark.parametrize("form", ["ilike", "istartswith"])
async def test_a_pattern_that_ignores_case_ignores_nothing_else(
    client: httpx2.AsyncClient, form: str
) -> None:
    """MariaDB's letters have no accents to it, and its smileys are one."""
    assert set(await owners(client, "/scrolls", "ann", form)) <= {"ann", "ANN"} | (
        {"ann ", "ann\u00ad"} if form == "istartswith" else set()
    )
    assert await owners(client, "/scrolls", "\U0001f600", form) == ["\U0001f600"]


@pytest.mark.long
@pytest.mark.parametrize("path", ["/scrolls", "/slow"])
async def test_no_other_text_is_written(client: httpx2.AsyncClient, path: str) -> None:
    """A write is within the policy before and after it."""
    bo = {"who": json.dumps("ann")}
    other = (await client.get(path, headers={"who": json.dumps("ANN")})).json()["items"][0]
    for method, body in ("PATCH", {"words": 1}), ("DELETE", None):
        answer = await client.request(method, f"{path}/{other['id']}", json=body, headers=bo)
        assert answer.status_code == 404
    mine = (await client.get(path, headers=bo)).json()["items"][0]
    answer = await client.patch(f"{path}/{mine['id']}", json={"owner": "ANN"}, headers=bo)
    assert answer.status_code == 403
    assert (await client.post(path, json={"owner": "ANN"}, headers=bo)).status_code == 403
    assert (await client.post(path, json={"owner": "ann"}, headers=bo)).status_code == 201


MISMATCHED: list[Any] = [
    Scroll.owner == Scroll.words, Scroll.words == Scroll.owner, Scroll.owner.is_distinct_from(
        Scroll.words), Scroll.owner.in_(select(Guild.rank)),
    Scroll.words == select(Guild.master).where(Guild.id == 1).scalar_subquery(),
    exists().where(Guild.master == Scroll.words), Scroll.owner.between("a", Scroll.words),
    tuple_(Scroll.owner, Scroll.id) == tuple_(Scroll.words, Scroll.id),
    tuple_(Scroll.id, Scroll.owner).in_(select(Guild.id, Guild.rank)),
    func.lower(Scroll.owner) == Scroll.words, Scroll.scribe == -Scroll.words,
    Scroll.kind == Scroll.words, Scroll.begun == Scroll.words, Scroll.begun == Scroll.owner,
    case({Scroll.words: 1}, value=Scroll.owner, else_=0) == 1, Scroll.owner.expression,
    Scroll.is_open & Scroll.owner.expression, case((Scroll.owner.expression, 1), else_=0) == 1,
    Scroll.owner.is_(True), Scroll.owner.is_not(True),
]  # fmt: skip


@pytest.mark.parametrize("condition", MISMATCHED, ids=str)
def test_text_is_compared_with_no_number(condition: Any, caplog: pytest.LogCaptureFixture) -> None:
    """To MySQL each word is the number 0, and PostgreSQL refuses it."""
    caplog.set_level(logging.ERROR, "ormolu")
    with pytest.raises(UsageError, match=r"policy of resource\(Scroll\) compares .* \(.*\) with"):
        checked_policy(Policy(visible=condition), Scroll)
    assert "cast(number, String)" in caplog.text


@pytest.mark.parametrize(
    "condition",
    [
        Scroll.words == Scroll.id, Scroll.is_open == Scroll.words, Scroll.owner == Scroll.kind,
        Scroll.is_open.expression, ~Scroll.is_open, Scroll.begun == func.now(),
        cast(Scroll.words, String) == Scroll.owner, func.length(Scroll.owner) == Scroll.words,
        Scroll.words.between(Scroll.id, 9), case((Scroll.is_open, 1), else_=0) == Scroll.words,
        cast(Scroll.owner, Boolean), Scroll.owner.in_(select(Guild.master)),
        Scroll.is_open.is_(True), Scroll.owner.is_(None),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_of_one_sort_is_compared(condition: Any) -> None:
    assert checked_policy(Policy(visible=condition), Scroll).visible is condition


def mysql_text(condition: Any) -> str:
    """Return a condition as an engine of MariaDB's compiles it."""
    dialect = create_async_engine("mariadb+asyncmy://").dialect
    backend_of(dialect).prepare(dialect)
    return str(exact_text(condition).compile(dialect=dialect))


def test_an_index_serves_what_is_exact() -> None:
    """The plain comparison stands beside the exact one."""
    text = mysql_text(Scroll.owner == "ann")
    assert text.startswith("((text_scrolls.owner = %s AND (CAST(text_scrolls.owner AS CHAR")
    assert "COLLATE utf8mb4_nopad_bin" in text


def test_a_collation_of_its_own_is_kept() -> None:
    """Whether the column or the condition names it; and numbers have none."""
    named = aliased(select(cast(Scroll.owner, mysql.VARCHAR(9, collation="utf8mb4_bin"))
                           .label("owner")).subquery())  # fmt: skip
    for condition in (
        named.c.owner == "ann", collate(Scroll.owner, "utf8mb4_bin") == "ann",
        Scroll.words == 1, tuple_(Scroll.words, Scroll.id) == (1, 2), Scroll.kind == "a",
    ):  # fmt: skip
        assert "nopad" not in mysql_text(condition)
