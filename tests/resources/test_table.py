"""The table of operations is the one place that says which there are."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, resource
from ormolu.resources.declare._declaration import OPERATIONS
from ormolu.resources.http import _table
from ormolu.resources.http._call import Call
from ormolu.resources.http._table import TABLE, Operation
from ormolu.web import Reply
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(DeclarativeBase):
    """Of this file alone."""


class Draft(Base):
    """A row."""

    __tablename__ = "table_drafts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def test_each_name_of_a_declaration_has_a_row() -> None:
    """What a declaration may name, and what there is."""
    assert {operation.needs for operation in TABLE} == {*OPERATIONS}


async def double(call: Call) -> Reply:
    """Write the name of each row twice; a handler of another operation."""
    call.parameters()
    statement = text("UPDATE table_drafts SET name = name || name")
    await call.executor.in_session().session.execute(statement)
    return Reply(204, [], b"")


@pytest.mark.long
async def test_another_operation_is_a_row_and_a_handler(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its route, its place in the document and in what explains doors come from the row."""
    more = Operation(
        name="double", methods=("POST",), path=":double", needs="update", handler=double,
        summary="Double {}", status=204, problems=(422, 503),
    )  # fmt: skip
    monkeypatch.setattr(_table, "TABLE", (more, *TABLE))
    db, app = Database(database_url, metadata=Base.metadata), FastAPI()
    db.attach(app)
    app.include_router(drafts := resource(Draft))
    async with client_of(app) as client:
        assert (await client.post("/table_drafts", json={"name": "a"})).status_code == 201
        assert (await client.post("/table_drafts:double")).status_code == 204
        assert (await client.get("/table_drafts/1")).json()["name"] == "aa"
        assert (await client.post("/table_drafts:double?x=1")).status_code == 422
        document = (await client.get("/openapi.json")).json()
    documented = document["paths"]["/table_drafts:double"]["post"]
    assert documented["summary"] == "Double Draft"
    assert {*documented["responses"]} == {"204", "422", "503"}
    assert "double" in {each.operation for each in drafts.explain()}
