"""Which works are kept where policies have many structures."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, Policy, resource
from ormolu.resources.http._kept_works import Works
from ormolu.resources.http._table import TABLE
from ormolu.resources.routes._binding import bind_routes
from ormolu.resources.work._grants import make_grant
from ormolu.web import LanesAtHand

READ = next(each for each in TABLE if each.name == "read")


class Lanes:
    """What works are kept for."""


class Plot(Model):
    __tablename__ = "kept_plots"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]


def nobody() -> Policy:
    return Policy()


@pytest.mark.long
def test_structures_that_come_again() -> None:
    """The first have works; later ones once they come for the second time, and soon."""
    app, plots = FastAPI(), resource(Plot, policy=nobody)
    lanes: Any = Lanes()
    at_hand = LanesAtHand(lanes, sqlite.dialect())
    app.include_router(plots)
    exposure = bind_routes(app).exposure(plots.declaration)
    works = Works(exposure)

    def find(first: int, second: int) -> Any:
        rows = Plot.id.in_(range(first)) & Plot.owner.in_(range(second))
        policies = {exposure: Policy(visible=rows)}
        grant = make_grant(policies, policies[exposure])
        assert grant is not None
        return works.find(READ, at_hand, policies, grant)

    assert all(find(1, n) is not None for n in range(100))
    assert [find(n, 1) is not None for n in range(2, 60)].count(True) == 28
    assert find(50, 2) is None
    made = find(50, 2)
    assert made is not None
    assert find(50, 2) is made
