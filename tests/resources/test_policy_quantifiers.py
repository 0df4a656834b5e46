"""Policies with `any_` and `all_`: what stands in them is compared, text with text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Header
from sqlalchemy import (
    ARRAY,
    JSON,
    ForeignKey,
    MetaData,
    String,
    all_,
    any_,
    func,
    literal,
    not_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, Policy, UsageError, resource
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.kept import KeptApp, keep_resources

# SQLite has neither.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("asyncpg", "psycopg", "mariadb")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


TEXTS = ARRAY(String(20))


class Song(Base):
    __tablename__ = "quantified_songs"
    id: Mapped[int] = mapped_column(primary_key=True)
    singer: Mapped[str] = mapped_column(String(20))
    plays: Mapped[int]
    tags: Mapped[list[str]] = mapped_column(JSON().with_variant(TEXTS, "postgresql"))


class Share(Base):
    __tablename__ = "quantified_shares"
    id: Mapped[int] = mapped_column(primary_key=True)
    song_id: Mapped[int] = mapped_column(ForeignKey(Song.id))
    name: Mapped[str] = mapped_column(String(20))
    rank: Mapped[int]


def names() -> Any:
    return select(Share.name).where(Share.song_id == Song.id).scalar_subquery()


def ranks() -> Any:
    return select(Share.rank).where(Share.song_id == Song.id).scalar_subquery()


# With the rows that each shows to ann.
FORMS: dict[str, tuple[Callable[[str], Any], list[int]]] = {
    "any": (lambda who: literal(who) == any_(names()), [1]),
    "turned": (lambda who: any_(names()) == who, [1]),
    "column": (lambda _: Song.singer == any_(names()), [1]),
    "not any": (lambda who: not_(literal(who) == any_(names())), [2, 3]),
    "all": (lambda who: literal(who) != all_(names()), [2, 3]),
    "function": (lambda who: func.replace(who, "~", "") == any_(names()), [1]),
    "untyped": (lambda _: func.nullif(Song.singer, "~") == any_(names()), [1]),
    "numbers": (lambda _: Song.plays > all_(ranks()), [1, 3]),
}


def song_policy(who: Annotated[str, Header()], form: Annotated[str, Header()]) -> Policy:
    return Policy(visible=FORMS[form][0](who))


def tag_policy(who: Annotated[str, Header()]) -> Policy:
    return Policy(visible=literal(who) == any_(type_coerce(Song.tags, TEXTS)))


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    songs = resource(Song, path="/songs", policy=song_policy)
    tagged = resource(Song, path="/tagged", policy=tag_policy)
    async with keep_resources(module_url, Base.metadata, songs, tagged) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client() as found, served.db.unit_of_work() as session:
        session.add_all([Song(id=1, singer="ann", plays=9, tags=["ann", "b"]),
                         Song(id=2, singer="ann", plays=1, tags=["ANN"]),
                         Song(id=3, singer="bo", plays=0, tags=[])])  # fmt: skip
        await session.flush()
        session.add_all([Share(song_id=1, name="ann", rank=1), Share(song_id=1, name="bo", rank=8),
                         Share(song_id=2, name="ANN", rank=1)])  # fmt: skip
        await session.commit()
        yield found


@pytest.mark.parametrize("form", FORMS)
async def test_what_stands_in_them_is_compared(client: httpx2.AsyncClient, form: str) -> None:
    """Exactly, also by MariaDB, to which ANN is ann; by the session, and then by lanes."""
    for _ in range(3):
        answer = await client.get("/songs?fields=id", headers={"who": "ann", "form": form})
        assert answer.status_code == 200, answer.text
        assert [each["id"] for each in answer.json()["items"]] == FORMS[form][1]
    for key in (1, 2, 3):
        answer = await client.patch(
            f"/songs/{key}", json={"plays": 10}, headers={"who": "ann", "form": form}
        )
        assert answer.status_code == (200 if key in FORMS[form][1] else 404)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_list_of_texts_is_compared_one_by_one(client: httpx2.AsyncClient) -> None:
    """Where it is a column; this was refused, as if it were a truth value."""
    for who, keys in ("ann", [1]), ("ANN", [2]), ("c", []):
        for _ in range(2):
            answer = await client.get("/tagged?fields=id", headers={"who": who})
            assert [each["id"] for each in answer.json()["items"]] == keys


@pytest.mark.parametrize(
    "condition",
    [
        literal(0) == any_(names()), any_(names()) == 0, Song.plays == any_(names()),
        Song.singer != all_(ranks()), literal("ann") == any_(ranks()),
        tuple_(literal(0), Song.id).in_(select(Share.name, Share.song_id)),
        tuple_(Song.id, literal("ann")).in_(select(Share.song_id, Share.rank)),
    ],
    ids=str,
)  # fmt: skip
def test_no_word_in_them_is_the_number_0(condition: Any) -> None:
    """To MySQL each is, and such a policy showed all rows."""
    with pytest.raises(UsageError, match=r"Check it where the policy is made|Compare text with"):
        checked_policy(Policy(visible=condition), Song)
