"""Policies in forms that not every statement takes as it is: a table of their own, pairs."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from sqlalchemy import Integer, MetaData, String, column, exists, func, literal, or_, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship
from sqlalchemy.sql.functions import FunctionElement

from ormolu import Database, Model, Policy, UsageError, resource
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.apps import client_of


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Team(Base):
    __tablename__ = "cte_teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]


class Plot(Base):
    __tablename__ = "cte_plots"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int]
    size: Mapped[int]
    tags: Mapped[str | None] = mapped_column(String(20))
    team: Mapped[Team | None] = relationship(
        Team, primaryjoin="foreign(Plot.team_id) == Team.id", viewonly=True
    )


def _of(tenant: int, *, is_nested: bool) -> Any:
    mine = select(Team.id).where(Team.tenant == tenant).cte("mine", nesting=is_nested)
    return Plot.team_id.in_(select(mine.c.id))


async def above(x_tenant: Annotated[int, Header()]) -> Policy:
    return Policy(visible=_of(x_tenant, is_nested=False))


async def within(x_tenant: Annotated[int, Header()]) -> Policy:
    return Policy(visible=_of(x_tenant, is_nested=True))


async def of_pairs(x_tenant: Annotated[int, Header()]) -> Policy:
    pairs = [(x_tenant, key) for key in range(1, 9)]
    return Policy(visible=tuple_(Plot.team_id, Plot.id).in_(pairs))


async def _check_policy(url: str, policy: Any) -> None:
    app, db = FastAPI(), Database(url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Plot, path="/plots", policy=policy, writable={"id"}))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Team(id=n, tenant=n) for n in (1, 2)])
            session.add_all([Plot(id=n, team_id=1 + n % 2, size=n) for n in range(1, 5)])
        client.headers["X-Tenant"] = "1"
        for method, body in (("PATCH", {"size": 9}), ("DELETE", None)):
            for key, status in ((1, 404), (99, 404), (2, 200 if body else 204)):
                answer = await client.request(method, f"/plots/{key}", json=body)
                assert answer.status_code == status
        async with db.unit_of_work(read_only=True) as session:
            rows = await session.execute(select(Plot.id, Plot.size).order_by(Plot.id))
            assert rows.all() == [(1, 1), (3, 3), (4, 4)]


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_rows_out_of_reach_are_none(database_url: str) -> None:
    """Writes begin with WITH then, of which sqlite3 counts no rows: they were all found."""
    await _check_policy(database_url, above)


@pytest.mark.long
async def test_nested_tables(database_url: str) -> None:
    """MariaDB takes no WITH before UPDATE and DELETE, and a nested one."""
    await _check_policy(database_url, within)


@pytest.mark.long
async def test_pairs(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A list of pairs has no place for each of its values: its statements are made anew."""
    await _check_policy(database_url, of_pairs)
    assert "its door failed" not in caplog.text


async def test_pairs_of_relatives(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nor has one of a policy that holds behind a relation, where the door failed."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    pairs = Policy(visible=tuple_(Team.id, Team.tenant).in_([(1, 1), (2, 1)]))
    app.include_router(resource(Team, path="/teams", policy=lambda: pairs))
    app.include_router(resource(Plot, path="/plots", includes={"team"}))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Team(id=n, tenant=n) for n in (1, 2)])
            session.add_all([Plot(id=n, team_id=n, size=n) for n in (1, 2)])
        for _ in range(2):
            items = (await client.get("/plots?include=team")).json()["items"]
            assert [each["team"] for each in items] == [{"id": 1, "tenant": 1}, None]
            found = (await client.get("/plots?team.tenant__ge=1")).json()["items"]
            assert [each["id"] for each in found] == [1]
    assert "its door failed" not in caplog.text


_tags = func.json_each(Plot.tags).table_valued("value")
REFUSED: dict[str, Any] = {
    "another table": Team.tenant == 1,
    "rows as a column": func.json_array_elements_text(Plot.tags).column_valued("t").in_(["a"]),
    "a column of rows": _tags.c.value == "a",
    "an alias": aliased(Plot).size == 1,
    "a subquery": select(Team.id).subquery().c.id == Plot.team_id,
    "beside one's own": or_(Plot.size == 1, Team.tenant == 1),
}
TAKEN: dict[str, Any] = {
    "exists": exists().where(_tags.c.value == "a"),
    "a column in a subquery": Plot.team_id.in_(select(Team.id)),
    "a function": func.length(Plot.tags) > 1,
    "a scalar subquery": select(Team.tenant).where(Team.id == Plot.team_id).scalar_subquery() == 1,
    "no column": literal(1) == 1,
}


@pytest.mark.parametrize("name", REFUSED)
def test_rows_of_another_table(name: str) -> None:
    """Whatever they come from: they would multiply the rows, or be no condition of a write."""
    with pytest.raises(UsageError, match=r"is no table of Plot. Write that as exists\(\)"):
        checked_policy(Policy(visible=REFUSED[name]), Plot)
    with pytest.raises(UsageError, match="is no table of Plot"):
        checked_policy(Policy(visible=True, writable=REFUSED[name]), Plot)


@pytest.mark.parametrize("condition", [~column("isHidden"), column("size") == 1])
def test_names_of_no_table(condition: Any) -> None:
    """To SQLite a quoted name that it does not know is text, and `NOT "isHidden"` is true."""
    with pytest.raises(UsageError, match=r"compares \S+, of no table\. Write Plot\.\w+"):
        checked_policy(Policy(visible=condition), Plot)


class OneAtHome(FunctionElement[int]):
    """SQL that one database has."""

    type = Integer()
    inherit_cache = True


@compiles(OneAtHome, "a database of the program's own")
def _one(_element: OneAtHome, _compiler: object, **_options: object) -> str:
    return "1"


def _named_alike(least: int) -> Any:
    table = select(Plot.id).where(Plot.size > least).cte("mine")
    return Plot.id.in_(select(table.c.id))


def test_conditions_are_looked_at_and_not_compiled() -> None:
    """The database's own SQL is known to its dialect alone; conditions are kept apart later."""
    found = Policy(visible=Plot.size > OneAtHome())
    assert checked_policy(found, Plot) is found
    found = Policy(visible=_named_alike(1), writable=_named_alike(5))
    assert checked_policy(found, Plot) is found


@pytest.mark.parametrize("name", TAKEN)
def test_rows_of_a_subquery(name: str) -> None:
    """They multiply nothing."""
    found = Policy(visible=TAKEN[name])
    assert checked_policy(found, Plot) is found
