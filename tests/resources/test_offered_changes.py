"""An upsert reads and changes no more than the other operations and models offer."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, computed_field
from sqlalchemy import MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, composite, mapped_column, synonym

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Ticket(Base):
    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(20), unique=True)
    state: Mapped[str] = mapped_column(String(20), default="new")
    note: Mapped[str | None] = mapped_column(String(20))


class TicketIn(BaseModel):
    code: str
    state: str = "new"
    note: str | None = None


class TicketChange(BaseModel):
    note: str | None = None


class OpenTicketChange(TicketChange, extra="allow"):
    pass


class MovedTicket(BaseModel):
    step: str = "old"

    @computed_field
    def state(self) -> str:
        return self.step


def serve(url: str, **options: Any) -> Any:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Ticket, writable={"id"}, **options))
    return client_of(app)


ONE = {"id": 1, "code": "a", "note": "first"}


def _batch(data: dict[str, Any], match: str) -> dict[str, Any]:
    step = {"op": "upsert", "on_conflict": "code", "on_match": match, "data": data}
    return {"operations": [step]}


@pytest.mark.parametrize(
    ("operations", "offered"),
    [
        ({"create", "batch"}, []),
        ({"create", "batch", "delete"}, []),
        ({"create", "batch", "list"}, ["ignore"]),
        ({"create", "batch", "read"}, ["ignore"]),
        ({"create", "batch", "update"}, ["update", "ignore"]),
    ],
)
async def test_upserts_do_what_is_offered(
    database_url: str, operations: set[str], offered: list[str]
) -> None:
    """A row that is there is neither shown nor changed where no other operation does so."""
    async with serve(database_url, operations=operations) as client:
        assert (await client.post("/tickets", json=ONE)).status_code == 201
        for match in ("update", "ignore"):
            again = {"id": 2, "code": "a", "note": match}
            answers = [
                await client.post(f"/tickets?on_conflict=code&on_match={match}", json=again),
                await client.post("/tickets:batch", json=_batch(again, match)),
            ]
            for answer in answers:
                is_offered = match in offered
                assert answer.status_code == (200 if is_offered else 422), answer.text
                assert ("first" in answer.text) == (is_offered and "update" not in offered)
        document = (await client.get("/openapi.json")).json()
        found = document["paths"]["/tickets"]["post"].get("parameters", [])
        assert [each["schema"]["enum"] for each in found if each["name"] == "on_match"] == (
            [offered] if offered else []
        )
        forms = str(document["components"]["schemas"]["TicketBatch"])
        assert ("on_conflict" in forms) == bool(offered)


async def test_upserts_without_a_match_are_not_offered_either(database_url: str) -> None:
    """The answer does not tell whether there is such a row."""
    async with serve(database_url, operations={"create"}) as client:
        answer = await client.post("/tickets?on_conflict=code", json=ONE)
        (entry,) = answer.json()["errors"]
        assert entry["loc"] == ["query", "on_conflict"]
        assert (await client.post("/tickets", json=ONE)).status_code == 201


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        (None, {"state": "done", "note": "n"}),
        (TicketChange, {"state": "new", "note": "n"}),
        (OpenTicketChange, {"state": "done", "note": "n"}),
        (MovedTicket, {"state": "done", "note": "first"}),
    ],
)
async def test_old_rows_change_where_the_update_model_has_a_field(
    database_url: str, model: Any, changed: dict[str, Any]
) -> None:
    """What it leaves out stays as it is in an upsert."""
    created = type("TicketIn", (TicketIn,), {"__annotations__": {"id": int}})
    hooks: Any = {"before_update": lambda _session, values: values} if model is MovedTicket else {}
    options = {"create_model": created, "update_model": model, "hooks": hooks}
    sent = {"code": "a", "state": "done", "note": "n"}
    async with serve(database_url, **options) as client:
        await client.post("/tickets", json=ONE)
        answer = await client.post("/tickets?on_conflict=code", json={"id": 1, **sent})
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"id": 1, "code": "a", **changed}


class Place:
    """A point, as a composite has it."""

    def __init__(self, east: int, north: int) -> None:
        self.east, self.north = east, north

    def __composite_values__(self) -> tuple[int, int]:
        return self.east, self.north


@pytest.mark.long
async def test_composites_and_synonyms_close_their_columns(database_url: str) -> None:
    """A policy may name what a composite is made of by the composite, and chains of synonyms."""

    class Apart(DeclarativeBase):
        pass

    class Find(Apart):
        __tablename__ = "finds"
        id: Mapped[int] = mapped_column(primary_key=True)
        east: Mapped[int]
        north: Mapped[int]
        shelf: Mapped[str | None] = mapped_column("rack", String(9))
        place: Mapped[Place] = composite(Place, "east", "north")
        box = synonym("shelf")
        case = synonym("box")
        spot = synonym("place")

    def rule(name: str) -> Any:
        closed: dict[str, Any] = {name: {"spot", "case"}}
        return lambda: Policy(visible=True, **closed)

    app = FastAPI()
    db = Database(database_url, metadata=Apart.metadata)
    db.attach(app)
    app.include_router(resource(Find, path="/seen", policy=rule("hidden")))
    app.include_router(resource(Find, path="/kept", policy=rule("read_only")))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Find(id=1, east=1, north=2, shelf="x"))
        assert (await client.get("/seen/1")).json() == {"id": 1}
        assert (await client.get("/kept/1")).json() == {
            "id": 1, "east": 1, "north": 2, "shelf": "x",
        }  # fmt: skip
        for path in ("/seen", "/kept"):
            for name, value in (("east", 5), ("north", 5), ("shelf", "y")):
                answer = await client.patch(f"{path}/1", json={name: value})
                assert answer.status_code == 422, name
        assert (await client.get("/seen?east=1")).status_code == 422
