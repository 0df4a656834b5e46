"""Columns called like the parameters that SQLAlchemy names itself can be written."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from sqlalchemy import MetaData, String, func
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Contact(Base):
    """What a policy, a version, a hybrid and a literal are compared with has parameters."""

    __tablename__ = "named_contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    id_1: Mapped[int | None]
    phone: Mapped[str | None] = mapped_column(String(20))
    phone_1: Mapped[str | None] = mapped_column(String(20), default="d")
    phone_2: Mapped[str | None] = mapped_column(
        String(20), onupdate=lambda context: context.get_current_parameters().get("phone_1")
    )
    bound_where_0: Mapped[str | None] = mapped_column(String(20))
    param_1: Mapped[str | None] = mapped_column("param_1", String(20))
    coalesce_1: Mapped[str | None] = mapped_column(String(20))
    version: Mapped[int] = mapped_column()
    version_1: Mapped[str | None] = mapped_column(String(20))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 -- SQLAlchemy's own form

    @hybrid_property
    def phones(self) -> Any:
        """Both of them."""
        return func.coalesce(self.phone, "-") + "/" + func.coalesce(self.phone_1, "-")


async def own(x_phone: Annotated[str, Header()]) -> Policy:
    seen = (Contact.phone == x_phone) | (Contact.phone_1 == x_phone)
    return Policy(visible=seen, writable=seen & (Contact.id_1.is_(None) | (Contact.id_1 < 9)))


guarded = resource(Contact, path="/guarded", policy=own, writable={"id"}, read_only={"phone_2"})
plain = resource(Contact, path="/plain", writable={"id"}, read_only={"phone_2"})
CHANGES: dict[str, Any] = {
    "id_1": 3, "phone_1": "q", "bound_where_0": "b", "param_1": "p", "coalesce_1": "c",
    "version_1": "v",
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("path", ["/guarded", "/plain"])
async def test_each_can_be_written(database_url: str, path: str) -> None:
    """Alone and with all others, by whichever way, in a batch too; functions find their names."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(guarded)
    app.include_router(plain)
    async with client_of(app) as client:
        client.headers["X-Phone"] = "a"
        body = {"id": 1, "phone": "a", **CHANGES}
        made = await client.post(path, json=body)
        assert made.status_code == 201, made.text
        assert made.json()["phones"] == "a/q"
        for name, value in CHANGES.items():
            changed = await client.patch(f"{path}/1", json={name: value})
            assert changed.status_code == 200, f"{name}: {changed.text}"
            tag = {"If-Match": changed.headers["etag"]}
            changed = await client.patch(f"{path}/1", json={name: value}, headers=tag)
            assert changed.json()["phone_2"] == (value if name == "phone_1" else None)
        put = await client.put(f"{path}/1", json={"phone": "a"})
        assert (put.status_code, put.json()["phone_1"], put.json()["id_1"]) == (200, "d", None)
        operations = [{"op": "create", "data": body | {"id": 2}}, {"op": "create", "data": body | {
            "id": 3}}, {"op": "update", "id": 1, "data": CHANGES}]  # fmt: skip
        done = await client.post(f"{path}:batch", json={"operations": operations})
        assert [each["status"] for each in done.json()["results"]] == [201, 201, 200], done.text
        assert (await client.delete(f"{path}/2")).status_code == 204
