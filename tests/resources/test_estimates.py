"""An estimate is given where every row that it knows of may be seen, on each hop."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Owner(Base):
    __tablename__ = "estimate_owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    notes: Mapped[list[Note]] = relationship(back_populates="owner")


class Note(Base):
    __tablename__ = "estimate_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    text: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[int] = mapped_column(ForeignKey("estimate_owners.id"))
    owner: Mapped[Owner] = relationship(back_populates="notes")


NOTES = resource(Note, path="/notes", policy=lambda: Policy(visible=Note.tenant == 1))
OWNERS = resource(Owner, path="/owners", includes={"notes": NOTES})


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "estimate"), ("id__gt=0&", "estimate"), ("notes.text=a&", "exact"),
        ('where={"not":{"or":[{"id":1},{"notes":{"none":{"text":"a"}}}]}}&', "exact"),
    ],
)  # fmt: skip
async def test_hidden_rows(database_url: str, query: str, kind: str) -> None:
    """The planner's statistics are of all rows, also of those that a policy hides."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(OWNERS)
    app.include_router(NOTES)
    async with client_of(app) as client:
        for _ in range(2):
            page = (await client.get(f"/owners?{query}count=estimated")).json()
            assert page["total_kind"] == kind
