"""A policy holds for its table by whatever way it is reached, or the way is refused."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from starlette.applications import Starlette
from starlette.routing import Mount

from ormolu import ConfigurationError, Database, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Teams:
    """People, teams, and who is in which: a table between them with a class of its own."""

    def __init__(self) -> None:
        class Base(DeclarativeBase):
            pass

        class Member(Base):
            __tablename__ = "members"
            person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
            is_public: Mapped[bool]
            person: Mapped[Any] = relationship("Person")

        class Person(Base):
            __tablename__ = "persons"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            members: Mapped[list[Any]] = relationship("Member")
            persons: Mapped[list[Any]] = relationship("Person", secondary="members", viewonly=True)
            public: Mapped[list[Any]] = relationship(
                "Person", viewonly=True, primaryjoin="Team.id == Member.team_id",
                secondary=lambda: Member.__table__.join(Person.__table__),
                secondaryjoin="Member.person_id == Person.id",
            )  # fmt: skip

        self.base, self.member, self.person, self.team = Base, Member, Person, Team

    async def public(self) -> Policy:
        return Policy(visible=self.member.is_public.is_(True))


def serve(url: str, metadata: MetaData, *routers: Any) -> tuple[Database, FastAPI]:
    app, db = FastAPI(), Database(url, metadata=metadata)
    db.attach(app)
    for each in routers:
        app.include_router(each)
    return db, app


@pytest.mark.parametrize("name", ["persons", "public"])
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_policy_on_the_table_between_is_not_passed_by(
    database_url: str, name: str, *, is_first: bool
) -> None:
    """The relation over it is refused, whichever resource comes first."""
    teams = Teams()
    routers = [resource(teams.member, policy=teams.public), resource(teams.person)]
    routers.insert(0 if is_first else 2, resource(teams.team, includes={name}))
    _, app = serve(database_url, teams.base.metadata, *routers)
    expected = f"{name!r} leads to Person over the table of Member, for which /members has a policy"
    with pytest.raises(ConfigurationError, match=expected):
        async with client_of(app):
            pass


@pytest.mark.long
async def test_a_table_between_without_a_policy_is_none_of_it(database_url: str) -> None:
    """What its resource hides is not shown behind a relation over it."""
    teams = Teams()
    routers = [resource(teams.member, operations={"list"}, hidden={"is_public"}),
               resource(teams.team, includes={"persons"})]  # fmt: skip
    db, app = serve(database_url, teams.base.metadata, *routers)
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([teams.person(id=1), teams.team(id=1)])
        answer = await client.get("/teams?include=persons")
        assert answer.json()["items"] == [{"id": 1, "persons": []}]


@pytest.mark.long
async def test_both_ways_out_of_a_table_between(database_url: str) -> None:
    """Over the class in between its policy holds; a resource that is named shows all pairs."""
    teams = Teams()
    persons = resource(teams.person)
    routers = [
        persons, resource(teams.member, policy=teams.public, includes={"person"}),
        resource(teams.team, includes={"members"}),
        resource(teams.team, path="/all", includes={"persons": persons}),
    ]  # fmt: skip
    db, app = serve(database_url, teams.base.metadata, *routers)
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([teams.person(id=1), teams.person(id=2), teams.team(id=1)])
            await session.flush()
            session.add_all(
                [teams.member(person_id=key, team_id=1, is_public=key == 1) for key in (1, 2)]
            )
        (team,) = (await client.get("/teams?include=members.person")).json()["items"]
        assert [each["person"] for each in team["members"]] == [{"id": 1}]
        (team,) = (await client.get("/all?include=persons")).json()["items"]
        assert team["persons"] == [{"id": 1}, {"id": 2}]


class Namesakes:
    """Two classes of two MetaData, with tables of the same name, and one that leads to one."""

    def __init__(self, other: str = "notes") -> None:
        class Base(DeclarativeBase):
            metadata = MetaData()

        class Apart(DeclarativeBase):
            metadata = MetaData()

        class Note(Base):
            __tablename__ = "notes"
            id: Mapped[int] = mapped_column(primary_key=True)
            tenant: Mapped[int]
            text: Mapped[str | None] = mapped_column(String(9))

        class Folder(Apart):
            __tablename__ = "folders"
            id: Mapped[int] = mapped_column(primary_key=True)
            notes: Mapped[list[Any]] = relationship("Page")

        class Page(Apart):
            __tablename__ = other
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str | None] = mapped_column(String(9))
            folder_id: Mapped[int] = mapped_column(ForeignKey("folders.id"))

        self.note, self.folder, self.page, self.metadata = Note, Folder, Page, Apart.metadata


@pytest.mark.long
@pytest.mark.parametrize("is_hidden", [True, False])
@pytest.mark.parametrize("is_shown", [True, False])
async def test_a_guarded_table_of_the_same_name_may_be_the_same(
    database_url: str, *, is_hidden: bool, is_shown: bool
) -> None:
    """It is refused to show its rows by the other class, unless that is said."""
    classes = Namesakes()

    async def own() -> Policy:
        return Policy(visible=classes.note.tenant == 1)

    guards: Any = {"hidden": {"text"}} if is_hidden else {"policy": own}
    routers = [resource(classes.note, path="/guarded", **guards),
               resource(classes.folder, includes={"notes"})]  # fmt: skip
    routers += [resource(classes.page, path="/pages")] if is_shown else []
    _, app = serve(database_url, classes.metadata, *routers)
    if is_hidden and is_shown:
        # A resource itself shows what it declares.
        async with client_of(app) as client:
            assert (await client.get("/folders?include=notes")).status_code == 200
        return
    with pytest.raises(ConfigurationError, match="'notes' leads to Page"):
        async with client_of(app):
            pass
    pages = resource(classes.page, path="/named")
    routers = [routers[0], resource(classes.folder, includes={"notes": pages})]
    _, app = serve(database_url, classes.metadata, *routers)
    async with client_of(app) as client:
        assert (await client.get("/folders?include=notes")).status_code == 200


@pytest.mark.long
async def test_tables_of_other_names_are_others(database_url: str) -> None:
    """Whatever else is declared."""
    classes = Namesakes("pages")
    routers = [resource(classes.note, path="/guarded", hidden={"text"}),
               resource(classes.folder, includes={"notes"})]  # fmt: skip
    _, app = serve(database_url, classes.metadata, *routers)
    async with client_of(app) as client:
        assert (await client.get("/folders?include=notes")).status_code == 200


async def fill(teams: Teams, db: Database) -> None:
    async with db.unit_of_work() as session:
        session.add_all([teams.person(id=1), teams.person(id=2), teams.team(id=1)])
        await session.flush()
        session.add_all(
            [teams.member(person_id=key, team_id=1, is_public=key == 1) for key in (1, 2)]
        )


@pytest.mark.long
@pytest.mark.parametrize("place", ["beside", "below", "around"])
@pytest.mark.parametrize("is_asked", [True, False])
async def test_a_policy_holds_where_the_application_around_has_no_database(
    database_url: str, place: str, *, is_asked: bool
) -> None:
    """Each of those in it has one; who they are mounted with is known from the first request."""
    teams, root = Teams(), FastAPI()
    db = Database(database_url, metadata=teams.base.metadata)
    ours, theirs = FastAPI(), FastAPI()
    for each in (ours, theirs):
        db.attach(each)
    if place == "around":
        root.include_router(resource(teams.member, policy=teams.public, operations={"list"}))
    else:
        theirs.include_router(resource(teams.member, policy=teams.public, operations={"list"}))
    ours.include_router(resource(teams.team, includes={"members"}))
    below = Starlette(routes=[Mount("/theirs", theirs)])
    root.mount("/ours", ours)
    root.mount("/below", below if place == "below" else theirs)
    async with client_of(ours) as direct, client_of(root) as client:
        await fill(teams, db)
        if is_asked:
            # Nothing tells yet that anything is around it.
            assert (await direct.get("/teams")).status_code == 200
        for _ in range(3):
            answer = await client.get("/ours/teams?include=members")
            (team,) = answer.json()["items"]
            assert [each["person_id"] for each in team["members"]] == [1]
            assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.long
@pytest.mark.parametrize("place", ["around", "inside", "beside"])
async def test_a_policy_holds_in_applications_that_are_mounted_together(
    database_url: str, place: str
) -> None:
    """Of a model that one has no resource of, any other of them speaks."""
    teams = Teams()
    root, db = FastAPI(), Database(database_url, metadata=teams.base.metadata)
    db.attach(root)
    ours, theirs = FastAPI(), FastAPI()
    if place == "around":
        root.mount("/ours", ours)
        theirs = root
    elif place == "inside":
        ours = root
        root.mount("/theirs", theirs)
    else:
        root.mount("/ours", ours)
        root.mount("/theirs", theirs)
    ours.include_router(resource(teams.team, includes={"members"}))
    theirs.include_router(resource(teams.member, policy=teams.public, operations={"list"}))
    path = "/teams" if place == "inside" else "/ours/teams"
    async with client_of(root) as client:
        await fill(teams, db)
        answer = await client.get(f"{path}?include=members")
        assert [each["person_id"] for each in answer.json()["items"][0]["members"]] == [1]
        assert answer.headers["cache-control"] == "private, no-cache"
