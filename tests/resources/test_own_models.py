"""Pydantic models of the program's own, in the place of the generated ones."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Secret, SecretStr, create_model
from pydantic.alias_generators import to_camel
from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Member(Base):
    __tablename__ = "members"
    email: Mapped[str] = mapped_column(String(20), primary_key=True)
    full_name: Mapped[str] = mapped_column(String(20))
    home_town: Mapped[str | None] = mapped_column(String(20))
    role_name: Mapped[str] = mapped_column(String(20))


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class MemberIn(Camel, extra="forbid"):
    full_name: str
    home_town: str | None = None
    role_name: str = "member"


class MemberChange(Camel, extra="forbid"):
    home_town: str | None = None


class MemberOut(Camel):
    email: str
    full_name: str
    home_town: str | None


class Lax(BaseModel):
    email: str
    full_name: str
    role_name: str = "lax"


async def as_guest() -> Policy:
    return Policy(visible=True, assign={"role_name": "guest"}, read_only={"home_town"})


camels: dict[str, Any] = {
    "create_model": MemberIn, "update_model": MemberChange, "public_model": MemberOut
}  # fmt: skip
members = resource(Member, **camels)
guests = resource(Member, path="/guests", policy=as_guest, **camels)
lax = resource(Member, path="/lax", create_model=Lax)
SHOWN = {"email": "a", "fullName": "Ann", "homeTown": None}


def serve(url: str) -> Any:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    for router in (members, guests, lax):
        app.include_router(router)
    return client_of(app)


@pytest.mark.long
async def test_aliases_are_the_names_in_json(database_url: str) -> None:
    """Columns are fields; bodies and answers have their aliases, and only those."""
    async with serve(database_url) as client:
        made = await client.put("/members/a", json={"fullName": "Ann"})
        assert (made.status_code, made.json()) == (201, SHOWN)
        changed = await client.patch("/members/a", json={"homeTown": "Ulm"})
        assert changed.json() == {**SHOWN, "homeTown": "Ulm"}
        assert (await client.patch("/members/a", json={"home_town": "x"})).status_code == 422
        assert (await client.get("/members")).json()["items"] == [changed.json()]


@pytest.mark.long
async def test_their_defaults_count_for_new_rows(database_url: str) -> None:
    """What a client leaves out is what the model says; a change leaves it alone."""
    async with serve(database_url) as client:
        await client.put("/members/a", json={"fullName": "Ann"})
        read = "/lax/a?fields=role_name"
        assert (await client.get(read)).json() == {"role_name": "member"}
        await client.put("/members/a", json={"fullName": "Ann", "roleName": "boss"})
        await client.patch("/members/a", json={"homeTown": "Ulm"})
        assert (await client.get(read)).json() == {"role_name": "boss"}


@pytest.mark.long
async def test_policies_hold_under_any_name(database_url: str) -> None:
    """What is assigned is assigned, and what is sealed is sealed, by its alias too."""
    async with serve(database_url) as client:
        assert (await client.put("/guests/a", json={"fullName": "Ann"})).status_code == 201
        read = await client.get("/lax/a?fields=role_name")
        assert read.json() == {"role_name": "guest"}
        for role, status in (("guest", 200), ("boss", 403)):
            body = {"fullName": "Ann", "roleName": role}
            assert (await client.put("/guests/a", json=body)).status_code == status
        for method in ("PATCH", "PUT"):
            body = {"fullName": "Ann", "homeTown": "Ulm"}
            assert (await client.request(method, "/guests/a", json=body)).status_code == 422


@pytest.mark.long
async def test_upsert_changes_what_the_model_took(database_url: str) -> None:
    """What it ignores, and what it fills in, is not changed in a row that is there."""
    body = {"email": "a", "full_name": "Ann", "home_town": "Ulm"}
    async with serve(database_url) as client:
        await client.put("/members/a", json={"fullName": "A", "roleName": "boss"})
        assert (await client.post("/lax?on_conflict=email", json=body)).json() == {
            "email": "a", "full_name": "Ann", "home_town": None, "role_name": "boss",
        }  # fmt: skip


class Kept(BaseModel):
    """Keeps its values out of logs."""

    email: SecretStr
    full_name: Secret[str] = Secret("Ann")
    role_name: str = "clerk"


@pytest.mark.long
async def test_what_a_model_keeps_out_of_logs_is_stored_as_it_is(database_url: str) -> None:
    """For new rows, changes and batches."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    change = create_model("KeptChange", home_town=(SecretStr | None, None))
    app.include_router(resource(Member, path="/kept", create_model=Kept, update_model=change))
    async with client_of(app) as client:
        made = await client.post("/kept", json={"email": "a@x.org", "full_name": "Bo"})
        assert made.json()["full_name"] == "Bo"
        changed = await client.patch("/kept/a@x.org", json={"home_town": "Rome"})
        assert changed.json()["home_town"] == "Rome"
        steps = [{"op": "create", "data": {"email": f"{name}@x.org"}} for name in "bc"]
        assert (await client.post("/kept:batch", json={"operations": steps})).status_code == 200
        assert (await client.get("/kept/c@x.org")).json()["full_name"] == "Ann"
