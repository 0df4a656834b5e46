"""Models of random columns, related to each other: the front door answers as the ordinary way."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import MetaData
from sqlalchemy.orm import mapped_column, relationship

from ormolu import Model, UTCDateTime, resource
from tests.fixtures.rounds import many
from tests.resources.people import Colour, text
from tests.resources.twins import Twins, twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Make = Callable[[random.Random], Any]

MOMENTS = ("2026-01-02T03:04:05", "0001-01-02T00:00:00.000001", "9999-12-30T23:59:59.999999")
# Of each type: values as a client sends them, few, so that many rows are equal.
TYPES: tuple[tuple[Callable[[], Any], Make], ...] = (
    (sa.Integer, lambda source: source.choice([0, 1, -(2**31), 2**31 - 1, 2**31])),
    (sa.SmallInteger, lambda source: source.choice([0, -1, 32767])),
    (sa.BigInteger, lambda source: source.choice([2**53 + 1, -(2**63), 2**63 - 1, 5])),
    (lambda: sa.String(20), text),
    (sa.Text, lambda source: text(source) * 9),
    (lambda: sa.Unicode(20), text),
    (sa.Boolean, lambda source: source.random() < 0.5),
    (sa.Float, lambda source: source.choice([0.1 + 0.2, -0.0, 1e300, 5e-324, 3.0, 7])),
    (sa.Double, lambda source: source.choice([1 / 3, 1e-7, 123456789012345678])),
    (lambda: sa.Numeric(12, 3), lambda source: source.choice(["0.001", "-1", "1.500", 7, "1e1"])),
    (lambda: sa.Numeric(9, 2, asdecimal=False), lambda source: source.choice([0.25, 3, -1.5])),
    (sa.Date, lambda source: source.choice(["2026-01-02", "0001-01-01", "9999-12-31"])),
    (sa.Time, lambda source: source.choice(["00:00:00", "23:59:59", "12:30"])),
    (sa.DateTime, lambda source: source.choice(MOMENTS)),
    (UTCDateTime, lambda source: source.choice(MOMENTS) + source.choice(["Z", "+02:00"])),
    (sa.Interval, lambda source: source.choice(["P1DT2H", "PT0.000001S", "-P3D"])),
    (sa.Uuid, lambda source: f"6ba7b810-9dad-11d1-80b4-00c04fd430c{source.randint(0, 3)}"),
    (lambda: sa.Uuid(as_uuid=False), lambda _: "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"),
    (lambda: sa.LargeBinary(20), lambda source: source.choice(["", "YQ==", "_w==", "AAA="])),
    (lambda: sa.Enum(Colour), lambda source: source.choice(["red", "blue", "RED"])),
    (lambda: sa.Enum("a b", "c'd", name="words"), lambda source: source.choice(["a b", "c'd"])),
    (sa.JSON, lambda source: source.choice([{"a": [1, None, 0.1]}, [], "x", 2**60, True, ""])),
)  # fmt: skip


class Random:
    """Two models, each with some columns, and relations between them."""

    def __init__(self, source: random.Random) -> None:
        self.metadata = MetaData()
        members = {"__abstract__": True, "metadata": self.metadata}
        base = type("Base", (Model,), members)
        self.values: dict[str, dict[str, Make]] = {"owner": {}, "thing": {}}
        link = {
            "owner_id": mapped_column(sa.ForeignKey("owner.id"), nullable=True),
            "owner": relationship("Owner", back_populates="things"),
        }
        back = {"things": relationship("Thing", back_populates="owner")}
        owner = self._model(source, base, "owner", back)
        thing = self._model(source, base, "thing", link)
        self.routers = [resource(owner, writable={"id"}, includes={"things"}),
                        resource(thing, writable={"id"}, includes={"owner"})]  # fmt: skip

    def _model(
        self, source: random.Random, base: type[Any], name: str, members: dict[str, Any]
    ) -> type[Any]:
        columns: dict[str, Any] = {
            "__tablename__": name,
            "id": mapped_column(sa.Integer, primary_key=True, autoincrement=False),
            **members,
        }
        if source.random() < 0.5:
            columns["version"] = mapped_column(sa.Integer)
            columns["__mapper_args__"] = {"version_id_col": columns["version"]}
        for index, (make, value) in enumerate(source.sample(TYPES, source.randint(1, 9))):
            columns[f"c{index}"] = mapped_column(f"c {index}", make(), nullable=True)
            self.values[name][f"c{index}"] = value
        return type(name.title(), (base,), columns)

    def body(self, source: random.Random, name: str) -> dict[str, Any]:
        """Return some values."""
        found = {
            column: None if source.random() < 0.2 else value(source)
            for column, value in self.values[name].items()
            if source.random() < 0.6
        }
        return found | ({"owner_id": source.randint(1, 9)} if name == "thing" else {})

    async def ask(self, twins: Twins, source: random.Random) -> None:
        """Send one random request."""
        name = source.choice(["owner", "thing", "thing"])
        columns = [*self.values[name], "id"]
        path, body = f"/{name}/{source.randint(1, 12)}", self.body(source, name)
        include = source.choice(["", "include=things" if name == "owner" else "include=owner"])
        fields = source.choice(["", f"fields={','.join(source.sample(columns, 2))}"])
        query = "&".join(filter(None, (include, fields)))
        match source.randint(0, 5):
            case 0:
                await twins.send("POST", f"/{name}", json={"id": source.randint(1, 12), **body})
            case 1:
                await twins.send("PATCH", path, json=body)
            case 2:
                await twins.send("DELETE", path)
            case 3:
                await twins.send("GET", f"{path}?{query}".rstrip("?"))
            case _:
                sign = source.choice(["", "-"])
                place = f"/{name}?sort={sign}{source.choice(columns)}&limit=2&{query}"
                answer = await twins.send("GET", place)
                for _ in range(2):
                    if cursor := answer.json().get("next_cursor"):
                        answer = await twins.send("GET", f"{place}&cursor={cursor}")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(many(3)))
async def test_random_models_are_answered_alike(twin_urls: tuple[str, str], seed: int) -> None:
    """Whatever their columns are; and their rows are the same afterwards."""
    source = random.Random(seed)
    models = Random(source)
    async with twins_of(twin_urls, models.metadata, *models.routers) as twins:
        for number in range(1, 10):
            await twins.send("POST", "/owner", json={"id": number})
        for _ in range(100):
            await models.ask(twins, source)
        assert twins.answered > 40
        await twins.compare(*models.metadata.tables.values())
