"""Policies on writes: what they assign, what they name, and whose answers are kept."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Header
from sqlalchemy import MetaData, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, UsageError, resource
from ormolu.resources.declare._policy import checked_policy
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Draft(Base):
    __tablename__ = "drafts"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[UUID] = mapped_column(Uuid)
    slug: Mapped[str] = mapped_column(String(20), unique=True)
    text: Mapped[str | None] = mapped_column(String(20))


class Tag(Base):
    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("tenant", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(20))
    colour: Mapped[str | None] = mapped_column(String(20))


ANN, BO = UUID(int=10), UUID(int=11)


async def owned(x_user: Annotated[UUID, Header()] = ANN) -> Policy:
    """Let everybody change every draft; who makes one owns it."""
    return Policy(visible=True, assign={"owner": x_user})


drafts = resource(Draft, policy=owned)


def serve(url: str, *routers: Any) -> Any:
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    for router in routers or (drafts,):
        app.include_router(router)
    return client_of(app)


async def post(client: httpx2.AsyncClient, path: str, user: UUID, **body: Any) -> httpx2.Response:
    return await client.post(path, json=body, headers={"X-User": str(user)})


async def test_assigned_values_may_be_repeated_as_json(database_url: str) -> None:
    """A UUID is the same in upper case; another, or none at all, is refused."""
    async with serve(database_url) as client:
        same = await post(client, "/drafts", ANN, slug="a", owner=str(ANN).upper())
        assert (same.status_code, same.json()["owner"]) == (201, str(ANN))
        for other in (str(BO), "x", None, 10):
            refused = await post(client, "/drafts", ANN, slug="b", owner=other)
            assert refused.status_code == 403, other


async def test_upsert_assigns_to_new_rows_only(database_url: str) -> None:
    """Who changes a row does not take it over, not by sending its own name either."""
    async with serve(database_url) as client:
        await post(client, "/drafts", BO, slug="a")
        path = "/drafts?on_conflict=slug"
        for body in ({"text": "x"}, {"text": "y", "owner": str(ANN)}):
            changed = await post(client, path, ANN, slug="a", **body)
            assert (changed.status_code, changed.json()["text"]) == (200, body["text"])
            assert changed.json()["owner"] == str(BO)


@pytest.mark.parametrize("options", [{"hidden": {"txet"}}, {"read_only": {"txet"}}])
def test_names_of_a_policy_are_checked(options: Any) -> None:
    """A name that is misspelt would hide nothing: it is an error that says so."""
    with pytest.raises(UsageError, match=r"names 'txet', .*; did you mean 'text'"):
        checked_policy(Policy(visible=True, **options), Draft)


@pytest.mark.long
async def test_kept_answers_are_not_shown_to_those_who_see_less(database_url: str) -> None:
    """One key of two clients is two keys, though they differ in hidden columns alone."""

    async def seen(x_user: Annotated[UUID, Header()]) -> Policy:
        hidden = {"text"} if x_user == BO else set[str]()
        return Policy(visible=True, hidden=hidden)

    plain = resource(Draft, path="/plain", policy=seen, idempotency=True)
    body = {"slug": "a", "owner": str(ANN)}
    async with serve(database_url, plain) as client:
        client.headers["Idempotency-Key"] = "k"
        assert "text" in (await post(client, "/plain", ANN, **body)).json()
        assert (await post(client, "/plain", BO, **body)).status_code == 409


@pytest.mark.long
async def test_tenants_upsert_by_their_own_keys(database_url: str) -> None:
    """What the policy assigns is of the key, whether it is named, hidden or not."""

    async def own(x_user: Annotated[UUID, Header()]) -> Policy:
        return Policy(visible=Tag.tenant == x_user, assign={"tenant": x_user})

    tags = resource(Tag, policy=own, hidden={"tenant"})
    async with serve(database_url, tags) as client:
        for path in ("/tags?on_conflict=name", "/tags?on_conflict=tenant,name"):
            for user in (ANN, BO):
                answer = await post(client, path, user, name="a", colour=path[-11:])
                assert answer.status_code == (201 if path.endswith("t=name") else 200)
        refused = await post(client, "/tags?on_conflict=colour", ANN, name="a")
        assert (refused.status_code, "name,tenant" in refused.json()["detail"]) == (422, True)
