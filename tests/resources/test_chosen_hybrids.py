"""A hybrid property that chooses its SQL by who asks is chosen anew for each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import MetaData, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, Policy, resource
from ormolu.resources.http import _hybrids
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

# As a middleware would set it.
asking = {"role": "staff", "language": "en"}


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Ware(Base):
    __tablename__ = "chosen_wares"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    name_de: Mapped[str] = mapped_column(String(20))
    cost: Mapped[int] = mapped_column(default=7)

    @hybrid_property
    def title(self) -> Any:
        """One of two columns."""
        return self.name if asking["language"] == "en" else self.name_de

    @hybrid_property
    def shown_cost(self) -> Any:
        """A column, or none."""
        return self.cost if asking["role"] == "staff" else sa.type_coerce(sa.null(), sa.Integer)

    @hybrid_property
    def is_cheap(self) -> Any:
        """A condition, or a constant."""
        return self.cost < self.id if asking["role"] == "staff" else sa.false()

    @hybrid_property
    def kind(self) -> Any:
        """One of two functions."""
        return sa.func.upper(self.name) if asking["role"] == "staff" else sa.func.lower(self.name)


class Shout(sa.sql.expression.ColumnElement[str]):
    """SQL of the program's own, which SQLAlchemy compiles each time."""

    inherit_cache = False
    type = String()

    def __init__(self, text: str) -> None:
        self.text: str = text


@compiles(Shout)
def _compile(element: Shout, *_: Any, **__: Any) -> str:
    return f"'{element.text}!'"


class Loud(Base):
    __tablename__ = "chosen_loud"
    id: Mapped[int] = mapped_column(primary_key=True)

    @hybrid_property
    def text(self) -> Any:
        """What nobody can compare."""
        return Shout(asking["role"])


HIDDEN = {"name_de", "cost"}
OPERATIONS = {"list", "read", "update"}
open_wares = resource(Ware, path="/wares", hidden=HIDDEN, operations=OPERATIONS)
guarded = resource(
    Ware, path="/guarded", hidden=HIDDEN, operations=OPERATIONS,
    policy=lambda: Policy(visible=Ware.cost > 0),
)  # fmt: skip
loud = resource(Loud, path="/loud")
PATHS = ("", "/1", "?title=one", "?title=eins", "?sort=-title", "?is_cheap=false&fields=id,kind",
         "?shown_cost__isnull=true")  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("path", ["/wares", "/guarded"])
async def test_each_is_shown_their_own(twin_urls: tuple[str, str], path: str) -> None:
    """What is shown, filtered and sorted by; where it is as it was the door answers again."""
    asking.update(role="staff", language="en")
    rows = "INSERT INTO chosen_wares (id, name, name_de, cost) VALUES (1, 'one', 'eins', 7)"
    async with twins_of(twin_urls, Base.metadata, open_wares, guarded) as twins:
        await twins.execute(rows)
        for each in PATHS:
            await twins.through("GET", f"{path}{each}")
        asking.update(role="guest", language="de")
        seen = await twins.past("GET", f"{path}/1")
        assert seen.json()["title"] == "eins"
        assert (seen.json()["shown_cost"], seen.json()["kind"]) == (None, "one")
        for each in PATHS:
            await twins.past("GET", f"{path}{each}")
        asking.update(role="staff")
        await twins.past("GET", f"{path}/1")
        asking.update(language="en")
        assert (await twins.through("GET", f"{path}/1")).json()["shown_cost"] == 7


@pytest.mark.long
async def test_what_cannot_be_compared(twin_urls: tuple[str, str]) -> None:
    """SQL without a cache key is the session's."""
    async with twins_of(twin_urls, Base.metadata, loud) as twins:
        await twins.execute("INSERT INTO chosen_loud (id) VALUES (1)")
        for role in ("staff", "guest"):
            asking.update(role=role)
            assert (await twins.past("GET", "/loud/1")).json()["text"] == f"{role}!"


@pytest.mark.long
async def test_writes_show_them_too(twin_urls: tuple[str, str]) -> None:
    """In the answer to a write."""
    asking.update(role="staff", language="en")
    async with twins_of(twin_urls, Base.metadata, open_wares) as twins:
        await twins.execute("INSERT INTO chosen_wares (id, name, name_de, cost) "
                            "VALUES (1, 'one', 'eins', 7)")  # fmt: skip
        made = await twins.through("PATCH", "/wares/1", json={"name": "two"})
        assert made.json()["shown_cost"] == 7
        asking.update(role="guest")
        made = await twins.past("PATCH", "/wares/1", json={"name": "three"})
        assert (made.json()["title"], made.json()["shown_cost"]) == ("three", None)


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [(1, 1, True), (1, True, False), (1, 1.0, False), (0.0, -0.0, False), ("a", "a", True)],
)
def test_values_of_one_request_and_another(one: Any, other: Any, is_equal: bool) -> None:
    """They are compared as the database would see them, not as Python does."""
    compare: Callable[..., bool] = _hybrids._are_equal
    assert compare([one], [other]) is is_equal
